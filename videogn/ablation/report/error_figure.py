"""The answer as a picture: error against normalisation batch, large batches left as in the paper's Figure 1.

A study without normalisation batches has a row of each point instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.report.error_marks import (
    Bars,
    Mark,
    bar_of,
    bars_of,
    bars_text,
    caption_of,
    draw_paper,
    draw_seeds,
    limits_of,
    mark_of,
    paper_lines,
    plain,
    size_of,
    style_of,
)
from videogn.ablation.report.gather import Gathered
from videogn.ablation.report.points import status_of
from videogn.ablation.report.text import point_words, protocol_text, range_text
from videogn.drawing import INK, TEXT, Drawing, files_of, new_figure, set_title, spread, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Neighbouring lines stand so far apart, as a factor of the normalisation batch.
_DODGE = 1.05
# How strong the answer at the same settings is, where the one at each point's best stands before it.
_LIGHT = 0.38


def draw_error(gathered: Gathered) -> Drawing | None:
    """Return error over the study's points, or None where no point has a mean.

    Where points were tuned, each at its best is drawn in full, and beside it, lighter, all at the same settings.
    """
    best = [point for point in gathered.best.points if point.top1 is not None] if gathered.best else []
    bars = bars_of([*gathered.points, *best])
    marks = [mark_of(gathered, point, bars=bars) for point in gathered.points if point.top1 is not None]
    if not marks and not best:
        return None
    light: list[Mark] = []
    if best:
        marks, light = [replace(mark_of(gathered, point, bars=bars), paper=None) for point in best], marks
    sizes = {mark.point.labels.get(NORM_BATCH_SIZE, "") for mark in (*marks, *light)}
    has_sizes = len(sizes) > 1 and all(size.isdigit() for size in sizes)
    return (_draw_lines if has_sizes else _draw_rows)(gathered, marks, bars, light)


def title_lines(gathered: Gathered, *, head: str, marks: str | None) -> list[str]:
    """Return a figure's title: what it shows, what its bars or bands are, and how much of it there is."""
    lines = [head] if marks is None else [head, marks]
    if not gathered.is_complete:
        lines.append(f"PARTIAL: {status_of(gathered.outcomes)}")
    if gathered.mixture:
        lines.append("BEWARE: results of different data, starts, protocols or code, see the report")
    return lines


def _what(gathered: Gathered) -> str:
    results = [result for point in gathered.points for result in point.results.values()]
    videos = range_text(result.num_videos_scored for result in results)
    return f"protocol {protocol_text(results)}, {videos} test videos"


def _draw_lines(gathered: Gathered, marks: Sequence[Mark], bars: Bars, light: Sequence[Mark]) -> Drawing:
    figure = new_figure(6.3, 4.1)
    axes = figure.add_subplot()
    style_axes(axes, grid="y")
    lines, lighter = _lines_of(marks), _lines_of(light)
    places = {name: place for place, name in enumerate(dict.fromkeys([*lighter, *lines]))}
    for strength, drawn in ((_LIGHT, lighter), (1.0, lines)):
        for name, line in drawn.items():
            colour, marker = style_of(line[0].point.labels, place=places[name])
            # Side by side, so that none hides another.
            shift = _DODGE ** ((len(places) - 1) / 2 - places[name])
            _draw_line(axes, line, colour=colour, marker=marker, shift=shift, strength=strength)
    limits = limits_of([*marks, *light])
    axes.set_ylim(*limits)
    # A line of which no point is at its best yet is named, too.
    _name_lines(axes, {name: lines.get(name) or lighter[name] for name in places}, places=places, limits=limits)
    if len(lines) <= 2:
        _write_values(axes, marks)
    sizes = sorted({size_of(mark) for mark in (*marks, *light)}, reverse=True)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] * 1.25, sizes[-1] / 1.25)
    axes.set_xlabel("normalisation batch: clips that share batch statistics")
    axes.set_ylabel("error, 100 − top-1 (%)")
    head = f"Error against normalisation batch, {_what(gathered)}"
    shown = [*title_lines(gathered, head=head, marks=bars_text(marks, bars)), *_answer_lines(light)]
    set_title(figure, [*shown, *paper_lines([*marks, *light])])
    parts = [f"{name}: " + ", ".join(f"{m.error:.1f} at {size_of(m)}" for m in line) for name, line in lines.items()]
    caption = " ".join([caption_of([*marks, *light], bars, has_lines=True), *(f"{x}." for x in _answer_lines(light))])
    description = f"Error in percent against normalisation batch. {'; '.join(parts)}."
    return files_of(figure, description=description, caption=caption)


def _lines_of(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """Return the marks of each line by its name, from the largest normalisation batch down."""
    lines: dict[str, list[Mark]] = {}
    for mark in marks:
        others = {axis: label for axis, label in mark.point.labels.items() if axis != NORM_BATCH_SIZE}
        lines.setdefault(point_words(others), []).append(mark)
    return {name: sorted(line, key=size_of, reverse=True) for name, line in lines.items()}


def _answer_lines(light: Sequence[Mark]) -> list[str]:
    """Return a line of the title that tells the two answers apart, where there are two."""
    return ["Full: each at its best by its own search; light: all at the same settings"] if light else []


def _draw_line(
    axes: "Axes", line: Sequence[Mark], *, colour: str, marker: str, shift: float, strength: float = 1.0
) -> None:
    sizes = [size_of(mark) * shift for mark in line]
    bars = [bar_of(mark) or ([0.0], [0.0]) for mark in line]
    axes.errorbar(
        sizes,
        [mark.error for mark in line],
        yerr=[[low for (low,), _ in bars], [high for _, (high,) in bars]]
        if any(m.low < m.high for m in line)
        else None,
        color=colour,
        marker=marker,
        markersize=6.5 if strength == 1 else 4.5,
        linewidth=2 if strength == 1 else 1.4,
        elinewidth=1.3,
        alpha=None if strength == 1 else strength,
        linestyle=(0, (4, 2.5)) if _is_one_run(line) else "-",
        capsize=3.5,
        zorder=3,
    )
    for mark, size in zip(line, sizes, strict=True):
        if strength == 1:
            draw_seeds(axes, [size] * len(mark.seeds), mark.seeds, colour=colour)
        if mark.paper is not None:
            draw_paper(axes, size, 100 - mark.paper.top1, colour=colour, marker=marker)


def _draw_rows(gathered: Gathered, marks: Sequence[Mark], bars: Bars, light: Sequence[Mark]) -> Drawing:
    order = {point.levels: place for place, point in enumerate(gathered.points)}
    drawn = {mark.point.levels: mark.point.labels for mark in (*marks, *light)}
    places = {levels: row for row, levels in enumerate(sorted(drawn, key=order.__getitem__))}
    figure = new_figure(6.3, 1.35 + 0.34 * len(places))
    axes = figure.add_subplot()
    style_axes(axes, grid="x")
    for mark in marks:
        row = places[mark.point.levels]
        colour, marker = style_of(mark.point.labels, place=0)
        axes.errorbar(
            [mark.error],
            [row],
            xerr=bar_of(mark),
            color=colour,
            marker=marker,
            markersize=6.5,
            elinewidth=1.5,
            capsize=3.5,
            zorder=3,
        )
        draw_seeds(axes, mark.seeds, [row + 0.24] * len(mark.seeds), colour=colour)
        if mark.paper is not None:
            draw_paper(axes, 100 - mark.paper.top1, row, colour=colour, marker=marker)
        axes.annotate(
            f"{mark.error:.1f}",
            (mark.error, row),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=INK,
            fontsize=TEXT - 1.5,
        )
    for mark in light:
        colour, marker = style_of(mark.point.labels, place=0)
        axes.errorbar(
            [mark.error],
            [places[mark.point.levels] + 0.12],
            xerr=bar_of(mark),
            color=colour,
            marker=marker,
            markersize=5,
            elinewidth=1.1,
            capsize=2.5,
            alpha=_LIGHT,
            zorder=2.5,
        )
    low, high = limits_of([*marks, *light])
    axes.set_xlim(low, high)
    axes.set_ylim(len(places) - 0.5, -0.8)
    axes.set_yticks(range(len(places)), labels=[plain(point_words(drawn[levels])) for levels in places])
    axes.set_xlabel("error, 100 − top-1 (%)")
    lines = title_lines(gathered, head=f"Error, {_what(gathered)}", marks=bars_text(marks, bars))
    set_title(figure, [*lines, *_answer_lines(light), *paper_lines(marks)])
    parts = "; ".join(f"{point_words(mark.point.labels)} {mark.error:.1f}" for mark in marks)
    return files_of(
        figure,
        description=f"Error in percent: {parts}.",
        caption=" ".join([caption_of(marks, bars, has_lines=False), *(f"{x}." for x in _answer_lines(light))]),
    )


def _name_lines(
    axes: "Axes", lines: Mapping[str, Sequence[Mark]], *, places: Mapping[str, int], limits: tuple[float, float]
) -> None:
    """Write each line's name at its right end."""
    ends = [line[-1] for line in lines.values()]
    least = (limits[1] - limits[0]) * 0.055
    heights = spread([end.error for end in ends], least=least)
    for (name, line), height in zip(lines.items(), heights, strict=True):
        axes.annotate(
            plain(name) + (", one run" if _is_one_run(line) else ""),
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            color=style_of(line[0].point.labels, place=places[name])[0],
            fontsize=TEXT,
            fontweight="bold",
            annotation_clip=False,
        )


def _is_one_run(line: Sequence[Mark]) -> bool:
    return len(line) > 1 and all(mark.point.same_as is not None for mark in line[1:])


def _write_values(axes: "Axes", marks: Sequence[Mark]) -> None:
    """Write the values of one or two lines beside their markers, the higher above; with more, they would overlap."""
    for mark in marks:
        rivals = [other for other in marks if size_of(other) == size_of(mark) and other is not mark]
        is_lower = any(mark.error < other.error for other in rivals)
        axes.annotate(
            f"{mark.error:.1f}",
            (size_of(mark), mark.error),
            xytext=(-7, -7 if is_lower else 7),
            textcoords="offset points",
            ha="right",
            va="top" if is_lower else "bottom",
            color=INK,
            fontsize=TEXT - 1,
        )
