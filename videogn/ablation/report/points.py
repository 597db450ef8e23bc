"""A point of the grid over its seeds: means and intervals.

Accuracies are in percent; error is 100 - top-1.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from types import MappingProxyType

from videogn.ablation.cells import Kind
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import are_mixed
from videogn.ablation.report.estimates import ALPHA, Estimate, estimate
from videogn.ablation.report.scores import crossed
from videogn.ablation.study import Study
from videogn.training.result import Result
from videogn.training.video_scores import VideoScores
from videogn.wording import duration_text


@dataclass(frozen=True)
class Point:
    """One level on each axis, over the study's seeds.

    Args:
        outcomes: One for each seed of the study, done or not.
        same_as: Levels of the point that is run in its place, where the two are the same computation.
        scores: What its runs found of each test video, by seed, where that is known.
        alpha: 1 less the nominal confidence of the study's intervals.
        least_num: Seeds that an interval needs.
    """

    labels: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    same_as: Mapping[str, str] | None
    scores: Mapping[int, VideoScores] = field(default_factory=dict)
    alpha: float = ALPHA
    least_num: int = 2

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
        return self._over_seeds(lambda result: result.top1, k=1)

    @cached_property
    def top5(self) -> Estimate | None:
        """Top-5 over seeds; None where a result does not say it."""
        return self._over_seeds(lambda result: result.top5, k=5)

    def _over_seeds(self, of: Callable[[Result], float | None], *, k: int) -> Estimate | None:
        values = [of(result) for result in self.results.values()]
        known = [value for value in values if value is not None]
        # A mean of some of the seeds would pass for one of all.
        if self.is_mixed or len(known) < len(values):
            return None
        scores, groups = crossed([self.scores], signs=[1], seeds=list(self.results), k=k) or (None, None)
        step = video_step(self.results.values())
        return estimate(
            known,
            alpha=self.alpha,
            least_deviation=step / math.sqrt(12),
            least_num=self.least_num,
            scores=scores,
            groups=groups,
            num_videos=round(100 / step) if step else 1,
        )


def points_of(
    study: Study,
    outcomes: Sequence[Outcome],
    scores: Mapping[str, VideoScores] = MappingProxyType({}),
    *,
    kind: Kind = "same",
) -> list[Point]:
    """Return a point for each combination of levels, in the order of the study's axes, over its cells of one kind.

    Args:
        scores: What the runs found of each test video, by the name of the cell that was run.
    """
    labels_by_name = {outcome.cell.name: outcome.cell.labels for outcome in outcomes}
    by_levels: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.cell.kind != kind:
            continue
        by_levels.setdefault(tuple(outcome.cell.labels.values()), []).append(outcome)
    points = []
    for levels in product(*(axis.levels for axis in study.parsed_axes)):
        here = by_levels[tuple(level.label for level in levels)]
        own, other = here[0].cell.labels, labels_by_name.get(here[0].cell.same_as or "")
        found = {each.cell.seed: scores.get(each.cell.same_as or each.cell.name) for each in here if each.result}
        points.append(
            Point(
                own,
                tuple(here),
                None if other == own else other,
                {seed: one for seed, one in found.items() if one is not None},
                study.alpha,
                study.least_num,
            )
        )
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
    words = {"failed": "failed", "stopped": "begun and not done", "waiting": "not run", "no best": "without a best"}
    done = sum(outcome.state == "done" for outcome in outcomes)
    parts = [f"{done} of {len(outcomes)} cells done"]
    for state, word in words.items():
        number = sum(outcome.state == state for outcome in outcomes)
        parts += [f"{number} {word}"] if number else []
    return ", ".join(parts)


def cost_text(outcomes: Sequence[Outcome]) -> str:
    """Return what the runs cost that are done, such as "9 runs, 12 min of device time (training 11 min, test 36 s)".

    Of results and a search together, also how many are of the search.
    """
    done = [one for one in outcomes if one.result is not None and one.cell.same_as is None]
    results = [outcome.result for outcome in done if outcome.result is not None]
    times = [[device_seconds(result, name) for result in results] for name in ("train_seconds", "test_seconds")]
    seconds = [[each for each in known if each is not None] for known in times]
    num_tuning = sum(outcome.cell.kind == "tuning" for outcome in done)
    runs = f"{len(results)} run{'' if len(results) == 1 else 's'}"
    runs += f" ({num_tuning} of the search)" if 0 < num_tuning < len(done) else ""
    if not results or any(len(known) < len(results) for known in seconds):
        return runs
    train, test = map(sum, seconds)
    return (
        f"{runs}, {duration_text(train + test)} of device time (training {duration_text(train)}, test "
        f"{duration_text(test)})"
    )


def device_seconds(result: Result, name: str) -> float | None:
    """Return train_seconds or test_seconds of a result, times its devices; None where it does not say them."""
    seconds = getattr(result, name)
    return None if seconds is None else seconds * (result.num_devices or 1)
