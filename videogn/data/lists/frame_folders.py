"""Folders of images as videos: class/video/img_00001.jpg. Whether they are, only the user knows."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from videogn.data.decoding.frames import numbered
from videogn.data.lists.entries import ListError
from videogn.data.media import Media


def with_frame_folders(media: Sequence[Media], *, wanted: bool | None, depth: int, where: str | Path) -> list[Media]:
    """Return files of a folder, where it is wanted each folder of images as one video in the place of its images.

    Gaps in the numbers of frames are said.

    Args:
        media: Files by their paths below a folder, in order.
        wanted: Whether folders of images are videos; None: a folder that may be one, with two images or more and no
            video, is refused.
        depth: How many folders lie above a frame, at least: 2 below a folder of class folders, 0 below any other.
        where: The folder, for errors.

    Raises:
        ListError: It is not known whether a folder is a video; or it is to be one, and its images are not frames.
    """
    folders: dict[str, list[Media]] = defaultdict(list)
    for file in media:
        if file.is_image:
            folders[os.path.dirname(file.name)].append(file)
    deep = {name: files for name, files in folders.items() if (name.count(os.sep) + 1 if name else 0) >= depth}
    if not deep or wanted is False:
        return list(media)
    with_videos = {os.path.dirname(file.name) for file in media if not file.is_image}
    if wanted is None:
        unknown = {name: files for name, files in deep.items() if len(files) > 1 and name not in with_videos}
        if not unknown:
            return list(media)
        first, files = next(iter(unknown.items()))
        raise ListError(
            f"{where}: {len(unknown):,} folders of images below the class folders (the first is {first!r} with "
            f"{len(files):,}): say whether each is a video of frames (--data.frame_folders true) or holds images "
            f"(--data.frame_folders false)"
        )
    if len(deep) < len(folders):
        alone = next(files[0].name for name, files in folders.items() if name not in deep)
        raise ListError(f"{where}: {alone} lies in no folder of a video; with --data.frame_folders true all images do")
    if mixed := sorted(with_videos & set(deep)):
        raise ListError(f"{where}: {mixed[0]} holds both images and a video: is it a video of frames?")
    gaps = {name: missing for name, files in deep.items() if (missing := _missing(name, files, where=where))}
    if gaps:
        name, missing = next(iter(gaps.items()))
        warnings.warn(
            f"{where}: {len(gaps):,} of {len(deep):,} folders of frames have gaps in their numbers (the first is "
            f"{name!r}: {missing:,} missing): their frames are taken as they follow each other",
            stacklevel=2,
        )
    found: dict[str, Media] = {}
    for file in media:
        one = Media(os.path.dirname(file.name), True, False) if file.is_image else file
        found.setdefault(one.name, one)
    return list(found.values())


def _missing(folder: str, files: Sequence[Media], *, where: str | Path) -> int:
    """Return how many numbers between the first and the last are not there."""
    try:
        numbers = [number for number, _ in numbered([os.path.basename(file.name) for file in files])]
    except ValueError as error:
        raise ListError(f"{where}: {folder} is no folder of frames: {error}") from None
    return numbers[-1] - numbers[0] + 1 - len(numbers)
