"""Folders of frames: the images of one folder as a video, in the order of the numbers in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from videogn.data.decoding.image import read_image
from videogn.data.decoding.video import DecodeError, Shown, TooFewFrames, distinct, stream_at_rate, window_on
from videogn.data.decoding.window import Frame, WindowOf, cut, whole
from videogn.data.media import is_hidden, is_image

_NUMBER = re.compile(r"(\d+)")


class FramesVideo:
    """The images of a folder as a video; see `Video`. Only those that are wanted are opened.

    Args:
        frames_per_second: Which images do not say; None: not known.

    Raises:
        DecodeError: It has no images, or their names do not tell their order.
    """

    rate: Fraction | None

    def __init__(self, path: str | Path, *, frames_per_second: float | None = None) -> None:
        self.path = str(path)
        self.rate = None if frames_per_second is None else Fraction(frames_per_second).limit_denominator(1001)
        try:
            names = [name for name in os.listdir(self.path) if is_image(name) and not is_hidden(name)]
            self._names = in_order(names)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise DecodeError(self.path, reason or str(error)) from error

    @property
    def num_frames(self) -> int:
        """Images of the folder."""
        return len(self._names)

    def count_frames(self) -> int:
        """Return images of the folder."""
        return self.num_frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield the images at `indices`; see `Video.read`.

        Raises:
            DecodeError: An image can't be read (its name is in the error), or is of another size than the first.
        """
        wanted = distinct(indices)
        if wanted[-1] >= self.num_frames:
            raise TooFewFrames(self.path, wanted[-1], self.num_frames)
        first = None
        for index in wanted:
            frame = read_image(os.path.join(self.path, self._names[index]))
            first = frame.shape if first is None else first
            if frame.shape != first:
                raise DecodeError(
                    self.path,
                    f"frames of two sizes: {self._names[wanted[0]]} has {first[1]} x {first[0]} px, and "
                    f"{self._names[index]} {frame.shape[1]} x {frame.shape[0]}",
                )
            yield index, cut(frame, window_on(self.path, window or whole, *frame.shape[:2]))

    def stream(self, *, window: WindowOf | None = None) -> Iterator[Shown]:
        """Yield all frames in order; see `Video.stream`."""
        return stream_at_rate(self, window=window)

    def close(self) -> None:
        """Do nothing: no file is held open."""


def in_order(names: Sequence[str]) -> list[str]:
    """Return names of images by the one number in which they differ: img_00001.jpg, img_2.jpg, ...

    Numbers may begin anywhere, be padded or not, and leave gaps.

    Raises:
        ValueError: There are none, or they differ in something else, or two have one number.
    """
    return [name for _, name in numbered(names)]


def numbered(names: Sequence[str]) -> list[tuple[int, str]]:
    """Return (number, name) of images in order; see `in_order`."""
    if not names:
        raise ValueError("no images in this folder")
    parts = {name: _NUMBER.split(os.path.splitext(name)[0]) for name in sorted(names)}
    first, like = next(iter(parts.items()))
    place = None
    for name, own in parts.items():
        if own[::2] != like[::2]:
            raise ValueError(f"{first} and {name} are named by two patterns: frames differ in one number alone")
        differing = [at for at in range(1, len(own), 2) if int(own[at]) != int(like[at])]
        if len(differing) > 1 or (place is not None and differing and differing[0] != place):
            raise ValueError(f"{first} and {name} differ in two numbers: which one is the frame's?")
        place = differing[0] if differing else place
    if place is None:
        if len(parts) > 1:
            raise ValueError(f"{', '.join(list(parts)[:2])}: two frames of one number")
        return [(0, first)]
    found = sorted((int(own[place]), name) for name, own in parts.items())
    for (number, name), (after, other) in pairwise(found):
        if number == after:
            raise ValueError(f"{name} and {other}: two frames of one number")
    return found
