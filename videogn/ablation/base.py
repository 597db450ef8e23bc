"""The base config of a study: its settings by dotted names."""

from typing import Any

from videogn.ablation.axes import flatten
from videogn.settings_file import read_settings


def base_settings(content: bytes, *, name: str) -> dict[str, Any]:
    """Return a base config's settings by dotted names.

    Raises:
        ValueError: It is no YAML of settings.
    """
    try:
        return dict(flatten(read_settings(content)))
    except ValueError as error:
        raise ValueError(f"base: {name}: {error}") from error
