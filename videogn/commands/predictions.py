"""The predictions of a run: as a table, and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from videogn.commands.usage import RunError, save_json
from videogn.training.scoring import Prediction
from videogn.wording import counted


def report_predictions(
    found: Iterable[Prediction],
    failures: Iterable[tuple[int, str]],
    *,
    paths: Sequence[str],
    classes: Sequence[str],
    json: str | None,
) -> None:
    """Print the predictions of videos and why others have none; write both to a file, where one is given.

    Args:
        found: Of the videos that could be decoded.
        failures: (place in the list, reason) of those that could not.
        paths: Of all videos, by their place in the list.
        classes: Names, by class index.
        json: The file.

    Raises:
        RunError: There is no prediction, or the file can't be written.
    """
    videos = [
        {
            "video": paths[one["index"]],
            "predictions": [
                {"class": classes[label], "probability": probability}
                for label, probability in zip(one["classes"], one["probabilities"], strict=True)
            ],
        }
        for one in found
    ]
    failed = [{"video": paths[index], "error": reason} for index, reason in failures]
    if videos:
        _print_table(videos)
    for failure in failed:
        print(f"not decoded: {failure['error']}", file=sys.stderr)
    if json is not None:
        save_json(json, {"videos": videos, "failed": failed})
        print(f"written: {json}")
    if not videos:
        raise RunError(f"0 of {counted(len(paths), 'video')} could be decoded")


def _print_table(videos: Sequence[dict[str, Any]]) -> None:
    table = Table("video", "class", "probability")
    for video in videos:
        if not video["predictions"]:
            table.add_row(Text(video["video"]), "-", "-")  # no class has the probability that was asked for
        for place, guess in enumerate(video["predictions"]):
            name = "" if place else video["video"]
            table.add_row(Text(name), Text(guess["class"]), f"{guess['probability']:.3f}")
        table.add_section()
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe: nothing is cut
    console.print(table)
