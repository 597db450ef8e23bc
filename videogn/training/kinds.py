"""Whether what was read from a file is what it should be, by types. Loads no torch."""

from __future__ import annotations

import math
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

_MOST = 2**63  # no int64, of which torch's counts are


def is_of(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type: a class, a union, a Literal, a list, tuple or dict of types, a TypedDict.

    A number that is negative, not finite, or too large for an int64, is of none. A TypedDict may have other items
    besides. A tuple is of as many values as are named, and may be a list, which JSON has in its place.
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
        return isinstance(value, int | hint) and 0 <= value < (math.inf if isinstance(value, float) else _MOST)
    kind, of = get_origin(hint) or hint, get_args(hint)
    if kind is Literal:
        return value in of
    if kind is tuple:
        return isinstance(value, list | tuple) and len(value) == len(of) and all(map(is_of, value, of))
    if not isinstance(value, kind):
        return False
    if kind is dict and of:
        return all(is_of(key, of[0]) and is_of(each, of[1]) for key, each in value.items())
    return not (kind is list and of) or all(is_of(each, of[0]) for each in value)


def has_odd_number(content: Any) -> bool:
    """Return whether there is a whole number that is no int64 in nested dictionaries, lists and tuples."""
    within, seen = [content], set()
    while within:
        value = within.pop()
        if isinstance(value, int) and not -_MOST <= value < _MOST:
            return True
        if isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            within += [*value, *value.values()] if isinstance(value, dict) else value
    return False


def first_wrong(values: dict[str, Any], kind: Any) -> str | None:
    """Return the first name of a TypedDict that a dictionary lacks or has as another type; None where there is none."""
    for name, hint in get_type_hints(kind).items():
        if name not in values:
            if name in kind.__required_keys__:
                return name
        elif not is_of(values[name], hint):
            return name
    return None
