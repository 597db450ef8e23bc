"""The predictions of a run, as a table and as a file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_predictions(videos: Sequence[dict[str, Any]]) -> None:
    table = Table("video", "class", "probability")
    for video in videos:
        for place, guess in enumerate(video["predictions"]):
            table.add_row("" if place else video["video"], guess["class"], f"{guess['probability']:.3f}")
        table.add_section()
    if videos:
        Console().print(table)


def write_predictions(videos: Sequence[dict[str, Any]], failed: Sequence[dict[str, Any]], target: str | Path) -> None:
    """Writes {"videos": [...], "failed": [...]} as JSON, whole or not at all."""
    partial = Path(f"{target}.partial")
    text = json.dumps({"videos": list(videos), "failed": list(failed)}, indent=2, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, target)
