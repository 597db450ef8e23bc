"""Weight files: what others and videogn itself wrote, under videogn's names, into a network.

`read_weights` recognises a file by its content and renames its tensors; `load_weights` inflates 2-D kernels over time
and fills a network, all or nothing; `write_safetensors` keeps what was read. Nothing in a file is ever executed.

The names are loaded when they are first used: the manual page of `videogn weights` needs the list of kinds alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videogn.models.weights.load import LoadReport, load_weights
    from videogn.models.weights.read import Weights, read_weights
    from videogn.models.weights.save import write_safetensors


class WeightsError(ValueError):
    """A weights file that can't be read, is of an unknown kind, or does not fit: what was got, what was expected."""


__all__ = ["LoadReport", "Weights", "WeightsError", "load_weights", "read_weights", "write_safetensors"]

_HOMES = {
    "LoadReport": "videogn.models.weights.load",
    "Weights": "videogn.models.weights.read",
    "load_weights": "videogn.models.weights.load",
    "read_weights": "videogn.models.weights.read",
    "write_safetensors": "videogn.models.weights.save",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'videogn.models.weights' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
