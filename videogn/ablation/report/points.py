"""A point of the grid over its seeds: means and intervals, and differences paired by seed.

Accuracies are in percent, differences in points; error is 100 - top-1.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import are_mixed
from videogn.ablation.report.statistics import Estimate, estimate, paired_difference
from videogn.ablation.study import Study
from videogn.training.result import Result

# Where the clips of a test start (data/sampling.py).
_POLICIES = {
    "nonlocal": (
        "clip j of n starts at frame N · j / n of a video's N frames, j from 0, and the last clips wrap around to its "
        "beginning, as in the code of Non-local Neural Networks"
    ),
    "spread": "clips start evenly from the first frame to the last at which a whole clip is left",
}


@dataclass(frozen=True)
class Point:
    """One level on each axis, over the study's seeds.

    Args:
        labels: The levels, by the axes' names.
        outcomes: One for each seed of the study, done or not.
        same_as: Levels of the point that is run in its place, where the two are the same computation.
    """

    labels: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    same_as: Mapping[str, str] | None

    @property
    def results(self) -> dict[int, Result]:
        """The results that are there, by seed."""
        return {outcome.cell.seed: outcome.result for outcome in self.outcomes if outcome.result is not None}

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of the cells that are run for it; the same as another point's where the two are one computation."""
        return tuple(outcome.cell.same_as or outcome.cell.name for outcome in self.outcomes)

    @property
    def is_mixed(self) -> bool:
        """Whether its seeds are of different data, starts, protocols or code, and so have no mean."""
        return are_mixed(self.outcomes)

    @property
    def top1(self) -> Estimate | None:
        """Top-1 over seeds; None without results, or where they are mixed."""
        return self._over_seeds(lambda result: result.top1)

    @property
    def top5(self) -> Estimate | None:
        """Top-5 over seeds; None where a result does not say it."""
        return self._over_seeds(lambda result: result.top5)

    def _over_seeds(self, of: Callable[[Result], float | None]) -> Estimate | None:
        values = [of(result) for result in self.results.values()]
        known = [value for value in values if value is not None]
        # A mean of some of the seeds would pass for one of all.
        if self.is_mixed or len(known) < len(values):
            return None
        return estimate(known, least_deviation=video_step(self.results.values()) / math.sqrt(12))


def points_of(study: Study, outcomes: Sequence[Outcome]) -> list[Point]:
    """Return a point for each combination of levels, in the order of the study's axes."""
    labels_by_name = {outcome.cell.name: outcome.cell.labels for outcome in outcomes}
    by_levels: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        by_levels.setdefault(tuple(outcome.cell.labels.values()), []).append(outcome)
    points = []
    for levels in product(*(axis.levels for axis in study.parsed_axes)):
        here = by_levels[tuple(level.label for level in levels)]
        other = here[0].cell.same_as
        points.append(Point(here[0].cell.labels, tuple(here), None if other is None else labels_by_name[other]))
    return points


def point_at(points: Iterable[Point], labels: Mapping[str, str]) -> Point:
    """Return the point of these levels."""
    return next(point for point in points if dict(point.labels) == dict(labels))


def obstacle(point: Point, reference: Point) -> Literal["mixed", "other videos"] | None:
    """Return why two points can't be compared; None where nothing is in the way.

    "mixed": not of the same data, start, protocol and code; "other videos": of a seed, one was scored on more videos.
    """
    ours, theirs = point.results, reference.results
    shared = ours.keys() & theirs.keys()
    if are_mixed(o for o in (*point.outcomes, *reference.outcomes) if o.cell.seed in shared):
        return "mixed"
    scored = [(ours[seed].num_videos_scored, theirs[seed].num_videos_scored) for seed in shared]
    return "other videos" if any(None not in pair and pair[0] != pair[1] for pair in scored) else None


def difference(point: Point, reference: Point) -> Estimate | None:
    """Return the point's top-1 less the reference's, paired by seed.

    None where no seed has both, or an obstacle is in the way.
    """
    ours, theirs = point.results, reference.results
    shared = [seed for seed in ours if seed in theirs]
    if obstacle(point, reference) is not None:
        return None
    return paired_difference(
        {seed: ours[seed].top1 for seed in shared},
        {seed: theirs[seed].top1 for seed in shared},
        # Two accuracies, each rounded.
        least_deviation=video_step([r[seed] for r in (ours, theirs) for seed in shared]) / math.sqrt(6),
    )


def video_step(results: Iterable[Result]) -> float:
    """Return the points that one video makes; an accuracy is rounded to them, which has the variance step^2 / 12."""
    scored = [result.num_videos_scored for result in results if result.num_videos_scored]
    return 100 / min(scored) if scored else 0.0


def status_of(outcomes: Sequence[Outcome]) -> str:
    """Return how much of a study there is, such as "3 of 4 cells done, 1 failed"."""
    words = {"failed": "failed", "stopped": "begun and not done", "waiting": "not run"}
    done = sum(outcome.state == "done" for outcome in outcomes)
    parts = [f"{done} of {len(outcomes)} cells done"]
    for state, word in words.items():
        number = sum(outcome.state == state for outcome in outcomes)
        parts += [f"{number} {word}"] if number else []
    return ", ".join(parts)


def protocol_text(results: Iterable[Result]) -> str:
    """Return the protocol of results, or all of them where they differ; "-" where none is known."""
    return " and ".join(_known(result.protocol_and_policy for result in results)) or "-"


def policy_note(results: Iterable[Result]) -> str | None:
    """Return what the rule in brackets behind a protocol means; None where no result names one."""
    protocols = protocol_text(results)
    rules = [f"{name}: {meaning}" for name, meaning in _POLICIES.items() if f"({name})" in protocols]
    return f"Protocol, clips × crops of each video; {'; '.join(rules)}. A single clip is the centre." if rules else None


def coverage_text(results: Iterable[Result]) -> str:
    """Return "scored / expected" videos, such as "60 / 60" or, over seeds that differ, "59–60 / 60"."""
    results = list(results)
    scored = range_text(result.num_videos_scored for result in results)
    return f"{scored} / {range_text(result.num_videos_expected for result in results)}"


def range_text(values: Iterable[float | None], *, text: Callable[[Any], str] = str) -> str:
    """Return the one value, or the least and the largest; "-" where none is known."""
    known = sorted(_known(values))
    if not known:
        return "-"
    ends = list(dict.fromkeys([text(known[0]), text(known[-1])]))
    return "–".join(ends)


def _known(values: Iterable[Any]) -> list[Any]:
    """Return the different values, in order of appearance, less None."""
    return list(dict.fromkeys(value for value in values if value is not None))
