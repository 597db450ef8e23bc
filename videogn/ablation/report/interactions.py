"""Whether what a small normalisation batch costs depends on the study's other axis: differences of differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from videogn.ablation.axes import NORM_BATCH_SIZE, Axis
from videogn.ablation.cells import level_label
from videogn.ablation.report.comparisons import Verdict, reference_level, verdict_on
from videogn.ablation.report.points import Point, obstacle, point_at, video_step
from videogn.ablation.report.statistics import Estimate, estimate
from videogn.ablation.report.words import NORM_AXES
from videogn.ablation.study import Study


@dataclass(frozen=True)
class Interaction:
    """The loss from the largest to a smaller normalisation batch, at a level of the other axis and at its baseline.

    Args:
        axis: The other axis.
        level: Its level that is spoken of.
        reference: Its baseline level.
        size: The smaller normalisation batch.
        largest: The largest.
        points: The four points: level and reference at the largest, level and reference at the smaller.
        verdict: What the seeds say.
        difference: The loss at the level less that at the reference, in points, over the seeds that all four have.
    """

    axis: str
    level: str
    reference: str
    size: str
    largest: str
    points: tuple[Point, Point, Point, Point]
    verdict: Verdict
    difference: Estimate | None


def interactions_of(study: Study, points: Sequence[Point]) -> list[Interaction]:
    """Return one for each level and smaller batch; none unless the axes are norm_batch_size and one that sets no norm.

    Where the losses that are compared are of the same runs, there is nothing to ask.
    """
    axes = {axis.name: axis for axis in study.parsed_axes}
    sizes = axes.pop(NORM_BATCH_SIZE, None)
    if sizes is None or len(axes) != 1:
        return []
    (other,) = axes.values()
    if other.name in NORM_AXES or any("model.norm" in level.settings for level in other.levels):
        return []
    largest, reference = reference_level(study, sizes), reference_level(study, other)
    found = [
        _interaction(other, level.label, reference, size=size.label, largest=largest, points=points)
        for level in other.levels
        for size in sizes.levels
        if level.label != reference and size.label != largest
    ]
    return [one for one in found if one.verdict != "same computation"]


def interaction_words(interaction: Interaction) -> tuple[str, str, str]:
    """Return the loss, the level and the baseline's level as a sentence names them."""
    loss = (
        f"the loss at normalisation batch {interaction.size} "
        f"(top-1 at {interaction.largest} less that at {interaction.size})"
    )
    return loss, level_label(interaction.axis, interaction.level), level_label(interaction.axis, interaction.reference)


def _interaction(
    axis: Axis, level: str, reference: str, *, size: str, largest: str, points: Sequence[Point]
) -> Interaction:
    four = tuple(
        point_at(points, {axis.name: label, NORM_BATCH_SIZE: batch})
        for batch in (largest, size)
        for label in (level, reference)
    )
    assert len(four) == 4
    verdict, difference = _judged(*four)
    return Interaction(axis.name, level, reference, size, largest, four, verdict, difference)


def _judged(large: Point, large_ref: Point, small: Point, small_ref: Point) -> tuple[Verdict, Estimate | None]:
    at_level, at_reference = (large.runs, small.runs), (large_ref.runs, small_ref.runs)
    if at_level == at_reference or (len({*at_level}) == len({*at_reference}) == 1):
        return "same computation", None
    four = (large, large_ref, small, small_ref)
    if not all(point.results for point in four):
        return "no result", None
    for point in four[1:]:
        if (why_not := obstacle(point, large)) is not None:
            return why_not, None
    results = [point.results for point in four]
    shared = [seed for seed in results[0] if all(seed in one for one in results)]
    top1 = [[one[seed].top1 for seed in shared] for one in results]
    values = [(a - c) - (b - d) for a, b, c, d in zip(*top1, strict=True)]
    # Four accuracies, each rounded.
    step = video_step(one[seed] for one in results for seed in shared)
    found = estimate(values, least_deviation=step / math.sqrt(3))
    return verdict_on(found), found
