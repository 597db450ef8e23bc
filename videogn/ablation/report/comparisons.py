"""Which points of a study are compared, and what their seeds say of each two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from videogn.ablation.axes import NORM_BATCH_SIZE, Axis
from videogn.ablation.report.points import Point, difference, obstacle, point_at
from videogn.ablation.report.statistics import Estimate
from videogn.ablation.study import Study

# A difference whose interval lies within so many points of 0 is said to be no larger than that.
CLOSE_POINTS = 1.0

Verdict = Literal["apart", "close", "open", "same computation", "too few seeds", "mixed", "other videos", "no result"]


@dataclass(frozen=True)
class Comparison:
    """Two points that differ on one axis alone.

    Args:
        axis: The axis.
        point: The point that is spoken of.
        reference: The point at the axis' baseline level; of the normalisation batches, at the largest.
        verdict: What the seeds say of them.
        difference: Top-1 of the point less the reference's, paired by seed, where there are pairs.
    """

    axis: str
    point: Point
    reference: Point
    verdict: Verdict
    difference: Estimate | None


def comparisons_of(study: Study, points: Sequence[Point]) -> list[Comparison]:
    """Return every comparison of two points that differ on one axis, the reference being at the axis' baseline."""
    comparisons = []
    compared = set()
    for axis in study.parsed_axes:
        level = reference_level(study, axis)
        for point in points:
            if point.labels[axis.name] == level:
                continue
            reference = point_at(points, {**point.labels, axis.name: level})
            comparison = _compared(axis.name, point, reference)
            # Runs that stand for several points are compared once.
            runs = (point.runs, reference.runs)
            if comparison.verdict == "same computation" or runs not in compared:
                comparisons.append(comparison)
                compared.add(runs)
    return comparisons


def reference_level(study: Study, axis: Axis) -> str:
    """Return the level that an axis' others are compared with: the largest normalisation batch, else the baseline's."""
    sizes = [level.settings.get(NORM_BATCH_SIZE) for level in axis.levels]
    if axis.name == NORM_BATCH_SIZE and all(isinstance(size, int) for size in sizes):
        return max(axis.levels, key=lambda level: level.settings[NORM_BATCH_SIZE]).label
    return study.baseline[axis.name]


def verdict_on(difference: Estimate | None) -> Verdict:
    """Return what an estimate says of a difference: "open" where its interval holds 0 and is not narrow."""
    if difference is None or difference.half_width is None:
        return "too few seeds"
    if difference.excludes_zero:
        return "apart"
    return "close" if max(-difference.low, difference.high) <= CLOSE_POINTS else "open"


def _compared(axis: str, point: Point, reference: Point) -> Comparison:
    if point.runs == reference.runs:
        return Comparison(axis, point, reference, "same computation", None)
    if not (point.results and reference.results):
        return Comparison(axis, point, reference, "no result", None)
    why_not = obstacle(point, reference)
    if why_not is not None:
        return Comparison(axis, point, reference, why_not, None)
    estimate = difference(point, reference)
    return Comparison(axis, point, reference, verdict_on(estimate), estimate)
