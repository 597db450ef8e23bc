"""Which files are videos and which are images, by their names; and all of them below a folder.

An image is a video of one frame.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from videogn.files import walk

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".gif", ".ogv",
        ".mts", ".m2ts", ".vob", ".asf", ".rm", ".rmvb", ".divx", ".f4v", ".3g2", ".mxf", ".m2v", ".dv", ".ogg", ".qt",
    ]
)  # fmt: skip
# Those of torchvision's ImageFolder: the same tree gives the same images.
IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"])
_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES
# What systems leave behind in folders. Beside these, names with a dot at the beginning are hidden.
_OF_SYSTEMS = frozenset(["__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "Thumbs.db", "desktop.ini"])


class Media(NamedTuple):
    """A video or an image below a folder.

    Attributes:
        name: Its path relative to the folder.
        is_there: Whether the listing showed that; False where only a look can tell, and will: a link to nowhere.
    """

    name: str
    is_there: bool
    is_image: bool


def is_image(path: str | Path) -> bool:
    """Return whether a file's name is that of an image."""
    return _suffix(os.fspath(path)) in IMAGE_SUFFIXES


def is_media(path: str | Path) -> bool:
    """Return whether a file's name is that of a video or an image."""
    return _suffix(os.fspath(path)) in _SUFFIXES


def is_hidden(name: str) -> bool:
    """Return whether a file or a folder is hidden, or is what a system leaves in folders."""
    return name.startswith(".") or name in _OF_SYSTEMS


@dataclass
class LeftOut:
    """What a look into folders left out, to be said once.

    Attributes:
        hidden: Hidden files and folders, and what systems leave there.
        others: Files by their suffix that are no videos and no images.
    """

    hidden: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def warn(self, where: str | Path) -> None:
        """Say what was left out below a folder; nothing where nothing was."""
        parts = [f"{_count(self.hidden, 'hidden file')}"] if self.hidden else []
        parts += [f"{number:,} x {suffix or 'no suffix'}" for suffix, number in sorted(self.others.items())]
        if parts:
            warnings.warn(f"{where}: left out: {', '.join(parts)}", stacklevel=2)


def below(
    folder: str | Path, *, prefix: str = "", skip_unreadable: bool = False, left_out: LeftOut | None = None
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all files below a folder that are not hidden; see `walk`.

    Args:
        prefix: Put before each path.
        skip_unreadable: Leave out folders that may not be listed.
        left_out: Counts what is hidden.

    Raises:
        OSError: A folder can't be read.
    """

    def enters(name: str) -> bool:
        if left_out is not None and is_hidden(name):
            left_out.hidden += 1
        return not is_hidden(name)

    for name, entry in walk(folder, prefix=prefix, skip_unreadable=skip_unreadable, enters=enters):
        if enters(entry.name):
            yield name, entry


def media_below(folder: str | Path, prefix: str = "", *, left_out: LeftOut | None = None) -> Iterator[Media]:
    """Yield all videos and images below a folder that are not hidden; see `walk`.

    Raises:
        OSError: A folder can't be read.
    """
    for name, entry in below(folder, prefix=prefix, left_out=left_out):
        if (suffix := _suffix(entry.name)) in _SUFFIXES:
            yield Media(name, _is_file(entry), suffix in IMAGE_SUFFIXES)
        elif left_out is not None:
            left_out.others[suffix] += 1


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def without_thumbnails(media: Sequence[Media], *, where: str | Path) -> Sequence[Media]:
    """Return all but thumbnails: images named as a video in the same folder is (a.jpg or a.mp4.jpg beside a.mp4).

    How many were left out, a warning says. A folder that holds an image keeps something: that, or the video beside it.
    """
    videos = [file.name for file in media if not file.is_image]
    if not videos or len(videos) == len(media):
        return media
    names = {*videos, *(os.path.splitext(name)[0] for name in videos)}
    thumbnails = {file.name for file in media if file.is_image and os.path.splitext(file.name)[0] in names}
    if not thumbnails:
        return media
    warnings.warn(
        f"{where}: left out as thumbnails, a video of the same name being beside: {_count(len(thumbnails), 'image')} "
        f"(the first is {min(thumbnails)!r}; a list of `path label` lines, or the path itself, takes it)",
        stacklevel=2,
    )
    return [file for file in media if file.name not in thumbnails]


def warn_of_mixture(media: Sequence[Media], *, where: str | Path) -> None:
    """Say how many images and how many videos a folder holds, where it holds both."""
    num_images = sum(file.is_image for file in media)
    if 0 < num_images < len(media):
        warnings.warn(
            f"{where} holds both {_count(num_images, 'image')} and {_count(len(media) - num_images, 'video')}: "
            f"all are taken, an image as a video of one frame",
            stacklevel=2,
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
