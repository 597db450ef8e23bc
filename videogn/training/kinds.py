"""Whether what was read from a file is what it should be, by types. Loads no torch."""

from __future__ import annotations

import math
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

_MOST = 2**63  # more is no count


def is_of(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type: a class, a union, a list, tuple or dict of types, a TypedDict.

    A number that is not finite, or too large for a count, is of none. A TypedDict may have other items besides.
    """
    if hint is Any:
        return True
    if isinstance(hint, UnionType):
        return any(is_of(value, each) for each in get_args(hint))
    if is_typeddict(hint):
        return isinstance(value, dict) and first_wrong(value, hint) is None
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint in (int, float):
        return isinstance(value, int | hint) and math.isfinite(value) and -_MOST < value < _MOST
    kind, of = get_origin(hint) or hint, get_args(hint)
    if not isinstance(value, kind):
        return False
    if kind is dict and of:
        return all(is_of(key, of[0]) and is_of(each, of[1]) for key, each in value.items())
    return not (kind in (list, tuple) and of) or all(is_of(each, of[0]) for each in value)


def first_wrong(values: dict[str, Any], kind: Any) -> str | None:
    """Return the first name of a TypedDict that a dictionary lacks or has as another type; None where there is none."""
    for name, hint in get_type_hints(kind).items():
        if name not in values:
            if name in kind.__required_keys__:
                return name
        elif not is_of(values[name], hint):
            return name
    return None
