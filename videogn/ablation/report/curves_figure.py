"""Training and validation error by epoch, as in the paper's Figures 5 and 7."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.report.curves import Curves
from videogn.ablation.report.error_figure import title_lines
from videogn.ablation.report.gather import Gathered
from videogn.ablation.report.points import Point
from videogn.ablation.report.text import axis_words, level_words, norm_axis, point_words
from videogn.drawing import (
    INK,
    MUTED,
    TEXT,
    Drawing,
    files_of,
    new_figure,
    ordered_colours,
    set_title,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More lines than this in a panel can't be told apart by their colours.
_MAX_LINES = 5


def draw_curves(gathered: Gathered) -> Drawing | None:
    """Return the curves of the points that are done, a panel per norm, or None where no run left any."""
    drawn = [(point, _curves_of(gathered, point)) for point in gathered.points if not point.is_mixed]
    drawn = [(point, curves) for point, curves in drawn if any(c.train or c.validation for c in curves)]
    if not drawn:
        return None
    hue = _hue(gathered)
    panels: dict[str, list[tuple[Point, list[Curves]]]] = {}
    for point, curves in drawn:
        others = {axis: label for axis, label in point.labels.items() if axis != hue}
        panels.setdefault(point_words(others) if others else "", []).append((point, curves))
    colours = {} if hue is None else _colours(gathered, hue)
    coloured: set[str] = set()  # levels of which there is a line in their colour
    num_columns = min(2 if len(panels) <= 4 else 3, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure(6.3, 1.0 + (2.4 if num_columns < 3 else 1.6) * num_rows)
    grid = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        name = list(panels)[place]
        coloured |= _draw_panel(axes, panels[name], hue=hue, colours=colours)
        axes.set_title(name.replace("$", r"\$"), fontsize=TEXT, color=INK, loc="left", fontweight="bold")
        axes.label_outer()
        if place + num_columns >= len(panels):
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
        if place % num_columns == 0:
            axes.set_ylabel("error (%)")
    _set_ticks(grid.flat[0], drawn)
    _add_legend(figure, hue, {label: colour for label, colour in colours.items() if label in coloured})
    has_seeds = any(len(curves) > 1 for _, curves in drawn)
    bands = "Lines: means over seeds, bands: lowest to highest seed" if has_seeds else "One seed: no bands"
    head = "Error while training" + ("" if gathered.best is None else ", at the same settings")
    set_title(figure, title_lines(gathered, head=head, marks=bands))
    caption = (
        "Solid: validation, one centre view. Thin and dashed: training, over its augmented clips and while the network "
        "changed." + (" Lines are means over seeds, bands from the lowest to the highest seed." if has_seeds else "")
    )
    return files_of(figure, description=_description(drawn), caption=caption)


def over_seeds(curves: Sequence[Mapping[int, float]]) -> list[tuple[int, float, float, float]]:
    """Return (epoch, mean, lowest, highest) at the epochs that every curve has."""
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    rows = []
    for epoch in shared:
        values = [curve[epoch] for curve in curves]
        rows.append((epoch, statistics.fmean(values), min(values), max(values)))
    return rows


def _hue(gathered: Gathered) -> str | None:
    """Return the axis whose levels are the colours; those of all others are the panels. None: a line in each panel.

    That is the normalisation batch, or else the last but the norms', where a panel can hold its levels.
    """
    names = list(gathered.study.axes)
    if NORM_BATCH_SIZE in names:
        return NORM_BATCH_SIZE
    others = [axis for axis in gathered.study.parsed_axes if axis.name != norm_axis(names)]
    return others[-1].name if others and len(others[-1].levels) <= _MAX_LINES else None


def _curves_of(gathered: Gathered, point: Point) -> list[Curves]:
    found = [gathered.curves_of(outcome) for outcome in point.outcomes]
    return [curves for curves in found if curves is not None]


def _colours(gathered: Gathered, hue: str) -> dict[str, str]:
    (axis,) = [axis for axis in gathered.study.parsed_axes if axis.name == hue]
    labels = [level.label for level in axis.levels]
    if all(label.isdigit() for label in labels):
        labels.sort(key=int, reverse=True)
    return dict(zip(labels, ordered_colours(len(labels)), strict=True))


def _draw_panel(
    axes: "Axes", points: Sequence[tuple[Point, list[Curves]]], *, hue: str | None, colours: Mapping[str, str]
) -> set[str]:
    """Draw a panel's lines; return the hue's levels that have one in their colour."""
    style_axes(axes, grid="y")
    # One line for runs that stand for several levels.
    shown = [(point, curves) for point, curves in points if point.same_as is None] or [points[0]]
    styles: tuple[tuple[Callable[[Curves], Mapping[int, float]], str, float], ...] = (
        (lambda curves: curves.train, "--", 1.0),
        (lambda curves: curves.validation, "-", 1.9),
    )
    stands = any(point.same_as is not None for point, _ in points) and len(shown) == 1
    for point, curves in shown:
        colour = INK if stands or hue is None else colours[point.labels[hue]]
        for of, style, width in styles:
            rows = over_seeds([of(one) for one in curves if of(one)])
            if not rows:
                continue
            epochs, means, lows, highs = zip(*rows, strict=True)
            marker = "o" if len(rows) == 1 else None
            axes.plot(epochs, means, color=colour, linestyle=style, linewidth=width, marker=marker, markersize=4)
            if len(curves) > 1:
                axes.fill_between(epochs, lows, highs, color=colour, alpha=0.14, linewidth=0)
    if stands and hue is not None:
        axes.annotate(
            "one run for all" if hue == NORM_BATCH_SIZE else f"one run for every {axis_words(hue)}",
            (0.97, 0.95),
            xycoords="axes fraction",
            ha="right",
            va="top",
            color=MUTED,
            fontsize=TEXT - 1.5,
        )
    return set() if stands or hue is None else {point.labels[hue] for point, _ in shown}


def _set_ticks(axes: "Axes", drawn: Sequence[tuple[Point, list[Curves]]]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    epochs = [epoch for _, curves in drawn for one in curves for epoch in (*one.train, *one.validation)]
    if min(epochs) == max(epochs):
        axes.set_xlim(min(epochs) - 1, max(epochs) + 1)
    axes.set_ylim(0, None)


def _add_legend(figure: "Figure", hue: str | None, colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2.2) for colour in colours.values()]
    handles += [Line2D([], [], color=MUTED, linewidth=1.9), Line2D([], [], color=MUTED, linewidth=1, linestyle="--")]
    labels = [level_words(hue or "", label).replace("$", r"\$") for label in colours]
    if hue == NORM_BATCH_SIZE and labels:
        labels[0] = f"{axis_words(hue)} {labels[0]}"
    figure.legend(
        handles,
        [*labels, "validation", "training"],
        loc="outside lower left",
        ncols=len(handles) if sum(map(len, labels)) < 40 else 4,
        frameon=False,
        fontsize=TEXT - 1,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.3,
    )


def _description(drawn: Sequence[tuple[Point, list[Curves]]]) -> str:
    parts = []
    for point, curves in drawn:
        rows = over_seeds([one.validation for one in curves if one.validation])
        if rows and point.same_as is None:
            parts.append(f"{point_words(point.labels)} ends at {rows[-1][1]:.1f}")
    return "Training and validation error in percent by epoch. Validation: " + ("; ".join(parts) or "none") + "."
