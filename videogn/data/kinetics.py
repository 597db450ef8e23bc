"""Kinetics as people have it on disk: files found by their YouTube id, however the downloader named them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


def find_videos(root: Path, suffixes: Collection[str]) -> dict[str, str]:
    """All videos below `root`, by file name without suffix: flat, in class folders, mixed extensions.

    Where one name lies in several places, a folder called "replacement..." wins: that is how the common mirrors hand
    out mended copies of files that arrived corrupt. Between others the first path in sorted order stands.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # links that lead back
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        replaces = any(part.startswith("replacement") for part in Path(folder).relative_to(root).parts)
        for file in sorted(files):
            stem, suffix = os.path.splitext(file)
            if suffix.lower() in suffixes and (replaces or stem not in found):
                found[stem] = os.path.abspath(os.path.join(folder, file))
    return found


def locate(files: dict[str, str], video_id: str, start: int, end: int) -> str | None:
    """The file of a clip: ID_START_END with seconds padded to six digits or not, or ID alone; None where it is missing.

    Args:
        files: From `find_videos`.
        video_id: YouTube's.
        start: Seconds.
        end: Seconds.
    """
    names = (f"{video_id}_{start:06d}_{end:06d}", f"{video_id}_{start}_{end}", video_id)
    return next((files[name] for name in names if name in files), None)
