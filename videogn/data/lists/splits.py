"""What lists call the parts of a data set, and which rows of a list of several parts are wanted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from videogn.data.lists.entries import ListError, Split

_VAL = {"val", "valid", "validate", "validation", "dev", "eval", "evaluation"}
_TEST = {"test", "testing"}
_NAMES: dict[Split, set[str]] = {"train": {"train", "training"}, "val": _VAL, "test": _VAL | _TEST}
ALL_NAMES = frozenset().union(*_NAMES.values())


def wanted_names(found: Collection[str], split: Split, *, file: Path) -> Collection[str]:
    """Return which of the names that a list has for its parts are those of a split.

    A list of one part is taken whole, whatever it calls itself. Where a list has a part for testing and none for
    validation, that is both.

    Args:
        found: Names in the list, in lower case.
        split: What is wanted.
        file: The list, for the error.

    Raises:
        ListError: None of several is.
    """
    if len(found) <= 1:
        return found
    names = _NAMES[split] & set(found) or (_TEST & set(found) if split == "val" else set())
    if not names:
        raise ListError(
            f"{file}: no rows of {split}: its parts are {', '.join(map(repr, sorted(found)))}; expected "
            f"{', '.join(sorted(_NAMES[split]))}, or a file for each part"
        )
    return names
