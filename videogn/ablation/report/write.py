"""The report's files, and the study's answer in the terminal."""

from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from videogn.ablation.report.comparisons import comparisons_csv
from videogn.ablation.report.cost_figure import draw_cost
from videogn.ablation.report.curves_figure import draw_curves
from videogn.ablation.report.document import again_text, document_of
from videogn.ablation.report.error_figure import draw_error
from videogn.ablation.report.gather import Gathered, answers_of, gather
from videogn.ablation.report.points import cost_text, status_of
from videogn.ablation.report.question import title_of
from videogn.ablation.report.records import report_csv, report_json
from videogn.ablation.report.search_figure import draw_search
from videogn.ablation.report.tables import accuracy_table
from videogn.ablation.report.tuned import search_facts, wider_search
from videogn.files import write_all
from videogn.page import Table, page_of

# In a file or a pipe rich would cut at 80 columns.
_FILE_WIDTH = 160


class MixedResults(ValueError):
    """Results that must not stand in one table: of different data, starts, protocols or code."""


def write_report(out: Path, *, mixed: bool = False) -> dict[str, Path]:
    """Write the report of a study's folder; see `write_files`.

    Raises:
        ValueError: The folder holds no study; or as write_files.
    """
    return write_files(gather(out), mixed=mixed)


def write_files(gathered: Gathered, *, mixed: bool = False) -> dict[str, Path]:
    """Write the report of a study, whole or partial: report.md, .html, .csv, .json, comparisons.csv, figures.

    Args:
        mixed: Report results that are not comparable, too: with loud warnings, and no mean over them.

    Returns:
        The files written: "html", "markdown", "csv", "comparisons", "json", "error", "search", "curves" and "cost"
        (PNG), and these as "error_svg" and so on; no figure where there is nothing to draw.

    Raises:
        MixedResults: There are such results and `mixed` is not set; nothing was written.
    """
    out = gathered.out
    if gathered.mixture and not mixed:
        is_old = (out / "report.md").exists()
        raise MixedResults(
            f"{out}: results that must not stand in one table. {' '.join(gathered.mixture)} Delete the folders of "
            "those cells to run them again, use another --out, or report them as they are with --mixed"
            + (f". {out / 'report.md'} and the files beside it are of results from before" if is_old else "")
        )
    drawings = {
        "error": draw_error(gathered),
        "search": draw_search(gathered),
        "curves": draw_curves(gathered),
        "cost": draw_cost(gathered),
    }
    markdown = document_of(gathered, **drawings)
    pictures = {f"{name}.png": drawing.svg for name, drawing in drawings.items() if drawing}
    files: dict[str, tuple[str, bytes | None]] = {
        "csv": ("report.csv", report_csv(gathered).encode()),
        "comparisons": ("comparisons.csv", comparisons_csv(gathered).encode()),
        "json": ("report.json", report_json(gathered).encode()),
        "markdown": ("report.md", markdown.encode()),
        "html": ("report.html", page_of(markdown, title=title_of(gathered.study), pictures=pictures).encode()),
    }
    for name, drawing in drawings.items():
        files[name] = (f"{name}.png", drawing.png if drawing else None)
        files[f"{name}_svg"] = (f"{name}.svg", drawing.svg if drawing else None)
    written = write_all(dict(files.values()), folder=out)
    return {key: written[name] for key, (name, _) in files.items() if name in written}


def print_summary(gathered: Gathered, *, paths: Mapping[str, Path]) -> None:
    """Print the table, the findings, what to beware of, and where the report is."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    _print_line(console, title_of(gathered.study), style="bold")
    console.print(_rich_table(accuracy_table(gathered)))
    _print_line(console, f"Cost: {cost_text(gathered.every_outcome)}.")
    for head, answer in answers_of(gathered):
        if gathered.best is not None:
            _print_line(console, f"{head}:")
        if answer.findings.sure is not None:
            _print_line(console, answer.findings.sure)
        for sentence in answer.findings.sentences:
            _print_line(console, f"• {sentence}", style="bold")
        for note in answer.findings.notes:
            _print_line(console, note, style="dim")
    if gathered.paper_note is not None:
        _print_line(console, gathered.paper_note, style="dim")
    if gathered.best is not None:
        for term, words in search_facts(gathered.study, gathered.searches, gathered.outcomes):
            _print_line(console, f"search, {term}: {words}", style="dim")
        if wider := wider_search(gathered.study, gathered.searches):
            _print_line(console, f"search, to widen it: {again_text(gathered, *wider)}", style="dim")
    for outcome in gathered.every_outcome:
        if outcome.failure is not None and outcome.cell.same_as is None:
            failure = outcome.failure
            text = f"{outcome.cell.name}: failed, {failure.kind} in {failure.stage}: {failure.reason}"
            _print_line(console, text, style="red")
    for warning in (*gathered.mixture, *gathered.warnings):
        _print_line(console, f"WARNING: {warning}", style="bold red")
    _print_line(console, status_of(gathered.outcomes) + ("." if gathered.is_complete else ": a PARTIAL report."))
    for name in ("html", "markdown", "error", "search", "curves", "cost", "csv", "comparisons", "json"):
        if name in paths:
            _print_line(console, f"{name}: {paths[name]}")


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        shown.add_column(Text(column.head), justify="left" if column.is_text or column.is_name else "right")
    for place, row in enumerate(table.rows):
        if table.columns[1].is_name and place and row[0] != table.rows[place - 1][0]:
            shown.add_section()
        shown.add_row(*map(Text, row))  # Text: brackets in a name are no markup
    return shown


def _print_line(console: Console, line: str, *, style: str | None = None) -> None:
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
