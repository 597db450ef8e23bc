"""The clips that every way of reading gets: random ones, as training draws them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from videogn.data.views.training import Augmentation, TrainViews


class Clip(NamedTuple):
    """A training clip.

    Attributes:
        epoch: Round over all videos.
        place: Of the video in the list.
        crop_size: H = W of the crop in px.
    """

    epoch: int
    place: int
    path: str
    indices: list[int]
    augmentation: Augmentation
    crop_size: int


def training_clips(paths: Sequence[str], num_frames: Sequence[int], *, views: TrainViews, seed: int) -> Iterator[Clip]:
    """Yield the clips that a dataset of these videos gives, video by video, epoch by epoch, without end."""
    for epoch in itertools.count():
        for place, (path, total) in enumerate(zip(paths, num_frames, strict=True)):
            rng = np.random.default_rng((seed, epoch, place))
            indices = views.indices(total, rng)[0].tolist()
            yield Clip(epoch, place, path, indices, views.augmentation(rng), views.crop_size)
