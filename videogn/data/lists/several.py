"""Lists with several labels a video: lines `path label label ...`, columns of them, and Charades' CSV.

The labels of a video become one text, with BETWEEN between: no class can have that in its name.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from videogn.data.lists.entries import BETWEEN, Entries, ListError
from videogn.data.lists.lines import Lines, Rows, check_columns, cut_path, is_index, line_of
from videogn.data.lists.names import with_suffixes

# A class of Charades' as its file of classes has it, whose lists have the code alone.
CODE_AND_NAME = re.compile(r"c[0-9]{3} .+")
_ACTION = re.compile(r"(c[0-9]{3})(?: [0-9.]+ [0-9.]+)?")


def as_sets(texts: Sequence[str], *, by_words: bool = False) -> list[str]:
    """Return the labels of each video with BETWEEN between, each once.

    All texts of a list are cut at one mark: the first of semicolon, comma and tab that any has; else at spaces.

    Args:
        texts: As the list has them.
        by_words: Whether names, too, are cut at spaces. Default: indices alone.
    """
    mark = next((mark for mark in ";,\t" if any(mark in text for text in texts)), None)
    if mark is None and not by_words and not all(is_index(word) for text in texts for word in text.split()):
        mark = ";"
    cut = ((part.strip(' "') for part in text.split(mark)) for text in texts)
    return [BETWEEN.join(dict.fromkeys(part for part in parts if part)) for parts in cut]


def path_labels(lines: Lines, *, root: Path) -> Entries:
    """Read lines of a path and one label or more, see `as_sets`; the path ends as in `path label`.

    Raises:
        ListError: A line has no label, it can't be known where a path ends, or the first line is a header.
    """
    rows = Rows([], [[]], set())
    for place, line in enumerate(lines.texts):
        path, separator, rest = cut_path(line, marks=",", where=lines.where, place=place)
        if not path or not rest:
            raise ListError(f"{lines.where(place)}: expected 'path label label ...', got {line!r}")
        rows.paths.append(path)
        rows.fields[0].append(rest)
        rows.separators.add(separator)
    if rows.paths:
        check_columns(rows, lines)
    return with_suffixes(
        Entries(
            names=rows.paths,
            labels=as_sets(rows.fields[0], by_words=True),
            folder=str(root.absolute()),
            where=lines.where,
            are_class_names=False,
            read_as=f"path and labels{lines.comments}",
            several=True,
        )
    )


def is_charades(header: str) -> bool:
    """Return whether a first line is that of Charades' CSV."""
    return {"id", "actions", "length"} <= {name.strip() for name in header.split(",")}


def charades(text: str, *, file: Path, root: Path) -> Entries:
    """Read Charades' CSV: the columns id and actions, such as `c092 11.90 21.20;c147 0.00 12.60`; times are left out.

    Raises:
        ListError: A row has no id, or actions of another kind.
    """
    names, labels, numbers = [], [], []
    rows = csv.DictReader(io.StringIO(text, newline=""))
    for row in rows:
        name, actions = row["id"], [part.strip() for part in (row["actions"] or "").split(BETWEEN) if part.strip()]
        codes = [_ACTION.fullmatch(action) for action in actions]
        if not name or None in codes or None in row:
            raise ListError(
                f"{file}:{rows.line_num}: expected an id, and actions such as 'c092 11.90 21.20;c147 0.00 12.60', got "
                f"{name!r} and {row['actions']!r}"
            )
        names.append(name)
        labels.append(BETWEEN.join(dict.fromkeys(code[1] for code in codes if code)))
        numbers.append(rows.line_num)
    return with_suffixes(
        Entries(
            names=names,
            labels=labels,
            folder=str(root.absolute()),
            where=partial(line_of, file, numbers),
            read_as="Charades' CSV",
            several=True,
        )
    )
