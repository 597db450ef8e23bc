"""Videos made cheap to read at random: scaled down, with a key frame every few frames.

The names are loaded when they are first used: help needs the settings, and no decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videogn.tools.prepare.encoding import Encoding
    from videogn.tools.prepare.folder import Summary, prepare_folder
    from videogn.tools.prepare.video import Prepared, PrepareError, prepare_video

__all__ = ["Encoding", "PrepareError", "Prepared", "Summary", "prepare_folder", "prepare_video"]

_HOMES = {
    "Encoding": "encoding",
    "PrepareError": "video",
    "Prepared": "video",
    "Summary": "folder",
    "prepare_folder": "folder",
    "prepare_video": "video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
