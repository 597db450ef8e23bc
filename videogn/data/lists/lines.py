"""Lists as lines of text without a header: `path label`, `path frames label`, and those of some data sets.

Fields are counted: all lines have as many, and what is of no known kind is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import eq
from pathlib import Path
from typing import NamedTuple

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.names import with_suffixes
from videogn.data.lists.splits import ALL_NAMES, wanted_names
from videogn.data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_media

_SUFFIX = "|".join(map(re.escape, sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES)))
# A path up to its last suffix of a video or an image, what separates it, and what stands behind.
_BEHIND_FILE = re.compile(rf"(.*(?:{_SUFFIX}))([ ,;]+)(.*)", flags=re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"]|"")*)"\s*([ ,;\t])\s*(.*)', flags=re.DOTALL)
_COMMENT = re.compile(r"#(?:\s|$)")
_SPACE = " \t\r\v\f"
SEPARATORS = {" ": "space", ",": "comma", ";": "semicolon", "\t": "tab"}
_SEVERAL = "; where a video has several labels, give --data.multi_label true"
_NUMBER_AND_NAME = re.compile(r"[0-9]+ +[^0-9 ]")
# What columns of paths and of labels are called; the first that is there counts.
PATH_COLUMNS = (
    "path", "video_path", "file_path", "filepath", "file_name", "filename", "file", "video_file", "video",
    "video_name", "clip", "clip_name", "vid_name", "video_id", "name", "vid", "id",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "class", "class_name", "label_name", "category", "action", "activity", "target", "class_id", "label_id",
    "class_index", "label_index", "labels",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file that are not blank and no comments (#, then a space), and their numbers from 1."""

    file: Path
    numbers: Sequence[int]
    texts: list[str]
    num_comments: int = 0

    @classmethod
    def of(cls, text: str, *, file: Path) -> Lines:
        """Return the lines of a text. A name may hold any of the other characters that end lines elsewhere."""
        # Not tabs: an empty field of a table may stand at the end of a line.
        texts = [line.strip(" \v\f") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        numbers: Sequence[int] = range(1, len(texts) + 1)
        num_comments = 0
        if not all(texts) or "#" in text or "\t" in text:
            kept = [
                (number, line)
                for number, line in zip(numbers, texts, strict=True)
                if line.strip(_SPACE) and not _COMMENT.match(line)
            ]
            num_comments = sum(bool(_COMMENT.match(line)) for line in texts) if "#" in text else 0
            numbers, texts = [number for number, _ in kept], [line for _, line in kept]
        return cls(file, numbers, texts, num_comments)

    @property
    def comments(self) -> str:
        """How many lines were comments, in words; empty for none."""
        return f" ({self.num_comments:,} comments)" if self.num_comments else ""

    def where(self, place: int) -> str:
        """Return file and number of a line."""
        return f"{self.file}:{self.numbers[place]}"


class Rows(NamedTuple):
    """Lines by column: paths, the fields behind them, and what separates these."""

    paths: list[str]
    fields: list[list[str]]
    separators: set[str]


class _Kind(NamedTuple):
    """What the fields behind a path are."""

    name: str
    num_fields: int
    recognises: Callable[[Rows], bool]
    label: int  # the field that is it
    split: int | None = None


def _has_frames(rows: Rows) -> bool:
    # Of 0 frames is no video: such a column is something else.
    return all(map(is_index, rows.fields[1])) and all(is_index(text) and int(text) > 0 for text in rows.fields[0])


def _are_splits(texts: list[str]) -> bool:
    return {text.lower() for text in texts} <= ALL_NAMES


def _has_votes(rows: Rows) -> bool:
    names = (path.partition("/")[0] for path in rows.paths)
    return all(is_index(text) for texts in rows.fields[1:] for text in texts) and all(map(eq, names, rows.fields[0]))


def _is_vggsound(rows: Rows) -> bool:
    return all(map(is_index, rows.fields[0])) and _are_splits(rows.fields[2]) and not any(map(is_media, rows.paths))


KINDS = (
    _Kind("path label", 1, lambda rows: True, label=0),
    _Kind("path frames label", 2, _has_frames, label=1),
    _Kind("path label split", 2, lambda rows: _are_splits(rows.fields[1]), label=0, split=1),
    _Kind("Moments in Time (path label votes votes)", 3, _has_votes, label=0),
    _Kind("VGGSound (id start label split)", 3, _is_vggsound, label=1, split=2),
)


def path_label(lines: Lines, *, root: Path, split: Split) -> Entries:
    """Read lines of one of KINDS, with a space, a comma or a tab between.

    Raises:
        ListError: A line can't be cut, has another number of fields than the first, or all are of no known kind.
    """
    folder = str(root.absolute())
    if not lines.texts:
        return Entries(names=[], labels=[], folder=folder, where=lines.where)
    rows = _by_column(lines)
    kind = next((each for each in KINDS if each.num_fields == len(rows.fields) and each.recognises(rows)), None)
    if kind is None:
        raise ListError(_unknown(rows, lines))
    check_columns(rows, lines)
    names, labels, numbers = rows.paths, rows.fields[kind.label], lines.numbers
    if kind.name.startswith("VGGSound"):
        names = [f"{name}_{int(start):06d}" for name, start in zip(names, rows.fields[0], strict=True)]
    if kind.split is not None:
        parts = [part.lower() for part in rows.fields[kind.split]]
        kept = wanted_names(set(parts), split, file=lines.file)
        wanted = [part in kept for part in parts]
        names, labels = list(compress(names, wanted)), list(compress(labels, wanted))
        numbers = list(compress(numbers, wanted))
    separators = " or ".join(sorted(SEPARATORS[separator] for separator in rows.separators))
    return with_suffixes(
        Entries(
            names=names,
            labels=labels,
            folder=folder,
            where=partial(line_of, lines.file, numbers),
            are_class_names=False,
            read_as=f"{kind.name}, {separators} between" + lines.comments,
        )
    )


def check_columns(rows: Rows, lines: Lines) -> None:
    """Refuse labels before paths, numbers of frames that would become a part of names, and a header as a first line.

    Raises:
        ListError: They are so.
    """
    labels = rows.fields[-1]
    if all(map(is_media, labels)) and not any(map(is_media, rows.paths)):
        raise ListError(f"{lines.where(0)}: the label stands before the path: got {lines.texts[0]!r}")
    if len(labels) > 1 and len(rows.fields) == 1 and all(map(_NUMBER_AND_NAME.match, labels)):
        raise ListError(
            f"{lines.where(0)}: all labels begin with a number: got {lines.texts[0]!r}; if it is one of frames, give "
            f"class indices (path frames label), or a header that names the columns"
        )
    looks_like_header = labels[0].lower() in LABEL_COLUMNS and labels.count(labels[0]) == 1
    if (
        len(rows.paths) > 1
        and not is_media(rows.paths[0])
        and (looks_like_header or all(map(is_media, rows.paths[1:])))
    ):
        columns = ",".join((rows.paths[0], *(texts[0] for texts in rows.fields)))
        raise ListError(
            f"{lines.where(0)}: {lines.texts[0]!r} names no video: if it is a header, say which columns are path and "
            f"label: --data.list_columns [{columns}]"
        )


def _by_column(lines: Lines) -> Rows:
    """Return the lines' columns.

    Raises:
        ListError: A line can't be cut, or has another number of fields than the first.
    """
    rows = Rows([], [], set())
    for place, line in enumerate(lines.texts):
        path, separator, fields = _cut(line, where=lines.where, place=place)
        if not place:
            rows.fields.extend([] for _ in fields)
        if len(fields) != len(rows.fields):
            raise ListError(
                f"{lines.where(place)}: {len(fields) + 1} fields, and line {lines.numbers[0]} has "
                f"{len(rows.fields) + 1}: got {line!r}; put quotes around a path or a label that holds a separator"
                f"{_SEVERAL}"
            )
        rows.paths.append(path)
        rows.separators.add(separator)
        for column, text in zip(rows.fields, fields, strict=True):
            column.append(text)
    return rows


def line_of(file: Path, numbers: Sequence[int], place: int) -> str:
    """Return file and number of a place, where its lines have these numbers."""
    return f"{file}:{numbers[place]}"


def _cut(line: str, *, where: Callable[[int], str], place: int) -> tuple[str, str, tuple[str, ...]]:
    """Return path, separator and fields of a line.

    Raises:
        ListError: It has no path or no label, or it can't be known where the path ends.
    """
    path, separator, rest = cut_path(line, marks=",;", where=where, place=place)
    fields = _fields(rest, separator) if separator else ()
    if not path or not fields or not all(fields):
        raise ListError(f"{where(place)}: expected 'path label' (space, comma, semicolon or tab between), got {line!r}")
    return path, separator, fields


def cut_path(line: str, *, marks: str, where: Callable[[int], str], place: int) -> tuple[str, str, str]:
    """Return path, separator and the rest of a line.

    It is cut behind the path: at quotes, a tab, the last file suffix, else at the first of some marks or a space.

    Raises:
        ListError: It can't be known where the path ends.
    """
    if line[0] == '"' and (quoted := _QUOTED.match(line)):
        path, separator, rest = quoted[1].replace('""', '"'), quoted[2], quoted[3]
    elif "\t" in line:
        path, separator, rest = line.partition("\t")
    elif found := _BEHIND_FILE.match(line):
        path, separator, rest = found[1], found[2].strip(" ")[:1] or " ", found[3]
    elif mark := next((mark for mark in marks if mark in line), ""):
        path, separator, rest = line.partition(mark)
    else:
        path, separator, rest = line.partition(" ")
        if len(numbers := rest.split()) > 1 and not all(map(is_index, numbers)):
            raise ListError(
                f"{where(place)}: {line!r}: where does the path end? put quotes around it, or a comma or tab behind it"
            )
    return path.strip(_SPACE), separator, rest.strip(_SPACE)


def _fields(rest: str, separator: str) -> tuple[str, ...]:
    if separator == " ":
        if is_index(rest):
            return (rest,)
        words = rest.split()
        if not words or all(map(is_index, words)):
            return tuple(words)
        return (rest.strip('"'),)
    if '"' in rest:
        found = next(csv.reader([rest], delimiter=separator, skipinitialspace=True))
    else:
        found = rest.split(separator)
    found = [field.strip(_SPACE) for field in found]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return tuple(found)


def _unknown(rows: Rows, lines: Lines) -> str:
    place, like = _first_unlike(rows)
    start = f"{lines.where(place)}: {len(rows.fields) + 1} fields, of no known kind: got {lines.texts[place]!r}"
    if like is not None:
        return f"{start}; the lines before are of the kind '{like.name}'"
    if len(rows.fields) == 3 and all(is_index(text) for texts in rows.fields[:2] for text in texts):
        return (
            f"{start}; where it is 'path start end label', the lines are parts of videos, which can't be read: cut "
            f"them out first (ffmpeg -ss START -to END -i VIDEO CLIP){_SEVERAL}"
        )
    return (
        f"{start}; expected {', or '.join(sorted({repr(kind.name.partition(' (')[0]) for kind in KINDS[:3]}))}: put "
        f"quotes around a label that holds a separator, or give the file a header that names its columns (path,label)"
        f"{_SEVERAL}"
    )


def _first_unlike(rows: Rows) -> tuple[int, _Kind | None]:
    """Return the first line that ends the kind of those before it, and that kind; (0, None) where none began."""
    alike = [kind for kind in KINDS if kind.num_fields == len(rows.fields)]
    before = None
    for place, path in enumerate(rows.paths):
        row = Rows([path], [[texts[place]] for texts in rows.fields], rows.separators)
        alike = [kind for kind in alike if kind.recognises(row)]
        if not alike:
            return (place, before) if before is not None else (0, None)
        before = alike[0]
    return 0, None


def is_index(text: str) -> bool:
    """Return whether a text is a number from 0 on, in digits; of more of them than any count has, it is none."""
    return text.isascii() and text.isdigit() and len(text) < 19
