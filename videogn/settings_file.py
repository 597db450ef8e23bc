"""Files of settings, in YAML: read so that nothing in one is executed, or grows beyond what it looks like."""

from __future__ import annotations

from typing import Any

import yaml

MOST_VALUES = 100_000


def read_settings(content: bytes) -> dict[str, Any]:
    """Return the settings of a file.

    Raises:
        ValueError: It is no text in UTF-8, no YAML of names and values, or holds itself, or too many values: those of
            an alias count each time.
    """
    try:
        found = yaml.safe_load(content.decode("utf-8-sig"))
        _count(found, 0)
    except UnicodeDecodeError as error:
        raise ValueError(f"no text in UTF-8 (byte {error.start})") from None
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply, or holds itself by an alias") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"it holds no settings: expected lines `name: value`, got {str(found)[:40]!r}")
    return found


def _count(value: Any, before: int) -> int:
    """Return a number and the values in a value, added up."""
    before += 1
    if before > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES:,} values")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            before = _count(each, before)
    return before
