"""What lists call the parts of a data set, and which rows of a list of several parts are wanted."""

from __future__ import annotations

import warnings
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
    validation, that is both, with a warning.

    Args:
        found: Names in the list, in lower case.

    Raises:
        ListError: None of several is.
    """
    if len(found) <= 1:
        return found
    names = _NAMES[split] & set(found)
    if not names and split == "val" and (names := _TEST & set(found)):
        warnings.warn(f"{file}: no part for validation: that for testing is taken, {', '.join(names)}", stacklevel=2)
    if not names:
        raise ListError(
            f"{file}: no rows of {split}: its parts are {', '.join(map(repr, sorted(found)))}; expected "
            f"{', '.join(sorted(_NAMES[split]))}, or a file for each part"
        )
    return names
