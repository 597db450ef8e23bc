"""What a network says of a video over time: the clips of a window that slides over it, some at once.

Shapes: N windows, T frames of a clip, F distinct frames, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from videogn.data.batch import VideoViews
from videogn.data.decoding import DecodeError
from videogn.data.sliding import SlidClip


@dataclass(frozen=True)
class TimeWindow:
    """What the network says of a clip of a video.

    Attributes:
        start: When its first frame is shown, in seconds from the beginning of the video, by the video's own times.
        end: When its last frame is no longer shown.
        frames: Its first and its last frame in the video.
        probabilities: Of each class by its name, the most probable one first.
    """

    start: float
    end: float
    frames: tuple[int, int]
    probabilities: dict[str, float]


def in_batches(
    clips: Iterable[SlidClip], *, at_once: int, crop_size: int, device: torch.device
) -> Iterator[tuple[list[SlidClip], list[VideoViews]]]:
    """Yield up to `at_once` clips, and the views of each, on a device: frames that clips share are there once.

    Raises:
        DecodeError: What comes after the clips that were yielded can't be decoded.
    """
    clips = iter(clips)
    error: DecodeError | None = None
    while error is None:
        some: list[SlidClip] = []
        try:
            for clip in islice(clips, at_once):
                some.append(clip)
        except DecodeError as raised:
            error = raised
        if not some:
            break
        yield some, _views(some, crop_size, device)
    if error is not None:
        raise error


def _views(clips: Sequence[SlidClip], crop_size: int, device: torch.device) -> list[VideoViews]:
    shown = {index: frame for clip in clips for index, frame in clip.frames.items()}
    places = np.array(sorted(shown))
    frames = torch.from_numpy(np.stack([shown[index] for index in places.tolist()])).to(device)
    return [
        VideoViews(
            frames,
            clips=torch.from_numpy(np.searchsorted(places, clip.indices))[None].to(device),
            corners=clip.corners,
            crop_size=(crop_size, crop_size),
            spans=[frames_of(clip)],
            rate=None,
        )
        for clip in clips
    ]


def frames_of(clip: SlidClip) -> tuple[int, int]:
    """Return the first and the last frame of a clip; of one that goes on at the video's beginning, the video's."""
    return int(clip.indices[0]), int(clip.indices.max())
