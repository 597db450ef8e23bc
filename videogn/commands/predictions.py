"""The predictions of a run, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_predictions(videos: Sequence[dict[str, Any]]) -> None:
    table = Table("video", "class", "probability")
    for video in videos:
        for place, guess in enumerate(video["predictions"]):
            name = "" if place else video["video"]
            table.add_row(Text(name), Text(guess["class"]), f"{guess['probability']:.3f}")
        table.add_section()
    if videos:
        console = Console()
        if not console.is_terminal:
            console.width = 240  # a file or a pipe: nothing is cut
        console.print(table)
