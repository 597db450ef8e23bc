"""What a decoder gives: a video whose frame k is the k-th that a full decode shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


class DecodeError(ValueError):
    """A video file that can't be decoded, with its name and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class TooFewFrames(DecodeError):
    """A frame was asked for that the file does not have, though its headers promised it."""

    def __init__(self, path: str, index: int, num_frames: int) -> None:
        super().__init__(path, f"frame {index} was asked for, but only {num_frames} can be decoded")
        self.index = index
        self.num_frames = num_frames

    def __reduce__(self) -> tuple[type, tuple[str, int, int]]:
        return type(self), (self.path, self.index, self.num_frames)


class Video(Protocol):
    """An open video file. Frames are RGB, uint8 [T, H, W, 3], rotated as a player shows them."""

    @property
    def num_frames(self) -> int:
        """Frames of the video; what the packets promise until a decode found the exact number."""

    def count_frames(self) -> int:
        """Frames of the video, exactly, whatever that costs.

        Raises:
            DecodeError: No frame can be decoded.
        """

    def frames(
        self, indices: Sequence[int], *, convert: Callable[[Frames], Frames] | None = None, to_end: bool = False
    ) -> Frames:
        """The frames at `indices` (any order, repeats allowed) from one decode.

        Args:
            indices: Which, from 0.
            convert: Applied to each distinct frame [H, W, C] as it is decoded: what is scaled down at once never lies
                in memory at its full size.
            to_end: Decode on to the end: `num_frames` is exact afterwards.

        Raises:
            TooFewFrames: An index is past the last frame that can be decoded; `num_frames` is exact from then on.
            DecodeError: No frame can be decoded.
        """

    def close(self) -> None:
        """Lets the file go."""


def orient(frame: Frames, matrix: Sequence[int]) -> Frames:
    """Turns and mirrors [H, W, C] as a display matrix asks of a player.

    Args:
        frame: As it is stored.
        matrix: a, b, c, d of FFmpeg's display matrix: (x, y) is shown at (a x + c y, b x + d y). Angles other than
            multiples of 90 degrees count as the nearest of those.
    """
    a, b, c, d = matrix
    if abs(a) + abs(d) < abs(b) + abs(c):  # rows become columns
        frame, a, d = frame.transpose(1, 0, 2), c, b
    if a < 0:
        frame = frame[:, ::-1]
    return frame[::-1] if d < 0 else frame
