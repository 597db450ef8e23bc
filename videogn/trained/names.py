"""Names that both the commands and what they do know. Loads no torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

# What a row of features is of.
Per = Literal["view", "clip", "video"]
FormatName = Literal["torch_export", "onnx"]
SUFFIXES: dict[FormatName, str] = {"torch_export": ".pt2", "onnx": ".onnx"}
# All that a run's page and what stands beside it may be: the page comes first, and is there where any other is.
PAGE_FILES = (
    "report.html",
    *(f"{name}.{kind}" for name in ("curves", "confusion", "calibration") for kind in ("png", "svg")),
    *(f"{name}.csv" for name in ("confusion", "classes", "calibration")),
)
_ONNX_NEEDS = ("onnx", "onnxscript", "onnxruntime")


def card_file(out: Path) -> Path:
    """Return where the card of a program lies: beside it."""
    return out.with_name(f"{out.name}.md")


def check_format(name: FormatName) -> None:
    """Raise ValueError for a format whose libraries are not installed."""
    missing = [library for library in _ONNX_NEEDS if name == "onnx" and find_spec(library) is None]
    if missing:
        raise ValueError(f"onnx needs {', '.join(missing)}, not installed here: pip install 'videogn[onnx]'")
