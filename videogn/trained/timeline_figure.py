"""A timeline: the probabilities of classes over the time of a video, and the segments in which each is seen.

Shapes: N windows, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from videogn.drawing import (
    CATEGORIES,
    INK,
    MUTED,
    TEXT,
    Drawing,
    files_of,
    new_figure,
    set_title,
    style_axes,
)
from videogn.trained.segments import Segment
from videogn.trained.timeline import Timeline, clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More windows than this are drawn as as many stretches, by their mean and between their lowest and highest: the figure
# has about as many pixels.
MOST_POINTS = 800
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600, 24 * 3600)
_MOST_TICKS = 8


def draw_timeline(video: str, timeline: Timeline, found: Sequence[Segment], *, threshold: float) -> Drawing:
    """Return the figure of a video: lines of up to seven classes, and under them the segments of each."""
    labels = shown_labels(timeline.scores, found)
    middles = np.array([(start + end) / 2 for start, end in timeline.times])
    figure = new_figure(6.3, 2.9 + 0.21 * len(labels))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.1, 0.21 * len(labels) + 0.1])
    style_axes(upper, grid="y")
    for label, colour in zip(labels, CATEGORIES, strict=False):
        _draw_line(upper, middles, timeline.scores[:, label], colour=colour)
    upper.axhline(threshold, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    upper.set_ylim(-0.02, 1.02)
    upper.set_ylabel("probability")
    _draw_segments(lower, labels, timeline.classes, found)
    end = max(end for _, end in timeline.times)
    start = timeline.times[0][0]
    _set_times(lower, start, end)
    num_others = len(timeline.classes) - len(labels)
    others = f"; {num_others} other{'' if num_others == 1 else 's'} not shown" if num_others else ""
    set_title(figure, [_short(video), f"Classes over time, and where each has {threshold:g} or more{others}"])
    caption = (
        f"Probability of each class in {len(timeline):,} windows, at their middles"
        + (", as means and between lowest and highest of neighbours" if len(timeline) > MOST_POINTS else "")
        + f". Bars: windows of {threshold:g} or more, merged."
    )
    return files_of(figure, description=_description(timeline, found), caption=caption)


def shown_labels(scores: NDArray[np.float32], found: Sequence[Segment]) -> list[int]:
    """Return the up to seven classes that are seen longest, then those that come highest, in the order of classes."""
    seconds = np.zeros(scores.shape[1])
    for segment in found:
        seconds[segment.label] += segment.end - segment.start
    order = np.lexsort((np.arange(scores.shape[1]), -scores.max(axis=0), -seconds))
    return sorted(order[: len(CATEGORIES)].tolist())


def _draw_line(axes: Axes, middles: NDArray[np.float64], scores: NDArray[np.float32], *, colour: str) -> None:
    if len(middles) > MOST_POINTS:
        edges = np.linspace(0, len(middles), MOST_POINTS + 1).astype(int)
        parts = [slice(first, last) for first, last in pairwise(edges.tolist())]
        middles = np.array([middles[part].mean() for part in parts])
        lows, highs = ([of(scores[part]) for part in parts] for of in (np.min, np.max))
        axes.fill_between(middles, lows, highs, color=colour, alpha=0.14, linewidth=0)
        scores = np.array([scores[part].mean() for part in parts])
    marker = "o" if len(middles) == 1 else None
    axes.plot(middles, scores, color=colour, linewidth=1.5, marker=marker, markersize=4)


def _draw_segments(axes: Axes, labels: Sequence[int], classes: Sequence[str], found: Sequence[Segment]) -> None:
    style_axes(axes, grid="x")
    for row, (label, colour) in enumerate(zip(labels, CATEGORIES, strict=False)):
        bars = [(segment.start, segment.end - segment.start) for segment in found if segment.label == label]
        axes.broken_barh(bars, (row - 0.32, 0.64), color=colour, linewidth=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), [_short(classes[label], most=24) for label in labels])
    for text, colour in zip(axes.get_yticklabels(), CATEGORIES, strict=False):
        text.set(color=colour, fontsize=TEXT - 1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _set_times(axes: Axes, start: float, end: float) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    length = max(end - start, 1e-3)
    step = next((step for step in _STEPS if length / step <= _MOST_TICKS), length / _MOST_TICKS)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, decimals=int(step < 1))))
    axes.set_xlim(start, start + length)
    axes.set_xlabel("time in the video", color=INK)


def _short(name: str, *, most: int = 80) -> str:
    """Return a name without what matplotlib reads as mathematics, cut in front where it is long."""
    shown = name if len(name) <= most else f"…{name[1 - most :]}"
    return shown.replace("$", r"\$")


def _description(timeline: Timeline, found: Sequence[Segment]) -> str:
    parts = [
        f"{timeline.classes[segment.label]} from {clock(segment.start)} to {clock(segment.end)}"
        for segment in found[:20]
    ]
    return "Probabilities of classes over time. Segments: " + ("; ".join(parts) or "none") + "."
