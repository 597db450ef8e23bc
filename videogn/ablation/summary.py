"""What a study's results say together: mean and spread over seeds, and what forbids reading them together.

Accuracies are in percent; error is 100 - top-1.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from videogn.ablation.outcome import Outcome, Result
from videogn.ablation.study import BATCH_STATISTICS_NORMS, Study


@dataclass(frozen=True)
class Point:
    """One norm at one normalisation batch, over the seeds that are done.

    Args:
        norm: The norm.
        norm_batch_size: The normalisation batch.
        outcomes: One for each seed of the study, done or not.
        is_shared: The same runs stand for every normalisation batch.
    """

    norm: str
    norm_batch_size: int
    outcomes: tuple[Outcome, ...]
    is_shared: bool

    @property
    def results(self) -> list[Result]:
        """The results of the seeds that are done."""
        return [outcome.result for outcome in self.outcomes if outcome.result is not None]

    @property
    def is_mixed(self) -> bool:
        """Whether its results are of different protocols or data, and so have no mean."""
        return any(len(_known(self.results, of)) > 1 for of in (_protocol, _fingerprint))

    @property
    def top1(self) -> float | None:
        """Mean top-1 accuracy over seeds; None without results, or where they are mixed."""
        return self._mean([result.top1 for result in self.results])

    @property
    def top1_deviation(self) -> float | None:
        """Sample standard deviation of top-1 over seeds; None for fewer than two."""
        values = [result.top1 for result in self.results]
        return None if self.is_mixed or len(values) < 2 else statistics.stdev(values)

    @property
    def top5(self) -> float | None:
        """Mean top-5 accuracy over seeds; None where a result does not say it."""
        values = [result.top5 for result in self.results if result.top5 is not None]
        return self._mean(values) if len(values) == len(self.results) else None

    def _mean(self, values: Sequence[float]) -> float | None:
        return None if self.is_mixed or not values else statistics.fmean(values)


def points_of(study: Study, outcomes: Sequence[Outcome]) -> list[Point]:
    """Return a point for each norm and normalisation batch, in the study's order of norms, large batches first."""
    points = []
    for norm in study.norms:
        for size in sorted(study.norm_batch_sizes, reverse=True):
            here = tuple(o for o in outcomes if o.cell.norm == norm and size in o.cell.norm_batch_sizes)
            is_shared = any(outcome.cell.is_shared for outcome in here)
            points.append(Point(norm=norm, norm_batch_size=size, outcomes=here, is_shared=is_shared))
    return points


def warnings_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what forbids, or limits, comparing these results, each as a sentence."""
    done = [(outcome, outcome.result) for outcome in outcomes if outcome.result is not None]
    warnings = []
    for what, of in (
        ("PROTOCOLS DIFFER", _protocol),
        ("DATA DIFFER: dataset fingerprints", _fingerprint),
        ("NUMBERS OF VIDEOS DIFFER: videos expected", lambda result: result.num_videos_expected),
        ("NUMBERS OF UPDATES DIFFER: optimiser steps", lambda result: result.steps),
    ):
        cells_by_value: dict[Any, list[str]] = {}
        for outcome, result in done:
            if of(result) is not None:
                cells_by_value.setdefault(of(result), []).append(outcome.cell.name)
        if len(cells_by_value) > 1:
            listed = "; ".join(f"{value} in {', '.join(names)}" for value, names in cells_by_value.items())
            warnings.append(f"{what} between cells, which cannot be compared as they stand: {listed}.")
    for outcome, result in done:
        expected, scored = result.num_videos_expected, result.num_videos_scored
        if expected is not None and scored is not None and scored < expected:
            warnings.append(f"{outcome.cell.name}: only {scored} of {expected} videos were scored.")
        warnings += _setup_warnings(outcome, result)
    return warnings


def _setup_warnings(outcome: Outcome, result: Result) -> list[str]:
    """Return where a run says that it was another than its cell asked for."""
    asked = outcome.cell.identity
    if outcome.cell.norm not in BATCH_STATISTICS_NORMS:
        del asked["norm_batch_size"]
    return [
        f"{outcome.cell.name}: its result.json says {name} {result.setup[name]!r}, and {value!r} was asked for."
        for name, value in asked.items()
        if result.setup.get(name) is not None and result.setup[name] != value
    ]


def status_of(outcomes: Sequence[Outcome]) -> str:
    """Return how much of a study there is, such as "3 of 4 cells done; 1 failed"."""
    count = {state: sum(o.state == state for o in outcomes) for state in ("done", "failed", "missing")}
    parts = [f"{count['done']} of {len(outcomes)} cells done"]
    if count["failed"]:
        parts.append(f"{count['failed']} failed")
    if count["missing"]:
        parts.append(f"{count['missing']} not run")
    return "; ".join(parts)


def protocol_text(results: Iterable[Result]) -> str:
    """Return the protocol of results, or all of them where they differ; "-" where none is known."""
    return " and ".join(_known(results, _protocol)) or "-"


def coverage_text(results: Iterable[Result]) -> str:
    """Return "scored / expected" videos, such as "60 / 60" or, over seeds that differ, "59-60 / 60"."""
    results = list(results)
    scored = _range_text(result.num_videos_scored for result in results)
    expected = _range_text(result.num_videos_expected for result in results)
    return f"{scored} / {expected}"


def _range_text(values: Iterable[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    if not known:
        return "-"
    return str(known[0]) if len(known) == 1 else f"{known[0]}-{known[-1]}"


def _known(results: Iterable[Result], of: Callable[[Result], Any]) -> list[Any]:
    """Return the different values that results have, in order of appearance, less None."""
    return list(dict.fromkeys(value for value in map(of, results) if value is not None))


def _protocol(result: Result) -> str | None:
    return result.protocol


def _fingerprint(result: Result) -> str | None:
    return result.dataset_fingerprint
