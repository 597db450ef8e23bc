"""The study's answer in the terminal."""

from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from videogn.ablation.report.document import Table
from videogn.ablation.report.material import gather
from videogn.ablation.report.points import status_of
from videogn.ablation.report.question import title_of
from videogn.ablation.report.tables import accuracy_table

# Where nobody looks at it through a window, rich would cut at 80 columns.
_FILE_WIDTH = 160


def print_summary(out: Path, *, paths: Mapping[str, Path]) -> None:
    """Print the table, the findings, what to beware of, and where the report is.

    Args:
        out: The study's folder.
        paths: The report's files, as write_report returns them.
    """
    material = gather(out)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    _print_line(console, title_of(material.study), style="bold")
    console.print(_rich_table(accuracy_table(material)))
    for sentence in material.findings.sentences:
        _print_line(console, f"• {sentence}", style="bold")
    for note in material.findings.notes:
        _print_line(console, note, style="dim")
    if material.paper_note is not None:
        _print_line(console, material.paper_note, style="dim")
    for outcome in material.outcomes:
        if outcome.failure is not None and outcome.cell.same_as is None:
            failure = outcome.failure
            text = f"{outcome.cell.name}: failed, {failure.kind} in {failure.stage}: {failure.reason}"
            _print_line(console, text, style="red")
    for warning in (*material.mixture, *material.warnings):
        _print_line(console, f"WARNING: {warning}", style="bold red")
    _print_line(console, status_of(material.outcomes) + ("." if material.is_complete else ": a PARTIAL report."))
    for name in ("html", "markdown", "error", "curves", "csv", "json"):
        if name in paths:
            _print_line(console, f"{name}: {paths[name]}")


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        shown.add_column(Text(column.head), justify=column.align)
    for place, row in enumerate(table.rows):
        if place in table.breaks:
            shown.add_section()
        shown.add_row(*map(Text, row))  # Text: brackets in a name are no markup
    return shown


def _print_line(console: Console, line: str, *, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
