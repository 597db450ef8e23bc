"""A run's curves: error (of several labels a video: mAP), loss, learning rate and speed by update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from videogn.drawing import CATEGORIES, INK, MUTED, TEXT, Drawing, files_of, new_figure, set_title, style_axes
from videogn.training.metrics import Logged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# More points of a line are drawn as means of neighbours: a page is looked at, and has a size.
MOST_POINTS = 800
TRAIN, VALIDATION = CATEGORIES[1], CATEGORIES[0]


@dataclass(frozen=True)
class _Line:
    """A column of metrics.csv, and how it is drawn."""

    column: str
    label: str
    colour: str
    style: str = "-"
    width: float = 1.8
    alpha: float = 1.0


@dataclass(frozen=True)
class _Panel:
    """Lines over one scale, of what is shown of each value; height: in inches."""

    label: str
    lines: tuple[_Line, ...]
    shown: Callable[[float], float] = float
    height: float = 1.75


def error_of(share: float) -> float:
    """Return the error of an accuracy, in percent."""
    return 100 * (1 - share)


def percent_of(share: float) -> float:
    """Return a share in percent."""
    return 100 * share


PANELS = (
    _Panel(
        "error (%)",
        (
            _Line("train/top1_epoch", "training, mean of each epoch", TRAIN, "--", 1.4),
            _Line("val/top1", "validation", VALIDATION),
        ),
        error_of,
    ),
    _Panel("mAP (%)", (_Line("val/map", "validation", VALIDATION),), percent_of),
    _Panel(
        "loss",
        (
            _Line("train/loss_step", "training, single updates", TRAIN, width=0.8, alpha=0.35),
            _Line("train/loss_epoch", "training, mean of each epoch", TRAIN, "--", 1.4),
            _Line("val/loss", "validation", VALIDATION),
        ),
    ),
    _Panel("learning rate", (_Line("lr", "learning rate", INK, width=1.2),), height=1.1),
    _Panel("clips / s", (_Line("clips_per_second", "clips a second", MUTED, width=1.0),), height=1.1),
)


def draw_curves(metrics: Mapping[str, Sequence[Logged]]) -> Drawing | None:
    """Return the figure of what was logged; None where nothing was."""
    panels = [panel for panel in PANELS if any(metrics.get(line.column) for line in panel.lines)]
    if not panels:
        return None
    heights = [panel.height for panel in panels]
    figure = new_figure(6.3, 0.9 + sum(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    handles: dict[str, Line2D] = {}
    for axes, panel in zip(grid.flat, panels, strict=True):
        style_axes(axes, grid="y")
        for line in panel.lines:
            if points := points_of(metrics.get(line.column, ()), shown=panel.shown):
                drawn = _draw(axes, line, points)
                if len(panel.lines) > 1:
                    handles[line.label] = drawn
        axes.set_ylabel(panel.label)
        axes.set_ylim(bottom=0)
    figure.align_ylabels()
    grid.flat[-1].set_xlabel("update")
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower left",
            ncols=len(handles),
            frameon=False,
            fontsize=TEXT - 1,
            labelcolor=INK,
            handlelength=1.8,
            columnspacing=1.3,
        )
    set_title(figure, ["While training"])
    caption = (
        "Training: over its augmented clips, while the network changed. Validation: one centre view of each video."
    )
    return files_of(figure, description=_description(metrics), caption=caption)


def points_of(logged: Sequence[Logged], *, shown: Callable[[float], float] = float) -> list[tuple[float, float]]:
    """Return (update, value), by update, of at most MOST_POINTS; of more, means of neighbours.

    Args:
        logged: In the order of the file: of an update that was logged twice the later counts.
        shown: What is shown of a value.
    """
    last = {each.step: each.value for each in logged}
    points = [(float(step), shown(last[step])) for step in sorted(last)]
    size = -(-len(points) // MOST_POINTS) or 1
    parts = [tuple(zip(*points[first : first + size], strict=True)) for first in range(0, len(points), size)]
    return [(sum(steps) / len(steps), sum(values) / len(values)) for steps, values in parts]


def _draw(axes: Axes, line: _Line, points: Sequence[tuple[float, float]]) -> Line2D:
    steps, values = zip(*points, strict=True)
    marker = "o" if len(points) <= 30 and line.alpha == 1.0 and line.width > 1.2 else None
    (drawn,) = axes.plot(
        steps,
        values,
        color=line.colour,
        linestyle=line.style,
        linewidth=line.width,
        alpha=line.alpha,
        marker=marker,
        markersize=3.5,
    )
    return drawn


def _description(metrics: Mapping[str, Sequence[Logged]]) -> str:
    panel, what, which = PANELS[0], "error", "errors"
    if metrics.get("val/map"):
        panel, what, which = PANELS[1], "mAP", "mAP"
    parts = []
    for line in panel.lines:
        if points := points_of(metrics.get(line.column, ()), shown=panel.shown):
            parts.append(f"{line.label} {points[-1][1]:.1f}")
    return f"By update: {what} in percent, loss, learning rate, clips a second. The {which} end at: " + (
        "; ".join(parts) or "none known"
    )
