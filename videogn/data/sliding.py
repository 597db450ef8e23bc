"""A window that slides over a video: clips as a test has them, at any distance, in memory that does not grow.

Shapes: T frames of a clip, H, W, C = 3; uint8.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding import Frame, Video
from videogn.data.views.sampling import clip_indices, clip_offsets
from videogn.data.views.testing import TestViews


@dataclass(frozen=True)
class SlidClip:
    """What the window shows at one place.

    Attributes:
        start: When its first frame is shown, in seconds from the beginning of the video.
        end: When its last frame is no longer shown.
        indices: int64 [T], its frames in the video.
        frames: The part of each that is under the crops, by its index.
        corners: (top, left) of each crop in that part.
    """

    start: Fraction
    end: Fraction
    indices: NDArray[np.int64]
    frames: Mapping[int, Frame]
    corners: list[tuple[int, int]]


def slide(video: Video, views: TestViews, *, every_seconds: float) -> Iterator[SlidClip]:
    """Yield the clips that begin at the first frame, and at the first one after each `every_seconds` from there.

    Each frame is decoded once; only those of clips are converted and kept, until the last clip has them. Every clip
    is whole, so the last one may end before the video does. Of a video that is shorter than a clip there is one, which
    goes on at the video's beginning, as in a test.

    Args:
        video: Is read once, in the order shown.
        views: What a clip is: its frames, size and crops. Where the clips of a test begin has no part in it.
        every_seconds: From the beginning of one clip to that of the next; where frames are further apart, each begins
            one.

    Raises:
        DecodeError: No frame can be decoded, or they are too narrow to be scaled.
        ValueError: The video's frames have no times.
    """
    every = Fraction(every_seconds).limit_denominator(1_000_000)
    offsets = clip_offsets(views.num_frames, views.frame_interval)
    of_clip, span = frozenset(offsets.tolist()), int(offsets[-1]) + 1
    begun: deque[tuple[int, Fraction]] = deque()  # clips of which frames are to come: the first, and its time
    held: dict[int, Frame] = {}
    corners: list[tuple[int, int]] = []
    first = due = end = Fraction(0)
    index, is_shorter = -1, True
    for index, shown in enumerate(video.stream(window=views.window(np.random.default_rng()))):
        if index == 0:
            first = due = shown.start
        if shown.start >= due:
            begun.append((index, shown.start))
            due = first + ((shown.start - first) // every + 1) * every
        # Of a video that may turn out to be shorter than a clip, every frame may be needed.
        if is_shorter or any(index - start in of_clip for start, _ in begun):
            part, corners = views.crops(shown.convert())
            held[index] = part.copy()  # the part alone stays, not the frame that it lies in
        end = shown.end
        if begun and index - begun[0][0] == span - 1:
            start, seconds = begun.popleft()
            indices, is_shorter = start + offsets, False
            yield SlidClip(seconds, end, indices, _of(held, indices), corners)
            oldest = begun[0][0] if begun else index + 1
            held = {kept: frame for kept, frame in held.items() if kept >= oldest}
    if is_shorter:
        indices = clip_indices(0, index + 1, num_frames=views.num_frames, frame_interval=views.frame_interval)
        yield SlidClip(first, end, indices, _of(held, indices), corners)


def _of(held: Mapping[int, Frame], indices: NDArray[np.int64]) -> dict[int, Frame]:
    return {index: held[index] for index in indices.tolist()}
