"""What the seeds of a study say of its points against each other: differences, and differences of differences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from videogn.ablation.axes import NORM_BATCH_SIZE, Axis
from videogn.ablation.report.caveats import are_mixed
from videogn.ablation.report.estimates import ALPHA, Estimate, estimate, holm
from videogn.ablation.report.points import Point, point_at, video_step
from videogn.ablation.report.scores import crossed
from videogn.ablation.report.text import NORM_AXES
from videogn.ablation.study import Study
from videogn.intervals import Claim

Verdict = Literal["apart", "within", "open", "same computation", "too few seeds", "mixed", "other videos", "no result"]
JUDGED: tuple[Verdict, ...] = ("apart", "within", "open")
# What a comparison may show, and of which videos: the keys of p-values.
_SHOWN: tuple[Verdict, ...] = ("apart", "within")
Reach = Literal["these", "like them"]


@dataclass(frozen=True)
class Contrast:
    """Points that differ on one axis: two of them, or the losses between two pairs of them.

    Of two points, `difference` is the first's top-1 less that of the second, its reference. Of four, it is the loss
    from the largest normalisation batch to a smaller one at a level of the other axis, less the same loss at that
    axis' baseline: the points are (level, baseline) at the largest, then (level, baseline) at the smaller.

    Args:
        axis: The axis; of four points, the one that is not the normalisation batch's.
        verdict: What the seeds say. "apart": there is a difference; "within": it is within the study's bound, and
            perhaps 0; "open": neither is shown; else why it is not judged.
        difference: In points of top-1, over the seeds that all points have; None where it can't be told.
        ps: Of those that are judged, p-values by themselves.
        adjusted: The same after Holm's procedure among those that it is judged with: what is at most ALPHA is a
            finding.
        num_together: How many it is judged with, itself included; 0 of one that is not judged.
        level: The nominal level of Holm's first step among so many.
        waits: Whether it is not judged because what a study is about, which is judged first, is not apart.
    """

    axis: str
    points: tuple[Point, ...]
    verdict: Verdict
    difference: Estimate | None
    ps: Mapping[tuple[str, str], float] = field(default_factory=dict)
    adjusted: Mapping[tuple[str, str], float] = field(default_factory=dict)
    num_together: int = 0
    level: float = ALPHA
    waits: bool = False

    @property
    def is_of_losses(self) -> bool:
        """Whether it is of four points."""
        return len(self.points) == 4

    def claim(self, reach: Reach) -> Claim | None:
        """Return what is claimed of the difference, of these videos or of videos like them."""
        if self.difference is None:
            return None
        return self.difference.seeds if reach == "these" else self.difference.videos

    @property
    def smallest_shown(self) -> float | None:
        """The true difference that 4 of 5 such studies tell apart on these videos, among those judged together."""
        claim = self.claim("these")
        return None if claim is None or not self.num_together else claim.smallest_shown(self.level)

    def shows(self, kind: Verdict, reach: Reach) -> bool:
        """Return whether this survives among the study's comparisons."""
        return self.adjusted.get((kind, reach), 1.0) <= ALPHA

    def is_apart_by_itself(self) -> bool:
        """Return whether it would be apart on these videos if it were the study's only comparison."""
        return self.ps.get(("apart", "these"), 1.0) <= ALPHA


def contrasts_of(study: Study, points: Sequence[Point]) -> list[Contrast]:
    """Return every comparison of two points that differ on one axis, then those of losses: the study's family.

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
            # Runs that stand for several points are compared once, whichever comes first.
            runs = frozenset((point.runs, reference.runs))
            if contrast.verdict == "same computation" or runs not in compared:
                found.append(contrast)
                compared.add(runs)
    losses = [contrast_of(*four, axis=axis) for axis, four in _pairs_of_losses(study, points)]
    found += [contrast for contrast in losses if contrast.verdict != "same computation"]
    named = named_contrast(study, points)
    if named is None:
        return judged_together(found, study)
    ends = {point.runs for point in named.points}
    others = [one for one in found if one.is_of_losses or {point.runs for point in one.points} != ends]
    return judged_together([named, *others], study, has_first=True)


def named_contrast(study: Study, points: Sequence[Point]) -> Contrast | None:
    """Return the comparison that a rule for seeds names; None where there is none."""
    rule = study.seed_rule
    if rule is None or rule.between is None:
        return None
    ends = [point_at(points, labels) for labels in rule.between]
    differing = [axis for axis, label in ends[0].labels.items() if ends[1].labels[axis] != label]
    return contrast_of(*ends, axis=differing[0] if len(differing) == 1 else "")


def contrast_of(*points: Point, axis: str) -> Contrast:
    """Return what the seeds say of two points, or of four: "open" where they can be compared (judged_together)."""
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
    scores, groups = crossed([point.scores for point in points], signs=signs, seeds=shared) or (None, None)
    least = step * math.sqrt(len(points) / 12)
    difference = estimate(
        values,
        alpha=points[0].alpha,
        least_deviation=least,
        least_num=points[0].least_num,
        scores=scores,
        groups=groups,
    )
    is_enough = difference is not None and difference.seeds is not None
    return Contrast(axis, points, "open" if is_enough else "too few seeds", difference)


def judged_together(contrasts: Sequence[Contrast], study: Study, *, has_first: bool = False) -> list[Contrast]:
    """Return comparisons with the verdicts that survive among all of them.

    Holm's procedure as a closed test (Marcus, Peritz & Gabriel 1976) over all that findings may say: of a comparison,
    no difference and one of the bound or more can't both be true, and a p-value of videos like these is no smaller than
    that of these. So each stands among one p-value of every other comparison, the largest of that one's. In at most
    ALPHA of all studies a finding is wrong, whichever of the differences are there in truth. ("No difference on videos
    like them" and "the bound or more on these" are both true where chance drew such videos. This adds less than ALPHA
    times the chance of that.)

    What a study is about, and goes on for, may come first, in a fixed sequence: whether it is apart on these videos is
    judged by itself, and the others only where it is. What else is claimed of it stands among the others.

    Args:
        contrasts: The family, not judged yet.
        study: Its bound, within which settings count as equal, and its rule for seeds: where one looked after every
            seed, a p-value is worth less.
        has_first: Whether the first of them is what the study is about.
    """
    ps = [_p_values(contrast.difference, study) if contrast.verdict == "open" else {} for contrast in contrasts]
    together = [dict(each) for each in ps]
    # Where the first can't be judged, the others wait for it.
    first = together[0].pop(("apart", "these"), 1.0) if has_first else 0.0
    num = sum(bool(each) for each in together)
    judged = []
    for place, (contrast, own) in enumerate(zip(contrasts, ps, strict=True)):
        others = [max(each.values()) for each in (*together[:place], *together[place + 1 :]) if each]
        is_first = has_first and place == 0
        adjusted = {key: holm(p, others) for key, p in together[place].items()}
        if is_first and own:
            adjusted["apart", "these"] = first
        elif not is_first:
            adjusted = {key: max(p, first) for key, p in adjusted.items()}
        num_together = (1 if is_first else num) if own else 0
        found = replace(
            contrast,
            ps=own,
            adjusted=adjusted,
            num_together=num_together,
            level=study.level_among(max(1, num_together)),
            waits=bool(own) and not is_first and first > ALPHA,
        )
        verdict = next((verdict for verdict in _SHOWN if found.shows(verdict, "these")), contrast.verdict)
        judged.append(replace(found, verdict=verdict))
    return judged


def _p_values(difference: Estimate | None, study: Study) -> dict[tuple[str, str], float]:
    assert difference is not None
    claims = {"these": difference.seeds, "like them": difference.videos}
    known = {reach: claim for reach, claim in claims.items() if claim is not None}
    found = {("apart", reach): claim.p for reach, claim in known.items()}
    within = {}
    if (bound := study.equivalence) is not None:
        within = {("within", reach): claim.p_within(bound) for reach, claim in known.items()}
    if (rule := study.seed_rule) is not None:
        found = {key: rule.worth(p) for key, p in found.items()}
        within = {key: rule.worth(min(1.0, 2 * p)) for key, p in within.items()}  # of one side: no more than of both
    return found | within


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

    "mixed": not of the same data, start, protocol and code; "other videos": of a seed, they were scored on others.
    """
    ours, theirs = point.results, reference.results
    shared = ours.keys() & theirs.keys()
    if are_mixed(o for o in (*point.outcomes, *reference.outcomes) if o.cell.seed in shared):
        return "mixed"
    scored: list[tuple[object, object]] = [
        (ours[seed].num_videos_scored, theirs[seed].num_videos_scored) for seed in shared
    ]
    scored += [
        (point.scores[seed].indices, reference.scores[seed].indices)
        for seed in shared
        if seed in point.scores and seed in reference.scores
    ]
    return "other videos" if any(None not in pair and pair[0] != pair[1] for pair in scored) else None


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
