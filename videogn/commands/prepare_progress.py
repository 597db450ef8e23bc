"""What a user sees while videos are prepared: a bar at a terminal, a line now and then elsewhere, and every failure."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from videogn.tools.prepare.folder import OnDone
from videogn.tools.prepare.workers import Outcome

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress() -> Iterator[OnDone]:
    """Show what is called in a `with` block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("videos"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("videos", total=None)

        def on_done(name: str, outcome: Outcome, num_done: int, total: int) -> None:
            bar.update(task, completed=num_done, total=total)
            if isinstance(outcome, str):
                console.print(_failure(name, outcome), markup=False, highlight=False, soft_wrap=True)

        yield on_done


def _lines() -> OnDone:
    last = time.monotonic()

    def on_done(name: str, outcome: Outcome, num_done: int, total: int) -> None:
        nonlocal last
        if isinstance(outcome, str):
            print(_failure(name, outcome), file=sys.stderr, flush=True)
        if num_done == total or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{num_done} of {total} videos", file=sys.stderr, flush=True)

    return on_done


def _failure(name: str, reason: str) -> str:
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
    return f"left out: {shown}: {reason}"
