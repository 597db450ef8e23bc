"""The study in the terminal: its plan before, its table after."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from videogn.ablation.cells import CellPlan
from videogn.ablation.numbers import deviation_text, number_text
from videogn.ablation.outcome import Outcome
from videogn.ablation.study import Study
from videogn.ablation.summary import coverage_text, points_of, protocol_text, status_of, warnings_of

# Where nobody looks at it through a window, rich would cut at 80 columns.
_FILE_WIDTH = 140


def print_plan(plans: Sequence[CellPlan]) -> None:
    """Print each cell and the two commands that make it, ready to be pasted into a shell."""
    console = _console()
    for number, plan in enumerate(plans, start=1):
        _print_line(console, f"[{number}/{len(plans)}] {plan.cell.label}", style="bold")
        for words in (plan.fit, plan.score):
            _print_line(console, f"  {shlex.join(words)}")


def print_summary(study: Study, outcomes: Sequence[Outcome], *, paths: Mapping[str, Path]) -> None:
    """Print the table of norms and normalisation batches, what to beware of, and where the report is.

    Args:
        study: What was asked.
        outcomes: What became of each cell.
        paths: The report's files, as write_report returns them.
    """
    console = _console()
    for warning in warnings_of(outcomes):
        _print_line(console, f"WARNING: {warning}", style="bold red")
    console.print(_accuracy_table(study, outcomes))
    for outcome in outcomes:
        if outcome.failure is not None:
            _print_line(console, f"{outcome.cell.name}: failed: {outcome.failure.reason}", style="red")
    _print_line(console, status_of(outcomes))
    for name in ("markdown", "picture", "csv"):
        if name in paths:
            _print_line(console, f"{name}: {paths[name]}")


def _accuracy_table(study: Study, outcomes: Sequence[Outcome]) -> Table:
    table = Table(title=f"{study.base}, total batch {study.total_batch_size}")
    table.add_column("norm")
    for heading in ("normalisation batch", "top-1 %", "error %", "std", "seeds", "top-5 %", "videos scored / expected"):
        table.add_column(heading, justify="right")
    table.add_column("protocol")
    norm = None
    for point in points_of(study, outcomes):
        if norm not in (None, point.norm):
            table.add_section()
        norm = point.norm
        row = (
            point.norm + (" (same run)" if point.is_shared else ""),
            str(point.norm_batch_size),
            "mixed" if point.is_mixed else number_text(point.top1),
            number_text(None if point.top1 is None else 100 - point.top1),
            deviation_text(point.top1_deviation),
            f"{len(point.results)} of {len(point.outcomes)}",
            number_text(point.top5),
            coverage_text(point.results),
            protocol_text(point.results),
        )
        table.add_row(*map(Text, row))  # Text: brackets in a name are no markup
    return table


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def _print_line(console: Console, line: str, *, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
