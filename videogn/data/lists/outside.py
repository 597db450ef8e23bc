"""Paths in lists that lead out of the data root.

A list is a text, often someone else's: it is not to choose what else of a machine is opened. Links are another thing:
who owns the folder has put them there, and data sets are often made of them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError

_PARTS = re.compile(r"[/\\]")  # Windows' lists are read, too


def refuse_outside(entries: Entries, *, root: Path) -> None:
    """Refuse a list with paths that lead out of the data root, and out of the folder that it is relative to.

    Absolute paths may lead below them. A path with `..` is followed on disk: behind a link that is somewhere else.

    Raises:
        ListError: A path leads out; says where it stands and what to change.
    """
    given = (str(root), entries.folder)
    tops = tuple(os.path.join(form(folder), "") for folder in given for form in (os.path.abspath, os.path.realpath))
    for place, path in enumerate(entries.paths):
        if path is None or (".." not in path and path[:1] not in "/\\" and not os.path.isabs(path)):
            continue  # of a million paths, nearly all
        if not all(_is_inside(form, entries.folder, tops) for form in {path, path.replace("\\", "/")}):
            raise ListError(
                f"{entries.where(place)}: {path!r} lies outside of the data root {root}: is data.root right? With "
                f"--data.allow_outside true, files elsewhere are read, too"
            )


def _is_inside(path: str, folder: str, tops: tuple[str, ...]) -> bool:
    parts = _PARTS.split(path)
    full = os.path.join(folder, path)
    if ".." not in parts:
        return os.path.normpath(full).startswith(tops) or _real_folder(full).startswith(tops)
    return _real_folder(full if parts[-1] == ".." else os.path.dirname(full)).startswith(tops)


def _real_folder(path: str) -> str:
    try:
        return os.path.join(os.path.realpath(path), "")
    except ValueError:  # a name that no file can have
        return ""
