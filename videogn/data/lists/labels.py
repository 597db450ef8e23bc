"""Labels as lists have them, names or indices, and the class indices that they become."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError
from videogn.data.lists.records import Records


def read_classes(path: Path) -> list[str]:
    """Return class names, one a line.

    Raises:
        ListError: The file does not exist, is empty, or names a class twice.
    """
    if not path.is_file():
        raise ListError(f"{path}: no such file of class names")
    names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not names:
        raise ListError(f"{path}: no class names in it (expected one a line)")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ListError(f"{path}: the class {twice!r} is named twice")
    return names


def classes_of(entries: Entries) -> list[str]:
    """Return class names that a training list implies: its names, sorted; or 0 ... the largest index."""
    labels = set(entries.labels)
    if not entries.are_class_names and all(map(_is_index, labels)):
        return [str(index) for index in range(max(map(int, labels)) + 1)]
    return sorted(labels)


def resolve(entries: Entries, classes: Sequence[str]) -> Records:
    """Give every entry its class index.

    Raises:
        ListError: A label that is no class name and no index in range, with file and line.
    """
    index_of = {name: index for index, name in enumerate(classes)}
    for place, label in enumerate(entries.labels):
        if label in index_of:
            continue
        index = int(label) if _is_index(label) and not entries.are_class_names else -1
        if not 0 <= index < len(classes):
            raise ListError(
                f"{entries.where(place)}: label {label!r} is out of range: "
                f"expected an index from 0 to {len(classes) - 1} or one of {_some(classes)}"
            )
        index_of[label] = index
    labels = map(index_of.__getitem__, entries.labels)
    return Records(entries.names, labels=labels, folder=entries.folder, files=entries.files)


def _is_index(label: str) -> bool:
    return label.isascii() and label.isdigit()


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} classes)" if len(names) > most else "")
