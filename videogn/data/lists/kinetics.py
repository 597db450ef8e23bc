"""Kinetics as people have it: its own CSV, and files found by their YouTube id, however the downloader named them."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from functools import partial
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.lines import line_of
from videogn.data.lists.splits import wanted_names
from videogn.data.media import VIDEO_SUFFIXES, below

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")


def is_kinetics(header: str) -> bool:
    """Return whether a first line is that of Kinetics' CSV or TSV, in any case."""
    return "youtube_id" in _header(header)


def _header(line: str) -> list[str]:
    return [
        name.strip().lower() for name in next(csv.reader([line], delimiter=_separator(line), skipinitialspace=True))
    ]


def _separator(header: str) -> str:
    return "\t" if "\t" in header else ","


def kinetics(text: str, *, file: Path, root: Path, split: Split) -> Entries:
    """Read Kinetics' CSV: label, youtube_id, time_start, time_end, split, in any order.

    A file of one split is taken whole, whatever it calls itself; of a file of several, the rows that are asked for.

    Raises:
        ListError: A row lacks its label or id, or its times are no numbers.
    """
    lines = text.split("\n")
    # Read twice: rows that are kept, as objects, would cost more.
    wanted = wanted_names({fields[-1] for _, _, fields in _rows(lines)}, split, file=file)
    found = find_videos(root, VIDEO_SUFFIXES)
    folder = os.path.abspath(root)
    above = os.path.join(folder, "")
    names, labels, files, numbers = [], [], [], []
    for number, row, (label, video_id, first, last, part) in _rows(lines):
        if part not in wanted:
            continue
        if not label or not video_id:
            got = _by_column(lines, row)
            raise ListError(f"{file}:{number}: expected columns label, youtube_id, time_start, time_end, got {got}")
        try:
            start, end = int(float(first)), int(float(last))
        except (ValueError, OverflowError):
            got = _by_column(lines, row)
            raise ListError(f"{file}:{number}: time_start and time_end must be seconds, got {got}") from None
        path = locate(found, video_id, start, end)
        names.append(f"{video_id}_{start:06d}_{end:06d}")
        labels.append(label)
        files.append(path and path.removeprefix(above))
        numbers.append(number)
    return Entries(
        names=names,
        labels=labels,
        files=files,
        folder=folder,
        where=partial(line_of, file, numbers),
        read_as="Kinetics' CSV",
    )


def _rows(lines: list[str]) -> Iterator[tuple[int, list[str], tuple[str, ...]]]:
    """Yield for each row: number of its line, all fields, and those of COLUMNS; "" where there is none."""
    rows = csv.reader(lines, delimiter=_separator(lines[0]), skipinitialspace=True)
    next(rows)
    header = _header(lines[0])
    width = len(header)
    place_of = {name: place for place, name in enumerate(header)}
    wanted = itemgetter(*(place_of.get(name, width) for name in COLUMNS))
    for row in rows:
        if row:
            padded = row[:width] + [""] * max(1, width + 1 - len(row))
            yield rows.line_num, row, tuple(map(str.strip, wanted(padded)))


def _by_column(lines: list[str], row: list[str]) -> dict[str | None, str | list[str] | None]:
    """Return a row, for an error; fields that have no column under None."""
    header = _header(lines[0])
    fields: dict[str | None, str | list[str] | None] = dict(zip_longest(header, row[: len(header)]))
    return fields | {None: row[len(header) :]} if len(row) > len(header) else fields


def find_videos(root: Path, suffixes: Collection[str]) -> dict[str, str]:
    """Return all videos below `root`, by file name without suffix: flat, in class folders, mixed extensions.

    Where one name lies in several places, a folder called "replacement..." wins: that is how the common mirrors hand
    out mended copies of files that arrived corrupt. Between others the first path in sorted order stands.
    """
    found: dict[str, str] = {}
    above = os.path.join(os.path.abspath(root), "")
    for name, entry in below(root, skip_unreadable=True):
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() in suffixes and (stem not in found or _is_replacement(name)):
            found[stem] = above + name
    return found


def _is_replacement(name: str) -> bool:
    return any(folder.startswith("replacement") for folder in name.split(os.sep)[:-1])


def locate(files: dict[str, str], video_id: str, start: int, end: int) -> str | None:
    """Return the file of a clip: ID_START_END, seconds padded to six digits or not, or ID alone; None if missing."""
    padded = files.get(f"{video_id}_{start:06d}_{end:06d}")
    return padded or files.get(f"{video_id}_{start}_{end}") or files.get(video_id)
