"""What a window that slid over a video found, as lines and tables in the terminal, as CSV, and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from videogn.trained.segments import Segment
from videogn.trained.sliding import TimeWindow
from videogn.trained.timeline import Timeline, clock

MOST_ROWS = 20
_OF_A_LINE = 3  # classes


def line_of(window: TimeWindow) -> str:
    """Return a window in a line: when, and its most probable classes."""
    best = list(window.probabilities.items())[:_OF_A_LINE]
    return f"{clock(window.start)} - {clock(window.end)}  " + "  ".join(f"{name} {share:.2f}" for name, share in best)


def csv_head(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns."""
    return ["video", "start_seconds", "end_seconds", *classes]


def csv_row(video: str, window: TimeWindow, classes: Sequence[str]) -> list[str]:
    """Return a window as a row of the CSV file."""
    shares = (f"{window.probabilities[name]:.6g}" for name in classes)
    return [video, f"{window.start:.6f}", f"{window.end:.6f}", *shares]


def as_json(video: str, timeline: Timeline, found: Sequence[Segment]) -> dict[str, Any]:
    """Return a video's windows, each with its five most probable classes, and its segments, for JSON."""
    windows = [
        {
            "start_seconds": start,
            "end_seconds": end,
            "predictions": [{"class": name, "probability": share} for name, share in timeline.best(place, 5)],
        }
        for place, (start, end) in enumerate(timeline.times)
    ]
    stretches = [
        {
            "class": timeline.classes[segment.label],
            "start_seconds": segment.start,
            "end_seconds": segment.end,
            "highest_probability": segment.highest,
        }
        for segment in found
    ]
    return {"video": video, "windows": windows, "segments": stretches}


@dataclass
class _Run:
    """Windows that follow each other, of one most probable class."""

    name: str
    start: float
    end: float
    shares: list[float]


def _runs(timeline: Timeline) -> Iterator[_Run]:
    run: _Run | None = None
    for place, (start, end) in enumerate(timeline.times):
        ((name, share),) = timeline.best(place, 1)
        if run is not None and run.name == name:
            run.end = end
            run.shares.append(share)
            continue
        if run is not None:
            yield run
        run = _Run(name, start, end, [share])
    if run is not None:
        yield run


def print_tables(video: str, timeline: Timeline, found: Sequence[Segment], *, threshold: float) -> None:
    """Print the scores over time, windows of one most probable class in a row, and the segments; at most 20 of each."""
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe: nothing is cut
    scores = Table("from", "to", "most probable", "probability", "windows", title=Text(video), title_justify="left")
    runs = list(_runs(timeline))
    for run in runs[:MOST_ROWS]:
        mean = sum(run.shares) / len(run.shares)
        scores.add_row(clock(run.start), clock(run.end), Text(run.name), f"{mean:.3f}", f"{len(run.shares):,}")
    console.print(scores)
    _print_rest(len(runs), "stretches of one most probable class")
    if not found:
        print(f"no class reaches a probability of {threshold:g}")
        return
    stretches = Table("from", "to", f"class at {threshold:g} or above", "highest")
    for segment in found[:MOST_ROWS]:
        name = Text(timeline.classes[segment.label])
        stretches.add_row(clock(segment.start), clock(segment.end), name, f"{segment.highest:.3f}")
    console.print(stretches)
    _print_rest(len(found), "segments")


def _print_rest(number: int, of_what: str) -> None:
    if number > MOST_ROWS:
        print(f"... the first {MOST_ROWS} of {number:,} {of_what} (--csv and --json have all)")
