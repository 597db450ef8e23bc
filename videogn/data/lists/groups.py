"""Which videos must stay together: cuts of one source, by their names or by a table, and files of the same bytes."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from videogn.data.lists.entries import ListError
from videogn.data.lists.lines import PATH_COLUMNS, Lines
from videogn.data.lists.names import place_of
from videogn.data.lists.tables import GROUP_COLUMN, read_text

GROUP_COLUMNS = (
    GROUP_COLUMN, "group_id", "groups", "source", "source_id", "subject", "subject_id", "person", "actor", "scene",
    "youtube_id", "video_id",
)  # fmt: skip
# A name up to its last number, as many programs name the cuts of a video: v_Jump_g01_c02.avi, kitchen-3.mp4.
OF_CUTS = r"(.+)[_. -][A-Za-z]*[0-9]+\.[^./]+$"
# Bytes that tell apart most files of one size.
_HEAD_BYTES = 1 << 16


def by_pattern(names: Sequence[str], pattern: str) -> list[str | None]:
    """Return the group of each name: what the pattern's first capture group matches, or all of it; None: no match.

    Raises:
        ValueError: It is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"--groups {pattern}: no such file, and no regular expression ({error})") from error
    found = map(compiled.search, names)
    return [match and (match[1] if compiled.groups and match[1] is not None else match[0]) for match in found]


def by_table(names: Sequence[str], file: Path, *, root: Path) -> list[str | None]:
    """Return the group of each name by a CSV file with a header: a column of paths, and one of groups.

    Args:
        names: Relative to root.
        root: What paths in it are relative to, too.

    Raises:
        ListError: It has no such columns, or names a video twice, in two groups.
    """
    text = read_text(file)
    first = text.partition("\n")[0]
    separator = next((mark for mark in "\t;" if mark in first), ",")
    rows = csv.DictReader(Lines.of(text, file=file).texts, delimiter=separator)
    try:
        header = {name.strip().lower(): name for name in reversed(rows.fieldnames or ())}
    except csv.Error as error:
        raise ListError(f"{file}:1: {error}: does a quote end?") from None
    path = next((header[name] for name in PATH_COLUMNS if name in header), None)
    group = next((header[name] for name in GROUP_COLUMNS if name in header and header[name] != path), None)
    if path is None or group is None:
        raise ListError(
            f"{file}: expected a header with a column of paths (path, ...) and one of groups ({GROUP_COLUMNS[0]}, ...),"
            f" got {', '.join(header) or 'an empty file'}"
        )
    group_of: dict[str, str] = {}
    for row in _whole(rows, file):
        name, its = (row[path] or "").strip(), (row[group] or "").strip()
        if name and its and (other := group_of.setdefault(place_of(name, folder=root), its)) != its:
            raise ListError(f"{file}:{rows.line_num}: {name} is in two groups: {other} and {its}")
    return [group_of.get(place_of(name, folder=root)) for name in names]


def _whole(rows: csv.DictReader[str], file: Path) -> Iterator[dict[str, str]]:
    """Yield rows; an error of the table names the file."""
    try:
        yield from rows
    except csv.Error as error:
        raise ListError(f"{file}:{rows.line_num + 1}: {error}: does a quote end?") from None


def look_like_cuts(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Return whether most names are those of numbered cuts of sources, of which classes have several."""
    groups = by_pattern(names, OF_CUTS)
    sizes = Counter(group for group in groups if group is not None)
    of_several = sum(size for size in sizes.values() if size > 1)
    return of_several > len(names) / 2 and len(sizes) >= 2 * len(set(labels))


class Sources(NamedTuple):
    """What each video was cut from.

    Attributes:
        of: [N]; None for a video by itself.
        by: What says so: the list, the names, or nothing.
    """

    of: Sequence[str | None]
    by: Literal["list", "names", "nothing"]


def sources_of(names: Sequence[str], labels: Sequence[str], groups: Sequence[str] | None) -> Sources:
    """Return what videos were cut from: as their list says, else by names that look like those of numbered cuts.

    Args:
        names: [N], as the list has them.
        labels: [N], class indices or names.
        groups: [N], the list's own groups, "" for a video by itself; None where it does not say it.
    """
    if groups is not None:
        return Sources([group or None for group in groups], "list")
    if look_like_cuts(names, labels):
        return Sources(by_pattern(names, OF_CUTS), "names")
    return Sources([None] * len(names), "nothing")


def same_bytes(paths: Sequence[str]) -> list[list[int]]:
    """Return places of files that have the same bytes, in order; folders, and what can't be read, are like no other.

    Read is no more than tells them apart: sizes, then beginnings, then all.
    """
    alike = [list(range(len(paths)))]
    for key in (_size, _head, _digest):
        alike = [group for places in alike for group in _by(places, {place: key(paths[place]) for place in places})]
    return alike


def _by(places: Iterable[int], keys: Mapping[int, object]) -> list[list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for place in places:
        if keys[place] is not None:
            found[keys[place]].append(place)
    return [group for group in found.values() if len(group) > 1]


def _size(path: str) -> int | None:
    return os.path.getsize(path) or None if os.path.isfile(path) else None  # empty ones are alike, and no copies


def _head(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(_HEAD_BYTES)).digest()
    except OSError:
        return None


def _digest(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def joined(groups: Sequence[str], same: Iterable[Sequence[int]]) -> list[str]:
    """Return groups [N] after those that share a video have become one.

    Args:
        groups: [N], of each video.
        same: Places of videos that must be together.
    """
    above: dict[str, str] = {}

    def first(group: str) -> str:
        while group in above:
            group = above[group]
        return group

    for places in same:
        one, *others = sorted({first(groups[place]) for place in places})
        above.update(dict.fromkeys(others, one))
    return [first(group) for group in groups]
