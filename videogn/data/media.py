"""Which files are videos and which are images, by their names; and all of them below a folder.

An image is a video of one frame.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

VIDEO_SUFFIXES = frozenset(
    [".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".gif", ".ogv"]
)
# Those of torchvision's ImageFolder: the same tree gives the same images.
IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"])
# A GIF is read as a video, and found among photographs as well.
_SURELY_VIDEO = VIDEO_SUFFIXES - {".gif"}


class Media(NamedTuple):
    """A video or an image below a folder: its path relative to that, and whether the listing showed that it is there.

    False where only a look can tell, and will: a link that leads nowhere.
    """

    name: str
    is_there: bool


def is_image(path: str | Path) -> bool:
    """Whether a file's name is that of an image."""
    return _suffix(os.fspath(path)) in IMAGE_SUFFIXES


def media_below(folder: str | Path, prefix: str = "") -> Iterator[Media]:
    """All videos and images below a folder, in order (folder by folder, as paths sort).

    A million files cost one listing of each folder and no look at a file. Links to folders are not followed.

    Args:
        folder: Where to look.
        prefix: Put before each path.

    Raises:
        OSError: A folder can't be read.
    """
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            yield from media_below(entry.path, f"{prefix}{entry.name}{os.sep}")
        elif (suffix := _suffix(entry.name)) in VIDEO_SUFFIXES or suffix in IMAGE_SUFFIXES:
            yield Media(prefix + entry.name, entry.is_file())


def without_stills(media: Sequence[Media], *, where: str | Path) -> Sequence[Media]:
    """The videos of a folder that holds videos and images: the images are thumbnails then, and left out with a warning.

    Of a folder of images, or of images and GIFs, all stay.

    Args:
        media: Files of the folder.
        where: The folder, for the warning.
    """
    if not any(_suffix(file.name) in _SURELY_VIDEO for file in media):
        return media
    videos = [file for file in media if not is_image(file.name)]
    if len(videos) < len(media):
        warnings.warn(
            f"{where}: {len(media) - len(videos)} images beside {len(videos)} videos are left out, as thumbnails are "
            f"(a list of `path label` lines takes both)",
            stacklevel=2,
        )
    return videos


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
