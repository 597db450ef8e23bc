"""Config files by path or by bare name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

import videogn
from videogn.commands.usage import UsageError
from videogn.settings_file import read_settings, read_value

_load = get_loader("yaml")


def find_config(name: str, *, setting: str = "--config") -> str:
    """Return the config file of a name: a path as it is, else the packaged file of that name.

    Args:
        setting: What gave the name, for the error.

    Raises:
        UsageError: There is neither; says which packaged ones there are.
    """
    if Path(name).is_file():
        return name
    here = Path(videogn.__file__).parent
    for folder in (here / "configs", here.parent / "configs"):
        if (folder / name).is_file():
            return str(folder / name)
        if folder.is_dir():
            packaged = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml"))
            raise UsageError(f"{setting} {name}: no such file, and no packaged one of that name: {', '.join(packaged)}")
    raise UsageError(f"{setting} {name}: no such file")


def resolve_configs(words: Sequence[str]) -> list[str]:
    """Return the words with every name behind --config (or -c, --config=) replaced by a path.

    Raises:
        UsageError: There is no such file, or it is no file of settings.
    """
    resolved: list[str] = []
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if place and words[place - 1] in {"--config", "-c"}:
            resolved.append(_read_config(word))
        elif equals and flag in {"--config", "-c"}:
            resolved.append(f"{flag}={_read_config(value)}")
        else:
            resolved.append(word)
    return resolved


def check_all_yaml() -> None:
    """Have jsonargparse, too, refuse what read_value refuses: in files that a setting names, and on a command line."""

    def load(text: str) -> Any:
        read_value(text)
        return _load(text)  # not the value above: 1e-3 is a number to jsonargparse, and text to PyYAML

    set_loader("yaml", load, (ValueError, yaml.YAMLError))


def _read_config(name: str) -> str:
    path = find_config(name)
    try:
        if "config" in read_settings(Path(path).read_bytes()):
            raise ValueError("it names a config of its own; give several --config instead")
    except OSError as error:
        raise UsageError(f"--config {path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--config {path}: {error}") from error
    return path
