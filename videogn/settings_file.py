"""Settings as YAML: read so that nothing in them is executed, or grows beyond what it looks like."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import yaml

MOST_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"
_KINDS = {f"{_TAG}{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "merge")}


class _Loader(yaml.SafeLoader):
    """Leaves dates as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KINDS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_value(text: str) -> Any:
    """Return the value of a text in YAML: of text, numbers, true, false, null, lists and mappings.

    Raises:
        ValueError: It is no YAML, or has another tag, a name twice in a mapping, an alias that holds itself, or more
            than MOST_VALUES values, where those of an alias count each time.
    """
    try:
        _count(yaml.compose(text, Loader=_Loader), {})
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ValueError("its YAML is nested too deeply, or holds itself by an alias") from None
    except (yaml.YAMLError, ValueError, LookupError) as error:  # the last two: `!!int x`, `!!bool x`
        raise ValueError(f"its YAML can't be read: {' '.join(str(error).split())}") from error


def read_settings(content: bytes) -> dict[str, Any]:
    """Return the settings of a file.

    Raises:
        ValueError: It is no text in UTF-8, or no YAML of names and values, or read_value or check_numbers refuses it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"no text in UTF-8 (byte {error.start})") from None
    found = read_value(text)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"it holds no settings: expected lines `name: value`, got {str(found)[:40]!r}")
    check_numbers(found)
    return found


def check_numbers(value: Any, *, name: str = "") -> None:
    """Refuse settings with a number that is not finite, or a whole one that 64 bits can't hold.

    Raises:
        ValueError: There is such a number; names its setting.
    """
    if isinstance(value, dict):
        for part, each in value.items():
            check_numbers(each, name=f"{name}.{part}".lstrip("."))
    elif isinstance(value, list | tuple):
        for each in value:
            check_numbers(each, name=name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: got {value}; expected a finite number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: got a whole number of {value.bit_length()} bits; expected one of 64 bits at most")


def _count(node: yaml.Node | None, counted: dict[yaml.Node, int]) -> int:
    """Return how many values a node stands for, as read_value counts them; `counted`: those of the nodes before."""
    if node is None or node in counted:
        return 0 if node is None else counted[node]
    line = f"line {node.start_mark.line + 1}"
    if node.tag not in _KINDS:
        raise yaml.YAMLError(f"{line} has the tag {node.tag.replace(_TAG, '!!')}: leave it out")
    if isinstance(node, yaml.ScalarNode):
        return 1
    parts = node.value
    if isinstance(node, yaml.MappingNode):
        names = Counter(name.value for name, _ in node.value if isinstance(name, yaml.ScalarNode))
        if twice := [name for name, number in names.items() if number > 1]:
            raise yaml.YAMLError(f"the settings from {line} on have the name {twice[0]} more than once: leave one out")
        parts = [part for pair in node.value for part in pair]
    counted[node] = 1 + sum(_count(part, counted) for part in parts)
    if counted[node] > MOST_VALUES:
        raise yaml.YAMLError(f"it holds more than {MOST_VALUES:,} values")
    return counted[node]
