"""The axes of a study: what varies, and the settings that each level of an axis stands for.

An axis is a setting with a list of values, or a name of its own with labelled levels of several settings each:

    model.norm: [bn, gn]
    clips:
      32x2: {data.num_frames: 32, data.frame_interval: 2}
      64x1: {data.num_frames: 64, data.frame_interval: 1}
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The sections of a run's config: a name that begins with one is a setting, whatever follows.
SECTIONS = ("model", "data", "trainer")
# The normalisation batch, by which settings it comes about is the comparison's matter (batches.py).
NORM_BATCH_SIZE = "norm_batch_size"
_SETTING_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Level:
    """One value of an axis.

    Args:
        label: What a reader is told, such as "gn" or "32x2".
        settings: The settings that it stands for, by dotted names.
        slug: Its part of a folder's name, such as "nb2".
    """

    label: str
    settings: Mapping[str, Any]
    slug: str


@dataclass(frozen=True)
class Axis:
    """What varies: a setting's name, or a name of the study's own, and its levels in the order given."""

    name: str
    levels: tuple[Level, ...]


def read_axes(axes: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Read a study's axes.

    Names may be nested as a command line leaves them (`--axes.model.norm '[gn]'`) beside dotted ones; later ones win.

    Raises:
        ValueError: There is none, one has no level or the same twice, a level is not of the form above, or two axes
            set the same setting.
    """
    found = [
        _plain_axis(name, list(value)) if isinstance(value, list | tuple) else _labelled_axis(name, value)
        for name, value in _by_name(axes).items()
    ]
    if not found:
        raise ValueError("axes: there is none; name what varies, such as model.norm: [bn, gn]")
    owner: dict[str, str] = {}
    for axis in found:
        for setting in {name for level in axis.levels for name in level.settings}:
            if setting in owner:
                raise ValueError(f"axes: {owner[setting]} and {axis.name} both set {setting}; let one axis set it")
            owner[setting] = axis.name
    return tuple(found)


def flatten(settings: Mapping[str, Any], *, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values of nested settings."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def check_setting_names(settings: Mapping[str, Any], *, where: str) -> None:
    """Refuse a name that is no dotted name.

    Raises:
        ValueError: There is such a name.
    """
    for name in settings:
        if not isinstance(name, str) or not _SETTING_NAME.fullmatch(name):
            raise ValueError(
                f"{where}: got the name {name!r}; expected a dotted name without dashes, such as trainer.max_epochs"
            )


def value_text(value: Any) -> str:
    """Return a setting as a word of the command line: text as it is, all else as JSON (true, null, [256, 320])."""
    return value if isinstance(value, str) else json.dumps(value)


def plain_text(value: Any) -> str:
    """Return a setting's value as text, a number as the number that it is: 1e-3, 0.001 and "1e-3" are one."""
    text = value_text(value)
    try:
        return repr(float(text))
    except ValueError:
        return text


def slug_of(text: str) -> str:
    """Return text as part of a file's name."""
    return re.sub(r"[^a-z0-9.+]+", "_", text.lower()).strip("_.") or "_"


def _by_name(axes: Mapping[str, Any]) -> dict[str, Any]:
    """Return axes by name: of nested settings each list is an axis; of a labelled axis, levels are put together."""
    found: dict[str, Any] = {}
    for name, value in axes.items():
        head = str(name).split(".")[0]
        if head in SECTIONS and isinstance(value, Mapping):
            found.update(flatten(value, prefix=f"{name}."))
        elif isinstance(value, Mapping) and isinstance(found.get(name), Mapping):
            found[name] = {**found[name], **value}
        else:
            found[name] = value
    return found


def _plain_axis(name: str, values: list[Any]) -> Axis:
    check_setting_names({name: None}, where="axes")
    if not values:
        raise ValueError(f"axes, {name}: got {values!r}; expected a list with at least one value")
    levels: list[Level] = []
    for value in values:
        label = value_text(value)
        if label in [level.label for level in levels]:
            raise ValueError(f"axes, {name}: {label} stands there more than once; name each value once")
        levels.append(Level(label=label, settings={name: value}, slug=_plain_slug(name, label)))
    return Axis(name, tuple(levels))


def _plain_slug(name: str, label: str) -> str:
    if name == "model.norm":
        return slug_of(label)
    if name == NORM_BATCH_SIZE:
        return f"nb{slug_of(label)}"
    return slug_of(name.rsplit(".", 1)[-1] + label)


def _labelled_axis(name: str, levels: Any) -> Axis:
    if str(name).split(".")[0] in SECTIONS:
        raise ValueError(
            f"axes, {name}: got {levels!r}; expected a list of values. (With {', '.join(SECTIONS)} begin the names of "
            "settings: give an axis with labels another name.)"
        )
    if not isinstance(levels, Mapping) or not levels:
        raise ValueError(
            f"axes, {name}: got {levels!r}; expected a list of values, or labels with the settings of each: "
            f"{{32x2: {{data.num_frames: 32, data.frame_interval: 2}}}}"
        )
    found = []
    for label, settings in levels.items():
        if not isinstance(settings, Mapping):
            raise ValueError(f"axes, {name}, {label}: got {settings!r}; expected settings, such as {{model.norm: gn}}")
        flat = dict(flatten(settings))
        check_setting_names(flat, where=f"axes, {name}, {label}")
        text = value_text(label)  # YAML reads a label such as no as false
        found.append(Level(label=text, settings=flat, slug=slug_of(text)))
    return Axis(str(name), tuple(found))
