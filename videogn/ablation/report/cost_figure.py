"""Accuracy against what it cost: device time and memory of a training, with the frontier."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from videogn.ablation.report.error_figure import title_lines
from videogn.ablation.report.error_marks import bar_of, bars_of, bars_text, draw_seeds, mark_of, plain
from videogn.ablation.report.frontier import MEMORY, TIME, Cost, Panel, frontier_text, panels_of
from videogn.ablation.report.gather import Gathered
from videogn.ablation.report.points import Point
from videogn.ablation.report.text import norm_axis, point_words
from videogn.drawing import (
    INK,
    MARKERS,
    MUTED,
    TEXT,
    Drawing,
    category,
    files_of,
    new_figure,
    set_title,
    style_axes,
)
from videogn.norms import NORMS
from videogn.wording import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Names in a legend of three columns are shorter than this.
_SHORT = 20
# The units of an axis: the largest that is no larger than its largest value is taken.
_UNITS: Mapping[Cost, Mapping[str, float]] = {
    TIME: {"s": 1, "min": 60, "h": 3600},
    MEMORY: {"MiB": 2**20, "GiB": 2**30},
}


def draw_cost(gathered: Gathered) -> Drawing | None:
    """Return top-1 against cost, a panel for each one by which settings differ; None where there is none."""
    panels = panels_of(gathered.points)
    if not panels:
        return None
    levels = {each.point.levels for each in panels[0].priced}
    drawn = [point for point in gathered.points if point.levels in levels]
    styles = _styles(drawn)
    num_columns = 3 if max(len(point_words(point.labels)) for point in drawn) < _SHORT else 2
    figure = new_figure(6.3, 3.3 + 0.19 * -(-len(drawn) // num_columns))
    bars = bars_of(gathered.points)
    marks = {point.levels: mark_of(gathered, point, bars=bars) for point in drawn}
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False).flat, panels, strict=True):
        style_axes(axes, grid="both")
        unit, size = _unit(panel)
        for each in panel.priced:
            colour, marker = styles[each.point.levels]
            low_high = bar_of(marks[each.point.levels])
            axes.errorbar(
                [each.cost / size],
                [each.top1],
                yerr=None if low_high is None else low_high[::-1],  # of errors, which go the other way
                color=colour,
                marker=marker,
                markersize=7,
                linestyle="none",
                elinewidth=1.2,
                capsize=3,
                zorder=3,
            )
            seeds = [
                (cost / size, result.top1) for result in each.point.results.values() if (cost := panel.cost.of(result))
            ]
            if len(seeds) > 1:
                draw_seeds(axes, *zip(*seeds, strict=True), colour=colour)
        _draw_frontier(axes, [(each.cost / size, each.top1) for each in panel.frontier])
        axes.set_xlim(0, 1.08 * panel.priced[-1].cost / size)
        devices = "device " if panel.cost is TIME else ""
        axes.set_xlabel(f"{panel.cost.name} ({devices}{unit})")
        axes.label_outer()
    figure.axes[0].set_ylabel("top-1 (%)")
    _add_legend(figure, drawn, styles, num_columns=num_columns)
    same = "" if gathered.best is None else ", at the same settings"
    head = f"Accuracy against cost{same}; line: the frontier"
    set_title(figure, title_lines(gathered, head=head, marks=bars_text(list(marks.values()), bars)))
    description = "Top-1 in percent against cost. " + " ".join(map(frontier_text, panels))
    return files_of(figure, description=description, caption=_caption(panels))


def _styles(points: Sequence[Point]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return colour and marker of each point: its norm's colour, and a marker for its other levels."""
    norm = norm_axis(points[0].labels)
    others = list(dict.fromkeys(_others(point, norm) for point in points))
    styles = {}
    for place, point in enumerate(points):
        colour, marker = category("" if norm is None else point.labels[norm], place=place)
        if norm is not None and len(others) > 1:
            marker = MARKERS[others.index(_others(point, norm)) % len(MARKERS)]
        styles[point.levels] = colour, marker
    return styles


def _others(point: Point, norm: str | None) -> tuple[str, ...]:
    return tuple(label for axis, label in point.labels.items() if axis != norm)


def _unit(panel: Panel) -> tuple[str, float]:
    largest = panel.priced[-1].cost
    units = {unit: size for unit, size in _UNITS[panel.cost].items() if size <= largest}
    return max((units or _UNITS[panel.cost]).items(), key=lambda item: item[1])


def _draw_frontier(axes: "Axes", corners: Sequence[tuple[float, float]]) -> None:
    """Draw what is reached at each cost, to the end of the axis."""
    costs, top1 = zip(*corners, strict=True)
    axes.step([*costs, 1e9], [*top1, top1[-1]], where="post", color=MUTED, linewidth=1.4, zorder=2)


def _add_legend(
    figure: "Figure", points: Sequence[Point], styles: Mapping[tuple[str, ...], tuple[str, str]], *, num_columns: int
) -> None:
    from matplotlib.lines import Line2D

    looks = [styles[point.levels] for point in points]
    figure.legend(
        [Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6) for colour, marker in looks],
        [plain(point_words(point.labels)) for point in points],
        loc="outside lower left",
        ncols=num_columns,
        frameon=False,
        fontsize=TEXT - 1,
        labelcolor=INK,
        columnspacing=1.3,
    )


def _caption(panels: Sequence[Panel]) -> str:
    noise = listed([f"{100 * (panel.noise - 1):.0f} % ({panel.cost.name})" for panel in panels])
    parts = [
        "Line: the most accurate setting, by its mean, at each cost or below.",
        f"Costs up to {noise} apart count as the same.",
    ]
    costs = [panel.cost for panel in panels]
    if TIME in costs:
        parts.append(
            "Training time: of one training with its validations, times devices; what else the machine did is in it."
        )
    if MEMORY in costs:
        parts.append(
            "Memory: as the framework's allocator counts it on a GPU, of the process on a CPU, with its libraries."
        )
        cells = [each.point.outcomes[0].cell for panel in panels for each in panel.priced]
        if any(not NORMS[cell.norm].shares_statistics and cell.batches.device > 1 for cell in cells):
            parts.append(
                "A norm without batch statistics trains the same in smaller forwards (data.batch_size), in less memory."
            )
    return " ".join(parts)
