"""Lists with a header that names their columns: any CSV or TSV, and Hugging Face's metadata of a folder of videos."""

from __future__ import annotations

import csv
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from videogn.data.lists.entries import BETWEEN, Entries, ListError, Split
from videogn.data.lists.lines import LABEL_COLUMNS, PATH_COLUMNS, Lines, line_of, path_label
from videogn.data.lists.names import with_suffixes
from videogn.data.lists.several import as_sets, path_labels
from videogn.data.lists.splits import wanted_names

SPLIT_COLUMNS = ("split", "subset", "set")
# What a video was cut from, as `videogn data split` writes it: cuts of one source are no independent videos.
GROUP_COLUMN = "group"
METADATA = ("metadata.csv", "metadata.jsonl")
# Columns that make a row a part of a video.
_PART = re.compile(r"(t_?|time_?)?(start|end|stop|begin)(_?(time|frame|sec|seconds|second|ms))?", flags=re.IGNORECASE)
Columns = tuple[str, str]


def columns_of(header: str, given: Columns | None) -> tuple[str, list[str]] | None:
    """Return (separator, names of the columns) of a first line that is a header; None where it is none.

    Args:
        given: The columns of path and label, where the user names them.
    """
    return next(((mark, names) for mark, names in _headers(header).items() if _is_header(names, given)), None)


def _headers(line: str) -> dict[str, list[str]]:
    """Return the fields of a line by each separator that gives two or more."""
    by_mark = {
        mark: [name.strip() for name in next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])]
        for mark in "\t,; "
    }
    return {mark: names for mark, names in by_mark.items() if len(names) > 1}


def _is_header(names: Sequence[str], given: Columns | None) -> bool:
    if given is not None:
        return set(given) <= set(names)
    return _first(PATH_COLUMNS, names) is not None and _first(LABEL_COLUMNS, names) is not None


def table(lines: Lines, *, root: Path, split: Split, given: Columns | None, several: bool = False) -> Entries:
    """Read a list whose first line names its columns; see `columns_of`. A column of splits chooses rows.

    Args:
        given: The columns of path and label, where the user names them.

    Raises:
        ListError: A row has more or fewer fields than the header, or lacks path or label.
    """
    found = columns_of(lines.texts[0], given)
    assert found is not None
    separator, header = found
    if separator == " " and len(header) == 2:  # a label may have spaces
        behind = replace(lines, numbers=lines.numbers[1:], texts=lines.texts[1:])
        columns = given or (_first(PATH_COLUMNS, header), _first(LABEL_COLUMNS, header))
        if columns == tuple(header):
            return path_labels(behind, root=root) if several else path_label(behind, root=root, split=split)
    rows = csv.reader(lines.texts, delimiter=separator, skipinitialspace=True)
    next(rows)

    def named() -> Iterator[tuple[int, dict[str, str]]]:
        while True:
            number = lines.numbers[min(rows.line_num, len(lines.numbers) - 1)]  # where the row begins
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise ListError(f"{lines.file}:{number}: {error}: does a quote end?") from None
            if len(row) != len(header):
                got = separator.join(row)
                raise ListError(
                    f"{lines.file}:{number}: {len(row)} fields, and the header names {len(header)}: got {got!r}"
                )
            yield number, dict(zip(header, map(str.strip, row), strict=True))

    entries = _entries(named(), header, file=lines.file, folder=root, split=split, given=given, several=several)
    return replace(entries, read_as=entries.read_as + lines.comments)


def json_lines(lines: Lines, *, root: Path, split: Split, given: Columns | None, several: bool = False) -> Entries:
    """Read a list with a JSON object on each line; keys are as columns of a table.

    Raises:
        ListError: A line is no object, or lacks path or label.
    """
    rows = [
        (number, _object(line, where=f"{lines.file}:{number}"))
        for number, line in zip(lines.numbers, lines.texts, strict=True)
    ]
    header = list(rows[0][1]) if rows else []
    return _entries(rows, header, file=lines.file, folder=root, split=split, given=given, several=several)


def _object(line: str, *, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ListError(f"{where}: no JSON ({error})") from None
    if not isinstance(row, dict):
        raise ListError(f"{where}: expected an object with file_name and label, got {line!r}")
    return row


def metadata_of(folder: Path, given: Columns | None) -> Lines | None:
    """Return the lines of a folder's metadata.csv or metadata.jsonl; None where none names videos.

    Raises:
        ListError: It names videos and no labels, is no text, or a line of JSON is no object.
    """
    for file in (folder / name for name in METADATA):
        if not file.is_file():
            continue
        lines = Lines.of(read_text(file), file=file)
        first = lines.texts[0] if lines.texts else ""
        if file.suffix == ".jsonl":
            headers = [list(_object(first, where=lines.where(0)))] if first else []
        else:
            headers = list(_headers(first).values())
        if any(_is_header(names, given) for names in headers):
            return lines
        message = f"{file}: no columns of paths and labels that are known in {first[:200]!r}"
        if any(_first(PATH_COLUMNS, names) for names in headers):
            raise ListError(f"{message}: name them by --data.list_columns [PATH,LABEL]")
        warnings.warn(f"{message}: not used (--data.list_columns [PATH,LABEL] names them)", stacklevel=2)
    return None


def metadata_folder(lines: Lines, *, split: Split, given: Columns | None, several: bool = False) -> Entries:
    """Read a folder of videos by its metadata, see `metadata_of`; paths are relative to the folder.

    Raises:
        ListError: A row can't be read.
    """
    read = json_lines if lines.file.suffix == ".jsonl" else table
    return read(lines, root=lines.file.parent, split=split, given=given, several=several)


def _entries(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    header: Sequence[str],
    *,
    file: Path,
    folder: Path,
    split: Split,
    given: Columns | None,
    several: bool,
) -> Entries:
    path_column, label_column = given or (_first(PATH_COLUMNS, header), _first(LABEL_COLUMNS, header))
    if path_column is None or label_column is None:
        raise ListError(
            f"{file}: no columns of paths and labels that are known among {', '.join(header)}: name them by "
            f"--data.list_columns [PATH,LABEL]"
        )
    parts = [name for name in header if _PART.fullmatch(name)]
    if parts and given is None:
        raise ListError(
            f"{file}: by the columns {', '.join(parts)} the rows are parts of videos, which can't be read: cut them "
            f"out first, or, where each file is one part, say so by --data.list_columns [{path_column},{label_column}]"
        )
    split_column, group_column = _first(SPLIT_COLUMNS, header), _first((GROUP_COLUMN,), header)
    names, labels, numbers, splits, groups = [], [], [], [], []
    for number, row in rows:
        name, label = (row.get(column) for column in (path_column, label_column))
        if several:
            label = BETWEEN.join(map(str, label)) if isinstance(label, list) else label or ""
        if name in (None, "") or (label in (None, "") and not several):
            more = " (videos of any number of labels: --data.multi_label true)" if name and not several else ""
            raise ListError(f"{file}:{number}: no {label_column if name else path_column} in {dict(row)}{more}")
        names.append(str(name))
        labels.append(str(label))
        numbers.append(number)
        splits.append(str(row.get(split_column, "")).lower() if split_column else "")
        groups.append(str(row.get(group_column) or "") if group_column else "")
    wanted = wanted_names(found := set(splits), split, file=file)
    if len(wanted) < len(found):
        kept = [place for place, name in enumerate(splits) if name in wanted]
        columns = (names, labels, numbers, groups)
        names, labels, numbers, groups = ([column[place] for place in kept] for column in columns)  # type: ignore[assignment]
    return with_suffixes(
        Entries(
            names=names,
            labels=as_sets(labels) if several else labels,
            folder=str(folder.absolute()),
            where=partial(line_of, file, numbers),
            are_class_names=False,
            read_as=f"a table, by its columns {path_column} and {label_column}",
            groups=groups if group_column not in (None, path_column, label_column) and any(groups) else None,
            several=several,
        )
    )


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def read_text(file: Path) -> str:
    """Return the text of a list.

    Raises:
        ListError: It is not in UTF-8.
    """
    data = file.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ListError(
            f"{file}: not a text file in UTF-8 (byte 0x{data[error.start]:02x} in line {line}): save it as UTF-8"
        ) from None
