"""What a user sees of work on videos: a bar at a terminal, a line now and then elsewhere, and every failure."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Called whenever a video is done: its name, what came of it (a text: what is wrong), how many are done, of how many.
OnDone = Callable[[str, object, int, int], None]
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(*, failed: str) -> Iterator[OnDone]:
    """Show what is called in a `with` block; `failed` stands before names of videos with which something is wrong."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(failed)
        return
    columns = (TextColumn("videos"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("videos", total=None)

        def on_done(name: str, outcome: object, num_done: int, total: int) -> None:
            bar.update(task, completed=num_done, total=total)
            if isinstance(outcome, str):
                console.print(_failure(failed, name, outcome), markup=False, highlight=False, soft_wrap=True)

        yield on_done


def _lines(failed: str) -> OnDone:
    last = time.monotonic()

    def on_done(name: str, outcome: object, num_done: int, total: int) -> None:
        nonlocal last
        if isinstance(outcome, str):
            print(_failure(failed, name, outcome), file=sys.stderr, flush=True)
        if num_done == total or time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{num_done} of {total} videos", file=sys.stderr, flush=True)

    return on_done


def _failure(failed: str, name: str, reason: str) -> str:
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
    return f"{failed}: {shown}: {reason}"
