"""Folders of frames: the images of one folder as a video, in the order of the numbers in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from videogn.data.decoding.image import read_image
from videogn.data.decoding.video import ByNumber, DecodeError, exact_rate
from videogn.data.decoding.window import Frame
from videogn.data.media import is_hidden, is_image

_NUMBER = re.compile(r"(\d+)")


class FramesVideo(ByNumber):
    """The images of a folder as a video; see `Video`. Only those that are wanted are opened.

    Args:
        frames_per_second: Which images do not say; None: not known.

    Raises:
        DecodeError: It has no images, or their names do not tell their order.
    """

    def __init__(self, path: str | Path, *, frames_per_second: float | None = None) -> None:
        self.path = str(path)
        self.rate = exact_rate(frames_per_second)
        try:
            names = [name for name in os.listdir(self.path) if is_image(name) and not is_hidden(name)]
            self._names = in_order(names)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise DecodeError(self.path, reason or str(error)) from error
        self.num_frames = len(self._names)

    def _frames(self, wanted: list[int]) -> Iterator[Frame]:
        """Yield images.

        Raises:
            DecodeError: An image can't be read (its name is in the error), or is of another size than the first.
        """
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
            yield frame


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
