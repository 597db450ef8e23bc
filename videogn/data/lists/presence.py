"""Which files of a list are on disk: by one listing of each folder, not by one look at each file.

On a network file system a look costs about as much as a listing.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videogn.data.lists.entries import Entries

# With fewer files wanted of a folder they are looked at: its listing may be long.
FEW = 8


def on_disk(entries: Entries) -> NDArray[np.bool_]:
    """Return for each entry [N] whether its file is there."""
    if entries.were_seen is None:
        return are_files(entries.paths, folder=entries.folder)
    there = np.array(entries.were_seen)
    for place in np.flatnonzero(~there).tolist():
        path = entries[place].path
        there[place] = path is not None and _is_file("", path)
    return there


def are_files(paths: Sequence[str | None], *, folder: str) -> NDArray[np.bool_]:
    """Return for each path whether a file or a folder (of frames) is there; of None, false.

    Args:
        paths: [N], relative to `folder`.

    Returns:
        bool [N].
    """
    there = np.zeros(len(paths), np.bool_)
    wanted: dict[str, tuple[list[int], list[str]]] = {}  # of each folder: places in the list, names
    for place, path in enumerate(paths):
        if path is None:
            continue
        cut = path.replace(os.sep, "/").rfind("/") + 1
        head = path[:cut]
        inside = wanted.get(head)
        if inside is None:
            inside = wanted[head] = ([], [])
        inside[0].append(place)
        inside[1].append(path[cut:])
    for head, (places, names) in wanted.items():
        there[places] = _by_listing(names, folder=os.path.join(Path(folder, head), ""))
    return there


def _by_listing(names: list[str], *, folder: str) -> list[bool]:
    """Return for each name in a folder whether there is a file."""
    listed: dict[str, bool] = {}  # whether it is a file or a folder of frames, and no link or something else
    if len(names) >= FEW:
        try:
            with os.scandir(folder) as entries:
                listed = {entry.name: _is_there(entry) for entry in entries}
        except FileNotFoundError:
            return [False] * len(names)
        except (OSError, ValueError):
            pass  # may be entered and not listed, is a file (a/b.mp4/), or has a name that can't be
    # A listing is believed if one of the files that it shows can be seen: a folder may be listed and yet be closed.
    shown = next((name for name in names if listed.get(name)), None)
    if shown is None or not _is_file(folder, shown):
        return [_is_file(folder, name) for name in names]
    if all(map(listed.get, names)):
        return [True] * len(names)
    alike = {*map(_plain, listed), ""}  # "": the folder itself, and what it is in
    return [
        listed[name] or _is_file(folder, name) if name in listed else _plain(name) in alike and _is_file(folder, name)
        for name in names
    ]


def _is_there(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)


def _is_file(folder: str, name: str) -> bool:
    path = Path(folder + name)
    return os.path.isfile(path) or os.path.isdir(path)


def _plain(name: str) -> str:
    """Return a name as a file system may compare it: without case, form of accents, and dots at the end."""
    return unicodedata.normalize("NFKD", name).casefold().rstrip(". ")
