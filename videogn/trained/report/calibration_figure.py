"""The reliability diagram: how often a network is right, by how sure it is."""

from __future__ import annotations

from videogn.drawing import CATEGORIES, MUTED, TEXT, Drawing, files_of, new_figure, set_title, style_axes
from videogn.trained.report.calibration import NUM_BINS, Calibration


def draw_calibration(found: Calibration) -> Drawing:
    """Return the figure of a calibration."""
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
    upper.set_ylabel("accuracy (%)")
    upper.set_ylim(0, 102)
    upper.set_xlim(0, 100)
    lower.bar(middles, [each.num for each in found.bins], width=0.92 * width, color=MUTED, alpha=0.6)
    lower.set_ylabel("videos")
    lower.set_xlabel("confidence: probability of the predicted class (%)")
    figure.align_ylabels()
    set_title(figure, ["Is it right as often as it says?"])
    description = (
        f"Reliability diagram: accuracy by confidence. Expected calibration error {found.error:.1f} points; mean "
        f"confidence {found.confidence:.1f} %, accuracy {found.accuracy:.1f} %"
    )
    caption = (
        "Points: accuracy of the videos of a bin, with its 95 % interval, at their mean confidence. On the dashed line "
        "a network is right as often as it says; below it, it is too sure."
    )
    return files_of(figure, description=description, caption=caption)
