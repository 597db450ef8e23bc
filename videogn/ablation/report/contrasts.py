"""What the seeds of a study say of its points against each other: differences, and differences of differences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from videogn.ablation.axes import NORM_BATCH_SIZE, Axis
from videogn.ablation.report.caveats import are_mixed
from videogn.ablation.report.estimates import Estimate, estimate
from videogn.ablation.report.points import Point, point_at, video_step
from videogn.ablation.report.text import NORM_AXES
from videogn.ablation.study import Study

# A difference whose interval lies within so many points of 0 is said to be no larger than that.
CLOSE_POINTS = 1.0

Verdict = Literal["apart", "close", "open", "same computation", "too few seeds", "mixed", "other videos", "no result"]
JUDGED: tuple[Verdict, ...] = ("apart", "close", "open")


@dataclass(frozen=True)
class Contrast:
    """Points that differ on one axis: two of them, or the losses between two pairs of them.

    Of two points, `difference` is the first's top-1 less that of the second, its reference. Of four, it is the loss
    from the largest normalisation batch to a smaller one at a level of the other axis, less the same loss at that
    axis' baseline: the points are (level, baseline) at the largest, then (level, baseline) at the smaller.

    Args:
        axis: The axis; of four points, the one that is not the normalisation batch's.
        points: The points.
        verdict: What the seeds say.
        difference: In points of top-1, over the seeds that all points have; None where it can't be told.
    """

    axis: str
    points: tuple[Point, ...]
    verdict: Verdict
    difference: Estimate | None

    @property
    def is_of_losses(self) -> bool:
        """Whether it is of four points."""
        return len(self.points) == 4


def contrasts_of(study: Study, points: Sequence[Point]) -> list[Contrast]:
    """Return every comparison of two points that differ on one axis, then those of losses.

    The reference of an axis is its baseline level; of the normalisation batches, the largest.
    """
    found = []
    compared = set()
    for axis in study.parsed_axes:
        level = _reference_level(study, axis)
        for point in points:
            if point.labels[axis.name] == level:
                continue
            reference = point_at(points, {**point.labels, axis.name: level})
            contrast = contrast_of(point, reference, axis=axis.name)
            # Runs that stand for several points are compared once.
            runs = (point.runs, reference.runs)
            if contrast.verdict == "same computation" or runs not in compared:
                found.append(contrast)
                compared.add(runs)
    losses = [contrast_of(*four, axis=axis) for axis, four in _pairs_of_losses(study, points)]
    return found + [contrast for contrast in losses if contrast.verdict != "same computation"]


def contrast_of(*points: Point, axis: str) -> Contrast:
    """Return what the seeds say of two points, or of four."""
    assert len(points) in (2, 4)
    if _is_same_computation(points):
        return Contrast(axis, points, "same computation", None)
    if not all(point.results for point in points):
        return Contrast(axis, points, "no result", None)
    for point in points[1:]:
        if (why_not := _obstacle(points[0], point)) is not None:
            return Contrast(axis, points, why_not, None)
    results = [point.results for point in points]
    shared = [seed for seed in results[0] if all(seed in one for one in results)]
    signs = (1, -1) if len(points) == 2 else (1, -1, -1, 1)
    values = [sum(sign * one[seed].top1 for sign, one in zip(signs, results, strict=True)) for seed in shared]
    # Each accuracy is rounded to whole videos.
    step = video_step(one[seed] for one in results for seed in shared)
    difference = estimate(values, alpha=points[0].alpha, least_deviation=step * math.sqrt(len(points) / 12))
    return Contrast(axis, points, _verdict_on(difference), difference)


def _is_same_computation(points: Sequence[Point]) -> bool:
    runs = [point.runs for point in points]
    if len(runs) == 2:
        return runs[0] == runs[1]
    large, large_reference, small, small_reference = runs
    # The same two runs at both levels; or the normalisation batch changes nothing at either.
    return (large, small) == (large_reference, small_reference) or (
        large == small and large_reference == small_reference
    )


def _obstacle(point: Point, reference: Point) -> Literal["mixed", "other videos"] | None:
    """Return why two points can't be compared; None where nothing is in the way.

    "mixed": not of the same data, start, protocol and code; "other videos": of a seed, one was scored on more videos.
    """
    ours, theirs = point.results, reference.results
    shared = ours.keys() & theirs.keys()
    if are_mixed(o for o in (*point.outcomes, *reference.outcomes) if o.cell.seed in shared):
        return "mixed"
    scored = [(ours[seed].num_videos_scored, theirs[seed].num_videos_scored) for seed in shared]
    return "other videos" if any(None not in pair and pair[0] != pair[1] for pair in scored) else None


def _verdict_on(difference: Estimate | None) -> Verdict:
    """Return what an estimate says of a difference: "open" where its interval holds 0 and is not narrow."""
    if difference is None or difference.half_width is None:
        return "too few seeds"
    if difference.excludes_zero:
        return "apart"
    return "close" if max(-difference.low, difference.high) <= CLOSE_POINTS else "open"


def _reference_level(study: Study, axis: Axis) -> str:
    """Return the level that an axis' others are compared with: the largest normalisation batch, else the baseline's."""
    sizes = [level.settings.get(NORM_BATCH_SIZE) for level in axis.levels]
    if axis.name == NORM_BATCH_SIZE and all(isinstance(size, int) for size in sizes):
        return max(axis.levels, key=lambda level: level.settings[NORM_BATCH_SIZE]).label
    return study.baseline[axis.name]


def _pairs_of_losses(study: Study, points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    """Yield the other axis and four points, for each of its levels and each smaller normalisation batch.

    None unless the axes are the normalisation batch and one that sets no norm: what a small batch costs is asked there.
    """
    axes = {axis.name: axis for axis in study.parsed_axes}
    sizes = axes.pop(NORM_BATCH_SIZE, None)
    if sizes is None or len(axes) != 1:
        return
    (other,) = axes.values()
    if other.name in NORM_AXES or any("model.norm" in level.settings for level in other.levels):
        return
    largest, baseline = _reference_level(study, sizes), _reference_level(study, other)
    for level in other.levels:
        for size in sizes.levels:
            if level.label != baseline and size.label != largest:
                yield (
                    other.name,
                    [
                        point_at(points, {other.name: label, NORM_BATCH_SIZE: batch})
                        for batch in (largest, size.label)
                        for label in (level.label, baseline)
                    ],
                )
