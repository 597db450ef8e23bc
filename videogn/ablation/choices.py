"""What a search has found: of each point, the trials of its values and the best of them, recorded once and for all.

OUT/tuning.json holds every choice with the search that it was made over. More seeds of results change none; a search
that is widened by values or tuning seeds chooses anew, and the choice before is kept beside.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from videogn.ablation.axes import plain_text
from videogn.ablation.cells import Cell, cells_of, point_label
from videogn.ablation.outcome import Outcome, read_outcomes
from videogn.ablation.search import Candidate, candidate_text, candidates_of, distance, is_same
from videogn.ablation.study import Study
from videogn.ablation.tuning import best_cells_of, tuning_cells_of
from videogn.files import read_json, write_json
from videogn.training.kinds import is_of


class _Search(TypedDict):
    chosen: dict[str, Any]
    tune: dict[str, list[Any]]
    tuning_seeds: list[int]


class _Choice(_Search, total=False):
    """Of tuning.json; the first had no choices before it."""

    before: list[_Search]


@dataclass(frozen=True)
class Trial:
    """One candidate of a point, over the tuning seeds."""

    candidate: Candidate
    outcomes: tuple[Outcome, ...]

    @property
    def top1(self) -> float | None:
        """Mean top-1 in percent over the seeds that have one."""
        return _mean([outcome.result.top1 for outcome in self.outcomes if outcome.result is not None])

    @property
    def loss(self) -> float | None:
        """Mean loss, or None where one is not known."""
        losses = [outcome.result.loss for outcome in self.outcomes if outcome.result is not None]
        return None if None in losses else _mean([loss for loss in losses if loss is not None])

    @property
    def num_diverged(self) -> int:
        """Seeds whose training was no longer finite: what counts as worse than any result."""
        return sum(is_diverged(outcome) for outcome in self.outcomes)

    @property
    def is_settled(self) -> bool:
        """Whether all its seeds have a result, or none to be had."""
        return all(is_settled(outcome) for outcome in self.outcomes)


@dataclass(frozen=True)
class Search:
    """The search of one point.

    Args:
        base: Its settings without a search, dotted.
        same_as: The point whose search is the same computation; None where it is one of its own.
        recorded: What tuning.json says of it; None where nothing was chosen.
    """

    point: str
    labels: Mapping[str, str]
    trials: tuple[Trial, ...]
    base: Mapping[str, Any]
    same_as: str | None
    recorded: Mapping[str, Any] | None

    @property
    def is_settled(self) -> bool:
        """Whether all its trials are."""
        return all(trial.is_settled for trial in self.trials)

    def best(self, tune: Mapping[str, Sequence[Any]]) -> Trial | None:
        """Return the best trial: fewest diverged, highest top-1, lowest loss, nearest the base; None if none trains."""
        known = [trial for trial in self.trials if trial.top1 is not None]
        losses = [trial.loss for trial in known]

        def key(trial: Trial) -> tuple[float, ...]:
            loss = 0.0 if None in losses else trial.loss
            assert trial.top1 is not None
            assert loss is not None
            return (trial.num_diverged, -round(trial.top1, 6), loss, distance(trial.candidate, self.base, tune))

        return min(known, key=key, default=None)


def is_diverged(outcome: Outcome) -> bool:
    """Return whether a training was no longer finite."""
    return outcome.failure is not None and outcome.failure.kind == "not finite"


def is_settled(outcome: Outcome) -> bool:
    """Return whether a cell is not to be run again: it has a result, or shows that its value can't be trained with."""
    return outcome.state == "done" or (outcome.cell.kind == "tuning" and is_diverged(outcome))


def with_no_best(study: Study, searches: Sequence[Search], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes, those of points that have no best marked as such: every value of their search diverged."""
    points = {one.point for one in searches if one.is_settled and not one.recorded and one.best(study.tune) is None}
    return [replace(one, state="no best") if one.cell.is_open and one.cell.point in points else one for one in outcomes]


def is_to_run(outcome: Outcome) -> bool:
    """Return whether a cell is to be run now: it is no other's computation, not settled, and its values are known."""
    return outcome.cell.same_as is None and not outcome.cell.is_open and not is_settled(outcome)


def searches_of(study: Study, base: Mapping[str, Any], *, out: Path) -> list[Search]:
    """Return the search of each point, in the order of the grid; none where nothing is tuned."""
    records = _records(out)
    by_point: dict[str, list[Outcome]] = {}
    outcomes = read_outcomes(tuning_cells_of(study, base), out=out)
    points = {outcome.cell.name: outcome.cell.point for outcome in outcomes}
    for outcome in outcomes:
        by_point.setdefault(outcome.cell.point, []).append(outcome)
    plain = {cell.point: cell.effective for cell in cells_of(study, base)}
    found = []
    for point, own in by_point.items():
        trials = tuple(
            Trial(candidate, tuple(one for one in own if is_same(one.cell.candidate or {}, candidate)))
            for candidate in candidates_of(study.tune)
        )
        record = records.get(point)
        other = own[0].cell.same_as
        found.append(
            Search(
                point=point,
                labels=own[0].cell.labels,
                trials=trials,
                base=plain[point],
                same_as=None if other is None else points[other],
                recorded=record if record is not None and _is_of(record, study) else None,
            )
        )
    return found


def choose(study: Study, base: Mapping[str, Any], *, out: Path) -> list[str]:
    """Record the best of each search that has ended since; return what was chosen, a sentence each.

    What is recorded stays, also where a run in OUT is another now.
    """
    records, said = _records(out), []
    searches = [one for one in searches_of(study, base, out=out) if one.recorded is None and one.is_settled]
    for search in searches:
        best = search.best(study.tune)
        if best is None:
            continue
        before = records.get(search.point)
        records[search.point] = {
            "labels": dict(search.labels),
            "chosen": dict(best.candidate),
            "tune": study.tune,
            "tuning_seeds": list(study.tuning_seeds),
            "trials": [
                {"settings": dict(t.candidate), "top1": t.top1, "loss": t.loss, "diverged": t.num_diverged}
                for t in search.trials
            ],
            "before": [] if before is None else [*before.get("before", []), {**before, "before": []}],
        }
        if search.same_as is None:
            changed = "" if before is None else f" (before the search was widened: {candidate_text(before['chosen'])})"
            said.append(
                f"{point_label(search.labels)}: chosen {candidate_text(best.candidate)}, top-1 {best.top1:.1f} on the "
                f"videos that judge{changed}"
            )
    if searches:
        write_json(out / "tuning.json", records, ensure_ascii=True)
    return said


def with_search(study: Study, base: Mapping[str, Any], cells: Sequence[Cell], *, out: Path) -> list[Cell]:
    """Return a study's cells at the same settings, and behind them those of its search and at each point's best."""
    return [*cells, *tuning_cells_of(study, base), *best_cells_of(study, base, cells, chosen=chosen_of(study, out=out))]


def chosen_of(study: Study, *, out: Path) -> dict[str, Candidate]:
    """Return what was chosen by the study's search, by Cell.point; not by a narrower one before it."""
    return {point: record["chosen"] for point, record in _records(out).items() if _is_of(record, study)}


def _records(out: Path) -> dict[str, Any]:
    path = out / "tuning.json"
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} cannot be read ({error}); remove it to have the choices made again") from error
    if not is_of(found, dict[str, _Choice]):
        raise ValueError(f"{path} holds no choices of a search; remove it to have them made again")
    return found


def _is_of(record: Mapping[str, Any], study: Study) -> bool:
    """Return whether a choice was made over the values and seeds that the study asks for now, in whatever order."""
    then, now = (
        {name: sorted(map(plain_text, values)) for name, values in {**tune, "tuning_seeds": seeds}.items()}
        for tune, seeds in ((record["tune"], record["tuning_seeds"]), (study.tune, study.tuning_seeds))
    )
    return then == now


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
