"""What a command line says of a study's axes, settings, baseline and tuning by dotted names, over its config file.

jsonargparse would keep the last `--settings.data.X` alone, and replace an axis by what one level of it is given:

    --settings.data.root DIR --settings.data.num_workers 4
    --axes.norm_batch_size '[8, 2]'                 all levels of an axis
    --axes.norm.gn.model.weights FILE               one more setting of the level gn of the axis norm
    --axes.norm.plain.model.norm none               a level more
    --baseline.norm gn
    --tune.model.base_lr '[0.1, 0.2, 0.4]'          all values of a tuned setting
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videogn.commands.usage import UsageError
from videogn.settings_file import read_value

_FIELDS = ("axes", "settings", "baseline", "tune")
Given = list[tuple[str, str, Any]]


def take_nested(words: Sequence[str]) -> tuple[list[str], Given]:
    """Take the dotted words of axes, settings, baseline and tune out of a command line.

    Returns:
        The words that are left; and, in their order, (field, dotted name, value).

    Raises:
        UsageError: One has no value.
    """
    left: list[str] = []
    given: Given = []
    remaining: Iterator[str] = iter(words)
    for word in remaining:
        flag, equals, value = word.partition("=")
        field, dot, name = flag.removeprefix("--").partition(".")
        if not (flag.startswith("--") and dot and field in _FIELDS):
            left.append(word)
            continue
        found = value if equals else next(remaining, None)
        if found is None or not name:
            raise UsageError(f"{word}: expected {flag} VALUE")
        given.append((field, name, _read(found, flag=flag)))
    return left, given


def with_nested(values: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """Return a study's values with what was given over them.

    Raises:
        UsageError: A name says no axis, level or setting.
    """
    changed = dict(values)
    for field in _FIELDS:
        changed[field] = dict(values.get(field) or {})
    for field, name, value in given:
        if field == "axes":
            _set_axis(changed["axes"], name, value)
        else:
            changed[field][name] = value
    return changed


def _read(text: str, *, flag: str) -> Any:
    """Return lists and mappings as YAML; of all else, what JSON knows (numbers, true, null), and text."""
    if text.lstrip().startswith(("[", "{")):
        try:
            return read_value(text)
        except ValueError as error:
            raise UsageError(f"{flag}: {text[:80]}: {error}") from error
    try:
        return json.loads(text)
    except ValueError:
        return text


def _set_axis(axes: dict[str, Any], name: str, value: Any) -> None:
    axis, rest = _split(name, known=axes) if not isinstance(value, list) else (name, "")
    if not rest:
        axes[axis] = value
        return
    levels = axes.get(axis, {})
    if not isinstance(levels, Mapping):
        raise UsageError(f"--axes.{name}: {axis} has values and no labels; give all of them: --axes.{axis} '[...]'")
    label, setting = _split(rest, known=levels)
    if not setting and not isinstance(value, Mapping):
        raise UsageError(
            f"--axes.{name}: got {value!r}; expected a list of values, '[...]', or --axes.{axis}.LABEL.SETTING VALUE"
        )
    level = {**(levels.get(label) or {}), setting: value} if setting else value
    axes[axis] = {**levels, label: level}


def _split(name: str, *, known: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first part, one that is known where there is (it may have dots), and the rest."""
    for first in sorted(map(str, known), key=len, reverse=True):
        if name == first or name.startswith(f"{first}."):
            return first, name[len(first) + 1 :]
    first, _, rest = name.partition(".")
    return first, rest
