"""A point of the grid over its seeds: means and intervals.

Accuracies are in percent; error is 100 - top-1.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import are_mixed
from videogn.ablation.report.estimates import Estimate, estimate
from videogn.ablation.study import Study
from videogn.training.result import Result


@dataclass(frozen=True)
class Point:
    """One level on each axis, over the study's seeds.

    Args:
        labels: The levels, by the axes' names.
        outcomes: One for each seed of the study, done or not.
        same_as: Levels of the point that is run in its place, where the two are the same computation.
        alpha: 1 less the nominal confidence of the study's intervals.
    """

    labels: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    same_as: Mapping[str, str] | None
    alpha: float

    @property
    def levels(self) -> tuple[str, ...]:
        """What tells it from the study's other points."""
        return tuple(self.labels.values())

    @cached_property
    def results(self) -> dict[int, Result]:
        """The results that are there, by seed."""
        return {outcome.cell.seed: outcome.result for outcome in self.outcomes if outcome.result is not None}

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """The names of the cells that are run for it; the same as another point's where the two are one computation."""
        return tuple(outcome.cell.same_as or outcome.cell.name for outcome in self.outcomes)

    @cached_property
    def is_mixed(self) -> bool:
        """Whether its seeds are of different data, starts, protocols or code, and so have no mean."""
        return are_mixed(self.outcomes)

    @cached_property
    def top1(self) -> Estimate | None:
        """Top-1 over seeds; None without results, or where they are mixed."""
        return self._over_seeds(lambda result: result.top1)

    @cached_property
    def top5(self) -> Estimate | None:
        """Top-5 over seeds; None where a result does not say it."""
        return self._over_seeds(lambda result: result.top5)

    def _over_seeds(self, of: Callable[[Result], float | None]) -> Estimate | None:
        values = [of(result) for result in self.results.values()]
        known = [value for value in values if value is not None]
        # A mean of some of the seeds would pass for one of all.
        if self.is_mixed or len(known) < len(values):
            return None
        return estimate(known, alpha=self.alpha, least_deviation=video_step(self.results.values()) / math.sqrt(12))


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
        same_as = None if other is None else labels_by_name[other]
        points.append(Point(here[0].cell.labels, tuple(here), same_as, study.alpha))
    return points


def point_at(points: Iterable[Point], labels: Mapping[str, str]) -> Point:
    """Return the point of these levels."""
    return next(point for point in points if dict(point.labels) == dict(labels))


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
