"""What a user sees while a study runs: a table that follows the cells in a terminal, lines elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import rich.live
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from videogn.ablation.cells import Cell
from videogn.ablation.outcome import Outcome
from videogn.ablation.running.watch import Progress
from videogn.wording import duration_text

_SECONDS_BETWEEN_LINES = 60.0
_NUM_LOG_LINES = 5
_STYLES = {"running": "bold", "done": "green", "failed": "red", "waiting": "dim"}
# Lines of the terminal that the table's cells can't have: its head, its frame, the totals, the prompt.
_OTHER_LINES = 8
# What the columns of figures need, all together, at most.
_OTHER_WIDTH = 54

CellState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class CellStatus:
    """Where one cell stands.

    Args:
        state: In a word; "waiting" for all that is still to be run.
        seconds: Seconds that it took in this run of the command; None where it was done before.
        num_steps: Optimiser steps of the whole run, where that is known.
    """

    cell: Cell
    state: CellState
    folder: Path
    progress: Progress | None = None
    outcome: Outcome | None = None
    seconds: float | None = None
    num_steps: int | None = None


class Display:
    """Shows a study's cells on stdout; a context manager.

    Args:
        num_at_once: How many cells run at once; None where that is not known.
    """

    def __init__(self, *, num_at_once: int | None, console: Console | None = None) -> None:
        self._console = console or Console()
        self._num_at_once = num_at_once
        self._start = time.monotonic()
        self._shown: dict[str, tuple[str, str | None]] = {}
        self._said: dict[str, float] = {}
        self._live: rich.live.Live | None = None
        if self._console.is_terminal:
            self._live = rich.live.Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line, above the table where there is one."""
        # As it is, whatever brackets an error message has, and whole: a log is searched by line.
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()

    def update(self, statuses: Sequence[CellStatus]) -> None:
        """Show how the cells stand now: what has changed since the last time as lines, and the table."""
        ours = [status for status in statuses if status.cell.same_as is None]
        for number, status in enumerate(ours, start=1):
            self._say_change(status, head=f"[{number}/{len(ours)}] {status.cell.label}")
        if self._live is not None:
            seconds = time.monotonic() - self._start
            height = self._console.height - _OTHER_LINES
            table = status_table(statuses, num_rows=height, width=self._console.width)
            totals = totals_text(statuses, seconds=seconds, num_at_once=self._num_at_once)
            self._live.update(Group(table, Text(totals)), refresh=True)

    def _say_change(self, status: CellStatus, *, head: str) -> None:
        name, progress = status.cell.name, status.progress
        before = self._shown.get(name)
        now = (status.state, progress.stage if progress else None)
        self._shown[name] = now
        if status.state == "running" and progress is not None and self._live is None:
            if now != before:
                goes_on = f", going on after {progress.num_steps_before} updates" if progress.num_steps_before else ""
                self.say(f"{head}: {progress.stage} ...{goes_on if progress.stage == 'fit' else ''}")
                self._said[name] = time.monotonic()
            elif time.monotonic() - self._said[name] >= _SECONDS_BETWEEN_LINES:
                self.say(f"{head}: {progress_text(progress)}")
                self._said[name] = time.monotonic()
        elif status.state in ("done", "failed") and now != before and status.seconds is not None:
            for line in _end_lines(status, head=head):
                self.say(line)


def status_table(statuses: Sequence[CellStatus], *, num_rows: int, width: int) -> Table:
    """Return a table with a row per cell; where these are too many, running and failed ones come first."""
    shown = _chosen(statuses, num_rows=max(3, num_rows))
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        caption="train, val, test: top-1 in percent",
        caption_justify="left",
    )
    names = max(len(status.cell.name) for status in statuses)
    table.add_column("cell", no_wrap=True)
    table.add_column("state", no_wrap=True, overflow="ellipsis", max_width=max(9, width - names - _OTHER_WIDTH))
    for heading in ("epoch", "update", "loss", "train", "val", "test", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for status in shown:
        table.add_row(*map(Text, _row(status)), style=_STYLES[status.state])  # Text: brackets are no markup
    names_shown = {status.cell.name for status in shown}
    left_out = Counter(status.state for status in statuses if status.cell.name not in names_shown)
    if left_out:
        table.add_row(Text(f"... and {sum(left_out.values())} more"), Text(_counts_text(left_out)), style="dim")
    return table


def totals_text(statuses: Sequence[CellStatus], *, seconds: float, num_at_once: int | None) -> str:
    """Return how many cells are in which state, for how long the command has run, and what is left, about."""
    ours = [status for status in statuses if status.cell.same_as is None]
    parts = [f"{len(ours)} runs: {_counts_text(Counter(status.state for status in ours))}"]
    if num_same := len(statuses) - len(ours):
        parts.append(f"{num_same} more the same as one of these (=)")
    parts.append(f"{duration_text(seconds)} so far")
    left = _seconds_left(ours)
    if left is not None and num_at_once is not None:
        parts.append(f"about {duration_text(left / num_at_once)} of training left")
    return "; ".join(parts)


def progress_text(progress: Progress) -> str:
    """Return how far a cell is, in a line."""
    parts = [progress.stage]
    if progress.stage == "fit":
        if progress.epoch is not None:
            parts.append(f"epoch {progress.epoch}")
        parts.append(f"update {_updates(progress)}")
        if progress.loss is not None:
            parts.append(f"loss {progress.loss:.3f}")
        for name, value in (("train", progress.train_top1), ("val", progress.val_top1)):
            if value is not None:
                parts.append(f"{name} top-1 {value:.1f}")
        if progress.seconds_left is not None:
            parts.append(f"about {duration_text(progress.seconds_left)} left")
    return ", ".join([*parts, f"{duration_text(progress.seconds)} so far"])


def _seconds_left(statuses: Sequence[CellStatus]) -> float | None:
    """Return the seconds of training of all cells that are not done, at the pace of those that run."""
    paces = [s.progress.seconds_per_step for s in statuses if s.progress and s.progress.seconds_per_step]
    waiting = [status.num_steps for status in statuses if status.state == "waiting"]
    if not paces or None in waiting:
        return None
    running = sum(status.progress.seconds_left or 0.0 for status in statuses if status.progress)
    return running + sum(paces) / len(paces) * sum(steps or 0 for steps in waiting)


def _end_lines(status: CellStatus, *, head: str) -> list[str]:
    assert status.outcome is not None
    assert status.seconds is not None
    failure, result = status.outcome.failure, status.outcome.result
    took = duration_text(status.seconds)
    if failure is None:
        return [f"{head}: done in {took}, " + ("no top-1" if result is None else f"top-1 {result.top1:.1f}")]
    lines = [f"{head}: failed in {failure.stage} after {took}: {failure.kind}: {failure.reason}"]
    lines += [f"    {line}" for line in failure.log_tail[-_NUM_LOG_LINES:]]
    return [*lines, f"    (all of it: {status.folder / 'log.txt'})"]


def _chosen(statuses: Sequence[CellStatus], *, num_rows: int) -> list[CellStatus]:
    if len(statuses) <= num_rows:
        return list(statuses)
    order = {"running": 0, "failed": 1, "waiting": 2, "done": 3}
    first = sorted(statuses, key=lambda status: (status.cell.same_as is not None, order[status.state]))
    chosen = {status.cell.name for status in first[: num_rows - 1]}
    return [status for status in statuses if status.cell.name in chosen]


def _row(status: CellStatus) -> tuple[str, ...]:
    progress, outcome, name = status.progress, status.outcome, status.cell.name
    if status.cell.same_as is not None:
        return (name, f"= {status.cell.same_as}", *[""] * 5, _top1(outcome), "")
    if outcome is not None and outcome.failure is not None:
        return (name, f"failed: {outcome.failure.kind}: {outcome.failure.reason}", *[""] * 7)
    if progress is None:
        return (name, status.state, *[""] * 5, _top1(outcome), "")
    if progress.stage != "fit":
        return (name, progress.stage, *[""] * 7)
    return (
        name,
        progress.stage,
        "" if progress.epoch is None else str(progress.epoch),
        _updates(progress),
        "" if progress.loss is None else f"{progress.loss:.3f}",
        "" if progress.train_top1 is None else f"{progress.train_top1:.1f}",
        "" if progress.val_top1 is None else f"{progress.val_top1:.1f}",
        "",
        "" if progress.seconds_left is None else duration_text(progress.seconds_left),
    )


def _updates(progress: Progress) -> str:
    planned = progress.num_steps_planned
    return f"{progress.num_steps}" if planned is None else f"{progress.num_steps}/{planned}"


def _top1(outcome: Outcome | None) -> str:
    return "" if outcome is None or outcome.result is None else f"{outcome.result.top1:.1f}"


def _counts_text(counts: Counter[CellState]) -> str:
    words: tuple[CellState, ...] = ("done", "failed", "running", "waiting")
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])
