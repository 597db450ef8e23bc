"""The search of a tuned study in words: what judged it, what it found, where it ends at an edge, what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from videogn.ablation.axes import plain_text, value_text
from videogn.ablation.choices import Search, Trial, is_diverged, is_settled
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import mixture_of
from videogn.ablation.report.points import cost_text
from videogn.ablation.report.text import axis_words, level_words, point_words, protocol_text, range_text
from videogn.ablation.search import (
    HELD_OUT_SHARE,
    candidate_text,
    candidates_of,
    edge_of,
    has_test_list,
    is_same,
    widened,
)
from videogn.ablation.study import Study
from videogn.intervals import binomial_error
from videogn.page import Column, Table
from videogn.training.result import Result
from videogn.wording import counted, listed, number_text


def tuning_outcomes(searches: Sequence[Search]) -> list[Outcome]:
    """Return what became of every tuning run, each once."""
    outcomes = [outcome for search in searches for trial in search.trials for outcome in trial.outcomes]
    return [outcome for outcome in outcomes if outcome.cell.same_as is None]


def chosen_trial(search: Search) -> Trial | None:
    """Return the trial that was chosen and recorded; None where none was."""
    if search.recorded is None:
        return None
    return next((trial for trial in search.trials if is_same(trial.candidate, search.recorded["chosen"])), None)


def judge_text(searches: Sequence[Search]) -> str:
    """Return what a choice is judged on, in words."""
    videos = {has_test_list(search.base) for search in searches}
    kinds = {
        True: "the validation list, on which no result is scored (those are scored on the test list); all runs train "
        "on the whole training list",
        False: f"a held-out part of the training list, {100 * HELD_OUT_SHARE:.0f} % of it by class, groups whole, the "
        "same in every tuning run; these train on the rest, results on the whole list, and none is scored on it",
    }
    results = _results(searches)
    scored = range_text(result.num_videos_scored for result in results)
    number = f" ({scored} videos, protocol {protocol_text(results)})" if results else ""
    return " or ".join(kinds[one] for one in sorted(videos)) + number


def choice_facts(study: Study, searches: Sequence[Search], results: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Return of every choice which videos it was made on, and which videos the results are of."""
    has_own = {has_test_list(outcome.cell.effective) for outcome in results}
    own = "data.test_list, which neither trains nor validates a run"
    shared = "the videos that validate, too, so that nothing may be chosen by validation"
    facts = [("results", " or ".join(text for text, has in ((own, True), (shared, False)) if has in has_own))]
    if study.checkpoint == "last":
        facts.append(("checkpoint of a run", "the last, which is no choice"))
    else:
        flatters = ", which flatters where results are of the same videos" if False in has_own else ""
        facts.append(("checkpoint of a run", f"the best by the videos that validate{flatters}"))
    if searches:
        names = ", ".join(study.tune)
        facts.append((f"{names} at each one's best", f"top-1 on {judge_text(searches)}"))
    return facts


def budget_text(study: Study, searches: Sequence[Search]) -> str:
    """Return how many runs the search is."""
    num_candidates, num_seeds = len(candidates_of(study.tune)), len(study.tuning_seeds)
    num_runs = len(tuning_outcomes(searches))
    text = (
        f"{counted(num_candidates, 'candidate')} × {counted(num_seeds, 'tuning seed')} = "
        f"{counted(num_candidates * num_seeds, 'run')} for every setting, {counted(num_runs, 'run')} in all"
    )
    same = sum(search.same_as is not None for search in searches)
    return text + (f" ({counted(same, 'setting')} the same computation as another)" if same else "")


def search_facts(study: Study, searches: Sequence[Search], results: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Return what was searched and judged, and what it cost beside the results."""
    tried = "; ".join(f"{name}: {', '.join(map(value_text, values))}" for name, values in study.tune.items())
    own = tuning_outcomes(searches)
    done = sum(map(is_settled, own))
    return [
        ("values", f"{tried}, the same for every setting"),
        ("judged on", f"mean top-1 over the tuning seeds on {judge_text(searches)}"),
        ("tuning seeds", f"{', '.join(map(str, study.tuning_seeds))}, of which no result is"),
        ("checkpoint judged", _checkpoint_text(study, searches)),
        ("budget", budget_text(study, searches) + ("" if done == len(own) else f", {done} done")),
        ("cost", f"search: {cost_text(own)}; results: {cost_text(results)}"),
    ]


def search_table(study: Study, searches: Sequence[Search]) -> Table:
    """Return the mean top-1 of every point's every candidate, and what was chosen."""
    axes = list(searches[0].labels)
    candidates = candidates_of(study.tune)
    columns = [Column(axis_words(axis), is_name=True) for axis in axes]
    columns += [Column(candidate_text(candidate)) for candidate in candidates]
    columns += [Column("chosen", is_text=True), Column("at an edge", is_text=True)]
    words = {search.point: point_words(search.labels, is_short=True) for search in searches}
    rows = []
    for search in searches:
        names = [level_words(axis, search.labels[axis]) for axis in axes]
        if search.same_as is not None:
            rows.append((*names, *[""] * len(candidates), f"same runs as {words[search.same_as]}", ""))
            continue
        edges = [f"{name.rsplit('.', 1)[-1]}: the {edge}" for name, _, edge in _edges(study, search)]
        rows.append((*names, *map(_trial_text, search.trials), chosen_text(search), ", ".join(edges) or "-"))
    results = _results(searches)
    errors = [
        binomial_error(result.top1, num_videos=result.num_videos_scored)
        for result in results
        if result.num_videos_scored
    ]
    caption = (
        "Top-1 in percent on the videos that judge, mean over tuning seeds. Chosen: the highest; of equal ones, that "
        "of the lower loss, then the one nearest to the base config. A value with a diverged run counts as worse than "
        "any without."
    )
    if errors:
        error = range_text(errors, text=lambda value: f"{value:.1f}")
        caption += f" Its binomial standard error is {error} points: a smaller lead than that may be luck."
    return Table(tuple(columns), tuple(rows), caption)


def chosen_text(search: Search) -> str:
    """Return what was chosen at a point, or that nothing is yet."""
    if search.recorded is not None:
        return candidate_text(search.recorded["chosen"])
    return "none: every value diverged" if search.is_settled else "not yet"


def tuning_warnings(study: Study, searches: Sequence[Search], results: Sequence[Outcome]) -> list[str]:
    """Return what limits a search, and the choices that came of it, as sentences."""
    own, outcomes = [search for search in searches if search.same_as is None], tuning_outcomes(searches)
    warnings = _edge_warnings(study, own)
    for search in own:
        warnings += [f"In the search of {point_words(search.labels)}: {text}" for text in _mixtures(search)]
        if search.is_settled and search.best(study.tune) is None:
            warnings.append(f"{point_words(search.labels)} trains with no value of the search: it has no best.")
        now = search.best(study.tune)
        if search.recorded and now and not is_same(now.candidate, search.recorded["chosen"]):
            warnings.append(
                f"{point_words(search.labels)}: {candidate_text(search.recorded['chosen'])} was chosen, and stays; the "
                f"tuning runs that are there now would choose {candidate_text(now.candidate)}."
            )
        for before in (search.recorded or {}).get("before", []):
            if not is_same(before["chosen"], (search.recorded or {})["chosen"]):
                warnings.append(
                    f"{point_words(search.labels)}: before its search was widened, {candidate_text(before['chosen'])} "
                    "was chosen; the results at that are not in this report."
                )
    if diverged := [outcome.cell.name for outcome in outcomes if is_diverged(outcome)]:
        warnings.append(f"Diverged in the search, and counted as worse than any result: {', '.join(diverged)}.")
    if failed := [o.cell.name for o in outcomes if o.state == "failed" and not is_diverged(o)]:
        warnings.append(f"Failed in the search, so that nothing is chosen there yet: {', '.join(failed)}.")
    judged = {result.dataset_fingerprint for result in _results(searches)} - {None}
    if judged & {outcome.result.dataset_fingerprint for outcome in results if outcome.result is not None}:
        warnings.append(
            "THE SEARCH WAS JUDGED ON THE TESTED VIDEOS (their fingerprints are equal): accuracies at each setting's "
            "best are too high. Let data.test_list name other videos than data.val_list."
        )
    return warnings


def _checkpoint_text(study: Study, searches: Sequence[Search]) -> str:
    if study.checkpoint == "last":
        return "the last of each run, which nothing picked"
    which = "the same videos" if any(not has_test_list(search.base) for search in searches) else "the validation list"
    return f"the best of each run by its validation on {which}: what judges has picked it, alike for all values"


def _edges(study: Study, search: Search) -> list[tuple[str, Any, str]]:
    """Return (setting, value, "smallest" or "largest") of the chosen values that lie at an edge."""
    chosen: Mapping[str, Any] = (search.recorded or {}).get("chosen", {})
    found = ((name, value, edge_of(name, value, study.tune[name])) for name, value in chosen.items())
    return [(name, value, edge) for name, value, edge in found if edge is not None]


def wider_search(study: Study, searches: Sequence[Search]) -> list[str]:
    """Return the words of a command that widen a search whose choices lie at an edge; none where none does."""
    words = []
    for name, values in study.tune.items():
        wider = list(values)
        for search in searches:
            for _, value, edge in (one for one in _edges(study, search) if one[0] == name):
                known = list(map(plain_text, wider))
                new = [one for one in widened(name, value, values) or [] if plain_text(one) not in known]
                wider = [*new, *wider] if edge == "smallest" else [*wider, *new]
        if len(wider) > len(values):
            words += [f"--tune.{name}", f"[{', '.join(map(value_text, wider))}]"]
    return words


def _edge_warnings(study: Study, searches: Sequence[Search]) -> list[str]:
    """Return a sentence for each tuned setting of which a chosen value lies at an edge."""
    warnings = []
    for name in study.tune:
        at: dict[tuple[str, str], list[str]] = {}
        for search in searches:
            for _, value, edge in (one for one in _edges(study, search) if one[0] == name):
                at.setdefault((value_text(value), edge), []).append(point_words(search.labels))
        if at:
            where = "; ".join(f"{listed(words)} at {value}, the {edge} value" for (value, edge), words in at.items())
            warnings.append(
                f"At an edge of the search for {name}: {where}. A better one may lie beyond it. The section Search has "
                "the command that widens the search: all that is there is kept, every setting gets the new values, and "
                "chooses anew."
            )
    return warnings


def _mixtures(search: Search) -> list[str]:
    return mixture_of([outcome for trial in search.trials for outcome in trial.outcomes])


def _trial_text(trial: Trial) -> str:
    diverged = "" if not trial.num_diverged else f"{trial.num_diverged} of {len(trial.outcomes)} diverged"
    if trial.top1 is None:
        return diverged or "-"
    num_left = sum(not is_settled(outcome) for outcome in trial.outcomes)
    notes = [diverged] if diverged else []
    notes += [f"{num_left} of {len(trial.outcomes)} to come"] if num_left else []
    return number_text(trial.top1) + (f" ({', '.join(notes)})" if notes else "")


def _results(searches: Sequence[Search]) -> list[Result]:
    return [outcome.result for outcome in tuning_outcomes(searches) if outcome.result is not None]
