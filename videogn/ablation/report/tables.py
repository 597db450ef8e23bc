"""The report's tables: a column of the report is a line here."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from videogn.ablation.cells import Cell
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.estimates import ALPHA
from videogn.ablation.report.gather import Answer, Gathered
from videogn.ablation.report.paper import other_total
from videogn.ablation.report.points import Point
from videogn.ablation.report.question import starts_text
from videogn.ablation.report.text import (
    axis_words,
    coverage_text,
    level_words,
    paired_text,
    point_words,
    protocol_text,
    range_text,
)
from videogn.ablation.report.tuned import chosen_text
from videogn.intervals import interval_text
from videogn.page import Column, Table
from videogn.training.result import Result
from videogn.training.schedule import REFERENCE_BATCH_SIZE, scaled_lr
from videogn.wording import duration_text, megabytes_text, number_text, percent_text


def accuracy_table(gathered: Gathered) -> Table:
    """Return the main table: every point with its accuracy, and what that is of."""
    columns: list[tuple[Column, Callable[[Point], str]]] = [
        (Column("top-1 %"), _top1_text),
        (Column("these videos"), lambda point: interval_text(point.top1.seeds if point.top1 else None)),
        (Column("videos like them"), lambda point: interval_text(point.top1.videos if point.top1 else None)),
        (Column("sd"), lambda point: number_text(point.top1.deviation if point.top1 else None)),
        (Column("to baseline"), lambda point: _difference_text(gathered, point)),
        *_best_columns(gathered),
        (Column("top-5 %"), lambda point: number_text(point.top5.mean if point.top5 else None)),
        (Column("seeds"), _seeds_text),
        (Column("videos"), lambda point: coverage_text(point.results.values())),
        (Column("protocol", is_text=True), lambda point: protocol_text(point.results.values())),
    ]
    if gathered.paper:
        columns.append((Column("paper %", is_text=True), lambda point: _paper_text(gathered, point)))
    if any(point.same_as for point in gathered.points):
        columns.append((Column("same runs as", is_text=True), _same_text))
    has_more = any(point.top1 is not None and point.top1.videos is not None for point in gathered.points)
    if not has_more:
        columns = [column for column in columns if column[0].head != "videos like them"]
    caption = (
        f"Mean over seeds; its {percent_text(ALPHA)} interval with other seeds on these videos"
        f"{', and with other seeds on videos like them' if has_more else ''}; sd: sample standard deviation over seeds;"
        f" to baseline: top-1 less that of {point_words(gathered.study.baseline)}, paired by seed, in points, ± for"
        f" these videos, * a finding{' (** on videos like them, too)' if has_more else ''}; videos: scored / expected."
    )
    if gathered.best is not None:
        caption += (
            " Best: with the values that each setting's own search chose; all other columns are at the same settings."
        )
    starts = starts_text(gathered.points)
    if starts is not None:
        caption += f" Starts: {starts}."
    return _point_table(gathered.points, columns, caption=caption)


def _best_columns(gathered: Gathered) -> list[tuple[Column, Callable[[Point], str]]]:
    """Return the columns of each point at its best; none where nothing is tuned."""
    best = gathered.best
    if best is None:
        return []
    points = {point.levels: point for point in best.points}
    chosen = {tuple(search.labels.values()): chosen_text(search) for search in gathered.searches}
    columns: list[tuple[Column, Callable[[Point], str]]] = [
        (Column("best: top-1 %"), lambda point: _top1_text(points[point.levels])),
        (Column("best: to baseline"), lambda point: _difference_text(best, points[point.levels])),
        (Column("chosen", is_text=True), lambda point: chosen[point.levels]),
    ]
    if any(_seeds_text(points[point.levels]) != _seeds_text(point) for point in gathered.points):
        columns.append((Column("best: seeds"), lambda point: _seeds_text(points[point.levels])))
    return columns


def cost_table(gathered: Gathered) -> Table:
    """Return what every point cost."""

    def of(name: str, text: Callable[[Any], str]) -> Callable[[Point], str]:
        return lambda point: range_text((getattr(r, name) for r in point.results.values()), text=text)

    columns: list[tuple[Column, Callable[[Point], str]]] = [
        (Column("clips a second"), lambda point: _speed_text(gathered, point)),
        (Column("training"), lambda point: duration_text(_median(point, lambda result: result.train_seconds))),
        (Column("test"), lambda point: duration_text(_median(point, lambda result: result.test_seconds))),
        (Column("peak MiB"), of("peak_memory_bytes", megabytes_text)),
        (Column("updates"), of("steps", str)),
        (Column("epochs"), of("epochs", str)),
        (Column("device batch"), lambda point: str(point.outcomes[0].cell.batches.device)),
        (Column("total batch"), lambda point: str(point.outcomes[0].cell.batches.total)),
    ]
    has_rates = any(peak_lr(point.outcomes[0].cell) is not None for point in gathered.points)
    if has_rates:
        columns.append((Column("peak lr"), lambda point: _rate_text(peak_lr(point.outcomes[0].cell))))
    caption = (
        "Medians over seeds, as the runs were: whatever else the machine did then is in them. Memory as the "
        "framework's allocator counts it on a GPU, of the process on a CPU."
    )
    if has_rates:
        caption += f" Peak lr: base_lr × total batch / {REFERENCE_BATCH_SIZE}."
    return _point_table(gathered.points, columns, caption=caption)


def peak_lr(cell: Cell) -> float | None:
    """Return the largest learning rate of a cell's run; None where its settings do not say base_lr."""
    try:
        base_lr = float(cell.effective["model.base_lr"])  # YAML reads 1e-3 as text
    except (KeyError, TypeError, ValueError):
        return None
    return scaled_lr(base_lr, cell.batches.total)


def cell_table(gathered: Gathered) -> Table:
    """Return every cell and what became of it."""
    columns = (
        Column("cell", is_name=True),
        Column("state", is_text=True),
        Column("top-1 %"),
        Column("top-5 %"),
        Column("videos"),
        Column("updates"),
        Column("why", is_text=True),
    )
    return Table(columns, tuple(_cell_row(outcome) for outcome in gathered.outcomes))


def _point_table(
    points: Sequence[Point], columns: Sequence[tuple[Column, Callable[[Point], str]]], *, caption: str
) -> Table:
    axes = list(points[0].labels)
    names = [Column(axis_words(axis), is_name=True) for axis in axes]
    rows = [
        (*(level_words(axis, point.labels[axis]) for axis in axes), *(entry(point) for _, entry in columns))
        for point in points
    ]
    return Table((*names, *(column for column, _ in columns)), tuple(rows), caption)


def _seeds_text(point: Point) -> str:
    return f"{len(point.results)} of {len(point.outcomes)}"


def _top1_text(point: Point) -> str:
    return "not averaged: mixed" if point.is_mixed else number_text(point.top1.mean if point.top1 else None)


def _difference_text(answer: Answer, point: Point) -> str:
    if point is answer.baseline:
        return "baseline"
    contrast = answer.to_baseline[point.levels]
    if contrast.verdict == "same computation":
        return "same runs"
    if contrast.verdict == "other videos":
        return "not compared: other videos"
    text = paired_text(contrast.difference, num_seeds=len(point.outcomes))
    runs = {contrast.points[0].runs, contrast.points[1].runs}
    for one in answer.contrasts:
        if len(one.points) == 2 and {each.runs for each in one.points} == runs and one.shows("apart", "these"):
            return f"{text} {'**' if one.shows('apart', 'like them') else '*'}"
    return text


def _paper_text(gathered: Gathered, point: Point) -> str:
    row = gathered.paper.get(point.levels)
    if row is None:
        return "-"
    top5 = "" if row.top5 is None else f" / {row.top5:.1f}"
    total = other_total(row, point.outcomes[0].cell)
    return f"{row.top1:.1f}{top5} ({row.dataset}{'' if total is None else f', total batch {total}'})"


def _same_text(point: Point) -> str:
    return "" if point.same_as is None else point_words(point.same_as, is_short=True)


def _speed_text(gathered: Gathered, point: Point) -> str:
    speeds = [curves.clips_per_second for o in point.outcomes if (curves := gathered.curves_of(o)) is not None]
    known = [speed for speed in speeds if speed is not None]
    return number_text(statistics.median(known), digits=1) if known else "-"


def _rate_text(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:g}"


def _median(point: Point, of: Callable[[Result], float | None]) -> float | None:
    known = [value for value in map(of, point.results.values()) if value is not None]
    return statistics.median(known) if known else None


def _cell_row(outcome: Outcome) -> tuple[str, ...]:
    result, failure = outcome.result, outcome.failure
    state = {"stopped": "begun, not done", "waiting": "not run"}.get(outcome.state, outcome.state)
    if outcome.cell.same_as is not None:
        state += f" (run as {outcome.cell.same_as})"
    why = "" if failure is None else f"{failure.kind} in {failure.stage}: {failure.reason}"
    if result is None:
        return (outcome.cell.name, state, "-", "-", "-", "-", why)
    figures = (number_text(result.top1), number_text(result.top5), coverage_text([result]))
    return (outcome.cell.name, state, *figures, number_text(result.steps, digits=0), why)
