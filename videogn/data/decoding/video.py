"""What a decoder gives: a video whose frame k is the k-th that a full decode shows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Protocol

from videogn.data.decoding.window import Frame, Window, WindowOf, cut, whole

# Long side by short side, of frames that are scaled: four panoramas of 8 : 1. Scaled to a short side of 256 px, such
# a frame takes 6 MB, and the 320 of a 10x3 test of 32-frame clips 2 GB: of 2000 x 2 px they would take 60.
MOST_ASPECT = 32


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


@dataclass(frozen=True)
class Shown:
    """A frame in the order shown.

    Attributes:
        start: When it is shown, in seconds from the beginning of the file.
        end: When the next one is.
        convert: Gives the part of it that is wanted, RGB, uint8 [H, W, 3]; to be called before the next frame is asked
            for, or not at all.
    """

    start: Fraction
    end: Fraction
    convert: Callable[[], Frame]


class Video(Protocol):
    """An open video file. Frames are RGB, uint8 [H, W, 3], rotated as a player shows them."""

    path: str

    @property
    def num_frames(self) -> int:
        """Frames of the video; what the packets promise until a decode found the exact number."""

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, as far as the file knows; None for images."""

    def count_frames(self) -> int:
        """Return frames of the video, exactly, whatever that costs.

        Raises:
            DecodeError: No frame can be decoded.
        """

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Return the frames at `indices` from one decode, each distinct one as (index, frame), in order.

        A file that turns out to be damaged is read again from its beginning: frames that were given are given
        again, and the last ones count.

        Args:
            indices: Which, from 0; any order, repeats allowed.
            window: The part of the frames that is wanted, and its size; default: all.
            exact_count: `num_frames` is to be exact afterwards: where packets do not tell it, by decoding to the end.

        Raises:
            TooFewFrames: An index is past the last frame that can be decoded; `num_frames` is exact from then on.
            DecodeError: No frame can be decoded, or they are too narrow to be scaled.
            ValueError: No index, or a negative one.
        """

    def stream(self, *, window: WindowOf | None = None) -> Iterator[Shown]:
        """Yield all frames in the order shown, from one decode, in memory that does not grow with their number.

        They are those that a full decode shows, and `read` gives.

        Args:
            window: The part of the frames that is wanted, and its size; default: all.

        Raises:
            DecodeError: No frame can be decoded.
            ValueError: Several frames, and no rate that says when each is shown.
        """

    def close(self) -> None:
        """Close the file."""


class ByNumber:
    """What readers have in common that know how many frames there are, and read each by its number; see `Video`."""

    path: str
    rate: Fraction | None = None
    num_frames: int

    def _frames(self, wanted: list[int]) -> Iterator[Frame]:
        """Yield frames as they are, uint8 [H, W, 3], of numbers that rise, each once."""
        raise NotImplementedError

    def count_frames(self) -> int:
        """Return frames of the video."""
        return self.num_frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield the frames at `indices`, each distinct one as (index, frame); see `Video.read`."""
        wanted = distinct(indices)
        if wanted[-1] >= self.num_frames:
            raise TooFewFrames(self.path, wanted[-1], self.num_frames)
        for index, frame in zip(wanted, self._frames(wanted), strict=True):
            yield index, cut(frame, window_on(self.path, window or whole, *frame.shape[:2]))

    def stream(self, *, window: WindowOf | None = None) -> Iterator[Shown]:
        """Yield all frames in order, each shown equally long; see `Video.stream`."""
        if self.num_frames > 1 and not self.rate:
            raise ValueError(
                f"{self.path}: its {self.num_frames} frames do not say when each is shown: give their rate"
            )
        seconds = 1 / self.rate if self.rate else Fraction(0)
        for index, frame in self.read(range(self.num_frames), window=window):
            yield Shown(index * seconds, (index + 1) * seconds, partial(_itself, frame))

    def close(self) -> None:
        """Do nothing: no file is held open."""


def exact_rate(frames_per_second: float | None) -> Fraction | None:
    """Return a rate as a fraction whose denominator is 1001 at most: that of NTSC; None: not known."""
    return None if frames_per_second is None else Fraction(frames_per_second).limit_denominator(1001)


def _itself(frame: Frame) -> Frame:
    return frame


def window_on(path: str, window_of: WindowOf, height: int, width: int) -> Window:
    """Return the part that is wanted of frames of a size.

    Raises:
        DecodeError: It is to be scaled, and the frames are too narrow for that.
    """
    window = window_of(height, width)
    is_scaled = (window.height, window.width) != (window.out_height, window.out_width)
    if is_scaled and max(height, width) > MOST_ASPECT * min(height, width):
        reason = f"frames of {width} x {height} px are too narrow to be scaled; expected a long side of at most"
        raise DecodeError(path, f"{reason} {MOST_ASPECT} times the short one; leave the video out")
    return window


def distinct(indices: Sequence[int]) -> list[int]:
    """Return frame indices in order, each once.

    Raises:
        ValueError: None, or a negative one.
        TypeError: One is no integer.
    """
    wanted = sorted(set(map(operator.index, indices)))
    if not wanted:
        raise ValueError("no frame was asked for")
    if wanted[0] < 0:
        raise ValueError(f"frame {wanted[0]} was asked for; indices count from 0")
    return wanted


def orient(frame: Frame, matrix: Sequence[int]) -> Frame:
    """Turn and mirror [H, W, C] as a display matrix asks of a player.

    Args:
        matrix: a, b, c, d of FFmpeg's display matrix: (x, y) is shown at (a x + c y, b x + d y). Angles other than
            multiples of 90 degrees count as the nearest of those.
    """
    a, b, c, d = matrix
    if is_turned(matrix):
        frame, a, d = frame.transpose(1, 0, 2), c, b
    if a < 0:
        frame = frame[:, ::-1]
    return frame[::-1] if d < 0 else frame


def is_turned(matrix: Sequence[int]) -> bool:
    """Return whether a display matrix makes columns of rows."""
    a, b, c, d = matrix
    return abs(a) + abs(d) < abs(b) + abs(c)
