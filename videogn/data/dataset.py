"""One item is one video with its views, all from one decode.

Shapes: B videos, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from videogn.data.decoding import DecodeError, DecoderName, Frames, TooFewFrames, Video, open_video
from videogn.data.lists import VideoRecord

# What a sampler asks for: (epoch, place in the records). The epoch travels with the key, so that workers that outlive
# an epoch need not be told.
Key = tuple[int, int]
# The place that stands for no video: it keeps the number of batches equal on all devices of a test.
NO_VIDEO = -1
NO_VIEWS = torch.empty(0, 0, 0, 0, 3, dtype=torch.uint8)


class Views(Protocol):
    """How views are made of a video: TrainViews, RegionViews or TestViews."""

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """[clips, T] frame indices in a video of `total` frames."""

    def scaling(self, rng: np.random.Generator) -> Callable[[Frames], Frames]:
        """What is done to each frame [H, W, C] as it is decoded.

        What is random about it is drawn here, once for all frames of the video.
        """

    def crops(self, scaled: Tensor, rng: np.random.Generator) -> Tensor:
        """[crops, F, H, W, C] of scaled frames [F, H, W, C]."""


@dataclass(frozen=True)
class Sample:
    """A video's views.

    Attributes:
        views: uint8 [V, T, H, W, C]; None where it could not be decoded.
        label: Class index.
        index: The video's place in its list.
        error: Why it could not be decoded.
    """

    views: Tensor | None
    label: int
    index: int
    error: str | None = None


class Batch(TypedDict):
    """Videos as the device gets them.

    Attributes:
        views: uint8 [B, V, T, H, W, C].
        labels: int64 [B].
        indices: int64 [B], places in the list.
        weights: float32 [B]; 0 for a video that was skipped in training, else 1.
        failures: (place in the list, reason) of videos that could not be decoded.
    """

    views: Tensor
    labels: Tensor
    indices: Tensor
    weights: Tensor
    failures: list[tuple[int, str]]


class VideoDataset(Dataset[Sample | None]):
    """Videos, decoded when asked for.

    Everything random in a sample derives from (seed, epoch, video index): the same views come at any batch size, number
    of workers and number of devices.

    Args:
        records: The videos.
        views: How views are made of each.
        seed: Of the run.
        decoder: Which decoder reads the files.
        exact_count: Whether a clip's place is computed from the exact number of frames (tests: each video is decoded to
            its end) or from the number of packets, which is larger for a few files and then corrected only where a
            clip hits it (training: decoding ends with the clip).
    """

    def __init__(
        self,
        records: Sequence[VideoRecord],
        *,
        views: Views,
        seed: int = 0,
        decoder: DecoderName = "pyav",
        exact_count: bool = False,
    ) -> None:
        self.records = records
        self.views = views
        self.seed = seed
        self.decoder: DecoderName = decoder
        self.exact_count = exact_count

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: Key) -> Sample | None:
        """The sample of (epoch, place); None for NO_VIDEO. An unreadable one has an error."""
        epoch, place = key
        if place == NO_VIDEO:
            return None
        record = self.records[place]
        if record.path is None:
            return Sample(None, record.label, record.index, f"{record.name}: no file of this name below the data root")
        try:
            with open_video(record.path, backend=self.decoder) as video:
                views = self._views(video, (self.seed, epoch, record.index))
        except DecodeError as error:
            return Sample(None, record.label, record.index, str(error))
        return Sample(views, record.label, record.index)

    def _views(self, video: Video, entropy: tuple[int, int, int]) -> Tensor:
        total = video.num_frames
        try:
            views = self._views_of(video, total, np.random.default_rng(entropy))
        except TooFewFrames as error:
            if not 0 < error.num_frames < total:
                raise
        else:
            if not self.exact_count or video.num_frames == total:
                return views
        # The packets had promised another number of frames: once more, by the exact one.
        return self._views_of(video, video.num_frames, np.random.default_rng(entropy))

    def _views_of(self, video: Video, total: int, rng: np.random.Generator) -> Tensor:
        clips = self.views.indices(total, rng)
        wanted, place = np.unique(clips, return_inverse=True)
        frames = video.frames(wanted.tolist(), convert=self.views.scaling(rng), to_end=self.exact_count)
        crops = self.views.crops(torch.from_numpy(frames), rng)
        # [crops, F, ...] -> [crops, clips, T, ...] -> clip by clip, its crops side by side
        gathered = crops[:, torch.from_numpy(place.reshape(clips.shape))]
        return gathered.transpose(0, 1).flatten(0, 1).contiguous()


def collate_train(samples: Sequence[Sample | None], *, shape: tuple[int, int, int]) -> Batch:
    """A training batch of constant size: a video that could not be decoded keeps its place with weight 0.

    The shape is what batch statistics, accumulation and several devices rely on. Its place is filled with the first
    clip of the batch, which has no weight in the loss there; where none could be decoded, the views are grey.

    Args:
        samples: Of the batch.
        shape: (T, H, W) of a clip.
    """
    present = [sample for sample in samples if sample is not None]
    grey = torch.full((1, *shape, 3), 115, dtype=torch.uint8)
    good = next((sample.views for sample in present if sample.views is not None), grey)
    failures = [(sample.index, sample.error) for sample in present if sample.error is not None]
    views = torch.stack([good if sample.views is None else sample.views for sample in present])
    weights = torch.tensor([float(sample.views is not None) for sample in present])
    return _batch(present, views, weights, failures)


def collate_test(samples: Sequence[Sample | None]) -> Batch:
    """A test batch: videos that could not be decoded are left out and named; B may be 0."""
    present = [sample for sample in samples if sample is not None]
    scored = [sample for sample in present if sample.views is not None]
    failures = [(sample.index, sample.error) for sample in present if sample.error is not None]
    views = (
        torch.stack([sample.views for sample in scored if sample.views is not None]) if scored else NO_VIEWS[None][:0]
    )
    return _batch(scored, views, torch.ones(len(scored)), failures)


def _batch(samples: Sequence[Sample], views: Tensor, weights: Tensor, failures: list[tuple[int, str]]) -> Batch:
    return Batch(
        views=views,
        labels=torch.tensor([sample.label for sample in samples], dtype=torch.int64),
        indices=torch.tensor([sample.index for sample in samples], dtype=torch.int64),
        weights=weights,
        failures=failures,
    )
