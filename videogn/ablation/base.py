"""The base config of a study: its settings by dotted names."""

from collections.abc import Mapping
from typing import Any

import yaml

from videogn.ablation.axes import flatten


def base_settings(content: bytes, *, name: str) -> dict[str, Any]:
    """Return a base config's settings by dotted names.

    Raises:
        ValueError: It is no YAML of settings.
    """
    try:
        settings = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ValueError(f"base: {name} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, Mapping):
        raise ValueError(f"base: {name} holds no settings (got {type(settings).__name__})")
    return dict(flatten(settings))
