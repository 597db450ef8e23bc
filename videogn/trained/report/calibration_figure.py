"""The reliability diagram: how often a network is right, by how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from videogn.drawing import CATEGORIES, MUTED, TEXT, Drawing, files_of, new_figure, set_title, style_axes
from videogn.trained.report.calibration import NUM_BINS, Calibration

# A bin that has so many times as many as another hides it: numbers are then on a scale of powers of ten.
_MOST_TIMES = 1000


@dataclass(frozen=True)
class Words:
    """What is counted, what the share of it is that is so, and what its probability is of."""

    counted: str
    share: str
    probability: str
    title: str


OF_VIDEOS = Words(
    "videos", "accuracy", "confidence: probability of the predicted class", "Is it right as often as it says?"
)
OF_PAIRS = Words("pairs", "labelled", "probability of a class in a video", "Is a class there as often as it says?")


def draw_calibration(found: Calibration, words: Words = OF_VIDEOS) -> Drawing:
    """Return the figure of a calibration, in words of what it is of."""
    figure = new_figure(6.3, 4.3)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for axes in (upper, lower):
        style_axes(axes, grid="y")
    colour, width = CATEGORIES[0], 100 / NUM_BINS
    upper.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle="--")
    upper.text(1.5, 97, "dashed: right as often as it says", va="top", color=MUTED, fontsize=TEXT - 1)
    middles = [50 * (each.low + each.high) for each in found.bins]
    upper.bar(middles, [each.accuracy.mean for each in found.bins], width=0.92 * width, color=colour, alpha=0.35)
    sure = [100 * each.confidence for each in found.bins]
    right = [each.accuracy.mean for each in found.bins]
    ends = [
        [max(0.0, each.accuracy.mean - each.accuracy.low) for each in found.bins],
        [max(0.0, each.accuracy.high - each.accuracy.mean) for each in found.bins],
    ]
    upper.errorbar(sure, right, yerr=ends, fmt="o", color=colour, markersize=4.5, linewidth=1.2, capsize=2.5)
    upper.set_ylabel(f"{words.share} (%)")
    upper.set_ylim(0, 102)
    upper.set_xlim(0, 100)
    numbers = [each.num for each in found.bins]
    lower.bar(middles, numbers, width=0.92 * width, color=MUTED, alpha=0.6)
    if max(numbers) > _MOST_TIMES * min(numbers):
        lower.set_yscale("log")
    lower.set_ylabel(words.counted)
    lower.set_xlabel(f"{words.probability} (%)")
    figure.align_ylabels()
    set_title(figure, [words.title])
    description = (
        f"Reliability diagram: {words.share} by confidence. Expected calibration error {found.error:.1f} points; mean "
        f"confidence {found.confidence:.1f} %, {words.share} {found.accuracy:.1f} %"
    )
    caption = (
        f"Points: {words.share} of the {words.counted} of a bin, with its 95 % interval, at their mean confidence. On "
        "the dashed line a network is right as often as it says; below it, it is too sure."
    )
    return files_of(figure, description=description, caption=caption)
