"""Which frames make a clip: index arithmetic, nothing else.

N frames in the video, T = num_frames in a clip, frame_interval source frames from one to the next;
span = (T - 1) * frame_interval + 1. An interval that is no whole number (videos of many rates at one of time) gives the
frames nearest to those times. All indices are int64 and lie in [0, N): what runs past the end wraps around, so a
video shorter than the span loops.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from videogn.data.views.protocols import CLIP_POLICIES, ClipPolicy

# Source frames from one frame of a clip to the next.
Interval = int | Fraction


def interval_at(rate: Fraction, frame_interval: Interval, *, target_fps: float) -> Fraction:
    """Return the interval in a video of `rate` frames a second that is `frame_interval` frames of one of `target_fps`.

    Below 1, frames are shown more than once.
    """
    return frame_interval * rate / Fraction(target_fps).limit_denominator(1001)


def clip_offsets(num_frames: int, frame_interval: Interval) -> NDArray[np.int64]:
    """Return [T] source frames from the first of a clip to each, rounded, halves up."""
    up, down = Fraction(frame_interval).as_integer_ratio()
    return (2 * up * np.arange(num_frames, dtype=np.int64) + down) // (2 * down)


def clip_span(num_frames: int, frame_interval: Interval) -> int:
    """Return source frames from the first to the last of a clip, both counted."""
    return int(clip_offsets(num_frames, frame_interval)[-1]) + 1


def clip_indices(start: int, total: int, *, num_frames: int, frame_interval: Interval) -> NDArray[np.int64]:
    """Return the T frame indices of the clip that starts at `start`, modulo the `total` frames of the video.

    Raises:
        ValueError: A number that is not positive.
    """
    if total < 1 or num_frames < 1 or frame_interval <= 0:
        raise ValueError(
            f"expected at least 1 of each, got {total} frames, num_frames {num_frames}, frame_interval {frame_interval}"
        )
    return (start + clip_offsets(num_frames, frame_interval)) % total


def random_clip(
    total: int, *, num_frames: int, frame_interval: Interval, rng: np.random.Generator, beside: int | None = None
) -> NDArray[np.int64]:
    """Return a training clip: start uniform in [0, N - span], ends included; 0 if the video is shorter (it loops).

    Args:
        beside: Start of another clip that is read with it: it is whole intervals away, so that the two share frames.
            Where the other start is uniform, this one is, too.
    """
    latest = max(total - clip_span(num_frames, frame_interval), 0)
    if beside is None or frame_interval != int(frame_interval):
        start = int(rng.integers(latest + 1))
    else:
        start = int(rng.choice(np.arange(beside % int(frame_interval), latest + 1, int(frame_interval))))
    return clip_indices(start, total, num_frames=num_frames, frame_interval=frame_interval)


def clip_starts(total: int, num_clips: int, *, span: int, policy: ClipPolicy = "nonlocal") -> list[int]:
    """Return the starts of the clips of a test.

    One clip is the centre of the video under every policy: max(N - span, 0) // 2. More:

    - "nonlocal": floor(N * j / num_clips), j = 0, 1, ...; the last clips run past the end and wrap around (the
      released code of Wang et al. 2018, which the paper's "10-clip testing" is).
    - "spread": evenly over [0, N - span], ends included and rounded down (SlowFast, MMAction2: nothing wraps).

    Raises:
        ValueError: An unknown policy.
    """
    latest = max(total - span, 0)
    if policy not in CLIP_POLICIES:
        raise ValueError(f"unknown clip policy {policy!r}; expected one of {', '.join(CLIP_POLICIES)}")
    if num_clips == 1:
        return [latest // 2]
    if policy == "nonlocal":
        return [total * j // num_clips for j in range(num_clips)]
    return [latest * j // (num_clips - 1) for j in range(num_clips)]


def protocol_clips(
    total: int, *, num_clips: int, num_frames: int, frame_interval: Interval, policy: ClipPolicy = "nonlocal"
) -> NDArray[np.int64]:
    """Return frame indices [num_clips, T] of a test's clips, see `clip_starts`."""
    span = clip_span(num_frames, frame_interval)
    starts = clip_starts(total, num_clips, span=span, policy=policy)
    return np.stack([clip_indices(s, total, num_frames=num_frames, frame_interval=frame_interval) for s in starts])
