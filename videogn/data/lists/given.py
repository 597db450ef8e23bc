"""Videos that are named one by one, or by their folder: those that a prediction is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

from videogn.data.lists.entries import ListError
from videogn.data.lists.folders import read_folder
from videogn.data.lists.frame_folders import with_frame_folders
from videogn.data.lists.records import Records
from videogn.data.media import LeftOut, without_thumbnails


def read_given(names: Sequence[str], *, frame_folders: bool) -> Records:
    """Return videos and images, those of a folder in sorted order and without thumbnails; their labels are 0.

    Raises:
        ListError: There are none, or a path does not exist.
    """
    paths: list[Path] = []
    for given in map(Path, names):
        if not given.exists():
            raise ListError(f"{given}: no such file or folder")
        left_out, inside = LeftOut(), []
        if given.is_dir():
            inside = read_folder(given, left_out=left_out)
            inside = with_frame_folders(inside, wanted=frame_folders, depth=0, where=given)
            inside = list(without_thumbnails(inside, where=given))
        if given.is_dir() and not inside:
            raise ListError(f"{given}: no videos in this folder, and no images")
        left_out.warn(given)
        paths += [given / file.name for file in inside] or [given]
    if not paths:
        raise ListError("no videos were given: name files or folders with --videos")
    return Records(list(map(str, paths)), labels=repeat(0, len(paths)))
