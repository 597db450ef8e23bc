"""A folder of class folders as a list: of videos, of images as torchvision's ImageFolder takes them, or of both."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError
from videogn.data.lists.frame_folders import with_frame_folders
from videogn.data.media import (
    LeftOut,
    Media,
    is_hidden,
    is_media,
    media_below,
    warn_of_mixture,
    without_thumbnails,
)
from videogn.files import leads_back


def class_folders(folder: Path, *, frame_folders: bool | None) -> Entries:
    """Read a folder of class folders; the class is the folder.

    Args:
        frame_folders: Whether folders of images in them are videos; see `with_frame_folders`.

    Raises:
        ListError: It holds none, or one can't be read, or it is not known whether images are frames.
    """
    folders = _folders_in(folder)
    if not folders:
        raise ListError(f"{folder}: no class folders in it")
    left_out = LeftOut(hidden=sum(is_hidden(child.name) for child in folder.iterdir()))
    found = [file for child in folders for file in read_folder(child, f"{child.name}{os.sep}", left_out=left_out)]
    media: Sequence[Media] = with_frame_folders(found, wanted=frame_folders, depth=2, where=folder)
    media = without_thumbnails(media, where=folder)
    if media:
        left_out.warn(folder)
    _warn_of_loose_files(folder)
    warn_of_mixture(media, where=folder)
    names = [file.name for file in media]
    below = str(folder.absolute())
    return Entries(
        names=names,
        labels=[name.partition(os.sep)[0] for name in names],
        folder=below,
        where=partial(_file_of, below, names),
        were_seen=[file.is_there for file in media],
        read_as="class folders" + (" of folders of frames" if frame_folders else ""),
    )


def _warn_of_loose_files(folder: Path) -> None:
    loose = sorted(child.name for child in folder.iterdir() if is_media(child.name) and not is_hidden(child.name))
    if loose := [name for name in loose if not (folder / name).is_dir()]:
        warnings.warn(
            f"{folder}: left out: {len(loose)} beside the class folders, of no class (the first is {loose[0]!r})",
            stacklevel=3,
        )


def _file_of(folder: str, names: Sequence[str], place: int) -> str:
    return os.path.join(folder, names[place])


def read_folder(folder: Path, prefix: str = "", *, left_out: LeftOut) -> list[Media]:
    """Return all videos and images below a folder, in order; see `media_below`.

    Raises:
        ListError: A folder can't be read.
    """
    try:
        return list(media_below(folder, prefix, left_out=left_out))
    except OSError as error:
        raise ListError(f"{error.filename}: the folder can't be read ({error.strerror})") from error


def refuse_empty_folders(source: str | Path, classes: Sequence[str]) -> None:
    """Refuse a list that is a folder of class folders if one of those is empty and gave no class.

    A class folder may be empty where its class is known from elsewhere: in validation, from training.

    Args:
        source: A list as `read_list` takes it; of any other kind, nothing is looked at.
        classes: Names of the classes that are known. Those of all folders that hold something are taken to be.

    Raises:
        ListError: A class folder holds no videos and no images, and is none of the classes.
    """
    if not Path(source).is_dir():
        return
    known = set(classes)
    empty = [folder.name for folder in _folders_in(Path(source)) if folder.name not in known]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise ListError(
            f"{source}: class folder {empty[0]} holds no videos or images{others}: fill it, remove it, or name the "
            f"classes in a file (classes.txt, or --data.classes)"
        )


def _folders_in(folder: Path) -> list[Path]:
    way = (os.path.realpath(folder),)
    return sorted(
        child
        for child in folder.iterdir()
        if not is_hidden(child.name) and child.is_dir() and not leads_back(os.path.realpath(child), way)
    )
