"""What a user sees while a study runs: one line as a cell starts, one as it ends, a clock between in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rich.progress
from rich.console import Console
from rich.markup import escape

from videogn.ablation.cells import Cell
from videogn.ablation.outcome import Outcome


class Progress:
    """Counts cells and says where the study stands, on stdout."""

    def __init__(self, *, num_cells: int) -> None:
        self._console = Console()
        self._num_cells = num_cells
        self._num_begun = 0
        self._begun: Cell | None = None

    @contextmanager
    def running(self, cell: Cell, *, stage: str) -> Iterator[None]:
        """Say that a stage of a cell starts, and, in a terminal, show the time that it takes while the block runs."""
        self._begin(cell)
        text = f"{self._head(cell)}: {stage} ..."
        if not self._console.is_terminal:
            self._say(text)
            yield
            return
        if stage == "fit":
            self._say(text)
        columns = (
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}"),
            rich.progress.TimeElapsedColumn(),
        )
        with rich.progress.Progress(*columns, console=self._console, transient=True) as clock:
            clock.add_task(escape(f"{stage} {cell.label}"), total=None)
            yield

    def skipped(self, outcome: Outcome) -> None:
        """Say that a cell was done before."""
        self._begin(outcome.cell)
        self._say(f"{self._head(outcome.cell)}: already done, {_top1(outcome)}")

    def ended(self, outcome: Outcome, *, seconds: float, folder: Path) -> None:
        """Say how a cell ended."""
        head = self._head(outcome.cell)
        if outcome.failure is None:
            self._say(f"{head}: done in {seconds:.0f} s, {_top1(outcome)}")
            return
        failure = outcome.failure
        self._say(
            f"{head}: failed in {failure.stage} after {seconds:.0f} s: {failure.reason} (see {folder / 'log.txt'})"
        )

    def interrupted(self) -> None:
        """Say that the study was stopped."""
        where = "" if self._begun is None else f" at {self._head(self._begun)}"
        self._say(f"stopped{where}; run the same command again to go on")

    def _begin(self, cell: Cell) -> None:
        if cell != self._begun:
            self._begun = cell
            self._num_begun += 1

    def _head(self, cell: Cell) -> str:
        return f"[{self._num_begun}/{self._num_cells}] {cell.label}"

    def _say(self, line: str) -> None:
        # As it is, whatever brackets an error message has, and whole: a log is searched by line.
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()


def _top1(outcome: Outcome) -> str:
    return "no top-1" if outcome.result is None else f"top-1 {outcome.result.top1:.1f}"
