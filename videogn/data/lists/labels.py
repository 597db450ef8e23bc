"""Labels as lists have them, names or indices, and the class indices that they become."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videogn.data.lists.entries import BETWEEN, Entries, ListError
from videogn.data.lists.lines import is_index
from videogn.data.lists.several import CODE_AND_NAME
from videogn.data.lists.tables import read_text

if TYPE_CHECKING:
    from videogn.data.lists.records import Records

# What is a number and no class index.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan", flags=re.IGNORECASE)
_NUMBERED = re.compile(r"([0-9]{1,18})[ ,;\t]+(.+)")
# A list with fewer lines has no more classes than this: a last layer of millions is a slip.
MOST_CLASSES = 10_000


def read_classes(path: Path) -> list[str]:
    """Return class names: a JSON list (.json), or one a line, all with their numbers (UCF101's classInd.txt) or none.

    Raises:
        ListError: The file does not exist, is empty, or names a class twice.
    """
    if not path.is_file():
        raise ListError(f"{path}: no such file of class names")
    text = read_text(path)
    if path.suffix == ".json":
        try:
            names = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ListError(f"{path}: no JSON ({error})") from None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ListError(f"{path}: expected a list of class names, in the order of their indices, got {text[:40]!r}")
    else:
        names = _without_numbers([line.strip() for line in text.split("\n") if line.strip()])
    if not names:
        raise ListError(f"{path}: no class names in it (expected one a line)")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ListError(f"{path}: the class {twice!r} is named twice")
    return names


def _without_numbers(lines: list[str]) -> list[str]:
    """Return class names of lines `1 walk`, in the order of their numbers from 0 or 1; other lines as they are."""
    cut = [_NUMBERED.fullmatch(line) for line in lines]
    name_of = {int(each[1]): each[2] for each in cut if each is not None}
    for first in (0, 1):
        if sorted(name_of) == list(range(first, first + len(lines))):
            return [name_of[number] for number in sorted(name_of)]
    return lines


def classes_of(entries: Entries) -> list[str]:
    """Return class names that a training list implies: its names, sorted; or 0 ... the largest index.

    Raises:
        ListError: Some labels are indices and some are names, one is a number and no index, an index is far beyond the
            number of lines, or all lines have one class.
    """
    labels = set(entries.labels) if not entries.several else {label for _, label in entries.each_label()}
    _refuse_without_labels(entries)
    if not entries.are_class_names:
        indices = set(filter(is_index, labels))
        if others := labels - indices:
            _check_names(entries, indices=indices, others=others)
        else:
            return _indices(entries, max(map(int, indices)))
    if len(labels) < 2:
        raise ListError(
            f"{entries.where(0)}: this and all others ({len(entries)}) are of one class, {min(labels)!r}: give two"
        )
    return sorted(labels)


def _check_names(entries: Entries, *, indices: set[str], others: set[str]) -> None:
    if numbers := set(filter(_NUMBER.fullmatch, others)):
        place, number = _first_of(entries, numbers)
        raise ListError(
            f"{entries.where(place)}: label {number!r} is a number and no class index: expected 0, 1, 2, ... or names"
        )
    if indices:
        (first, index), (second, name) = _first_of(entries, indices), _first_of(entries, others)
        raise ListError(
            f"{entries.where(second)}: label {name!r} is a name, and {index!r} "
            f"({entries.where(first)}) an index: expected one kind, or a file with all class names (--data.classes)"
            + (f"; where {name!r} is several labels, --data.multi_label true" if BETWEEN in name else "")
        )


def _first_of(entries: Entries, labels: set[str]) -> tuple[int, str]:
    """Return place and label of the first that is one of some."""
    return next((place, label) for place, label in entries.each_label() if label in labels)


def _indices(entries: Entries, largest: int) -> list[str]:
    if largest >= max(MOST_CLASSES, len(entries)):
        place = next(place for place, label in entries.each_label() if int(label) == largest)
        raise ListError(
            f"{entries.where(place)}: class index {largest} in a list of {len(entries)} videos: is it the label?"
        )
    if largest == 0:
        raise ListError(f"{entries.where(0)}: this and all others ({len(entries)}) are of one class, index 0: give two")
    return [str(index) for index in range(largest + 1)]


def resolve(entries: Entries, classes: Sequence[str]) -> Records:
    """Give every entry its class index.

    Raises:
        ListError: A label that is no class name and no index in range, with file and line.
    """
    from videogn.data.lists.records import Records  # here: its arrays are torch's

    _refuse_without_labels(entries)
    index_of = {name: index for index, name in enumerate(classes)}
    if all(map(CODE_AND_NAME.fullmatch, classes)):
        index_of |= {name.partition(" ")[0]: index for index, name in enumerate(classes)}
    for place, label in entries.each_label():
        if label in index_of:
            continue
        index = int(label) if is_index(label) and not entries.are_class_names else -1
        if not 0 <= index < len(classes):
            raise ListError(
                f"{entries.where(place)}: label {label!r} is out of range: "
                f"expected an index from 0 to {len(classes) - 1} or one of {_some(classes)}"
            )
        index_of[label] = index
    if entries.several:
        sets: list[list[int]] = [[] for _ in range(len(entries))]
        for place, label in entries.each_label():
            sets[place].append(index_of[label])
        return Records(entries.names, sets=sets, folder=entries.folder, files=entries.files)
    labels = map(index_of.__getitem__, entries.labels)
    return Records(entries.names, labels=labels, folder=entries.folder, files=entries.files)


def _refuse_without_labels(entries: Entries) -> None:
    if entries.several and not any(entries.labels):
        raise ListError(f"{entries.where(0)}: neither this video nor any other ({len(entries)}) has a label")


def without_videos(records: Records, classes: Sequence[str]) -> list[str]:
    """Return the classes that no record is of."""
    return [name for name, count in zip(classes, records.counts(len(classes)), strict=True) if not count]


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} classes)" if len(names) > most else "")
