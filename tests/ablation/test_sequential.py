"""Seeds until decided: intervals hold under looking, by simulations that know the truth; and what is asked for next."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from shutil import rmtree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from tests.ablation.studies import cells, make_study, result
from videogn.ablation.outcome import Failure, Outcome
from videogn.ablation.report.contrasts import contrasts_of
from videogn.ablation.report.deciding import cells_to_run, check_compared, look_at, look_text, stopping_note
from videogn.ablation.report.findings import findings_of
from videogn.ablation.report.points import points_of
from videogn.ablation.report.write import write_report
from videogn.ablation.sequential import SeedRule, chance_of_a_miss, nominal_alpha
from videogn.ablation.study import Study
from videogn.commands import ablate
from videogn.training.result import Result

RULE = {"from": 3, "until": 1.0, "at_most": 12}
TWO = Study(base="b", axes={"model.norm": ["gn", "bn"]}, seeds=RULE)


def to_run(study: Study, now: list[Outcome]) -> list:
    return cells_to_run(now, look_at(study, now))


def simulated_chance(level: float, *, at_most: int, num: int, start: int = 2) -> float:
    """Return the share of simulated sequences in which an interval misses at any look."""
    values = np.random.default_rng(0).standard_normal((num, at_most))
    missed = np.zeros(num, dtype=bool)
    for n in range(start, at_most + 1):
        first = values[:, :n]
        error = first.std(axis=1, ddof=1) / np.sqrt(n)
        missed |= np.abs(first.mean(axis=1)) > student.ppf(1 - level / 2, n - 1) * error
    return missed.mean()


@pytest.mark.parametrize(("level", "start", "at_most"), [(0.05, 2, 3), (0.05, 2, 12), (0.0076, 3, 20), (0.05, 5, 8)])
def test_the_chance_of_a_miss_is_that_of_a_simulation(request, level, start, at_most):
    num = 2_000_000 if request.config.getoption("--full") else 100_000
    simulated = simulated_chance(level, at_most=at_most, num=num, start=start)
    error = (simulated * (1 - simulated) / num) ** 0.5
    assert chance_of_a_miss(level, at_most=at_most, start=start) == pytest.approx(simulated, abs=3 * error + 1e-4)


@settings(max_examples=30)
@given(st.floats(1e-12, 1.0), st.integers(2, 9))
@example(1 - 1e-16, 3)
@example(1 - 1e-7, 9)
@example(1.0, 9)
@example(0.0, 9)
def test_looks_cost_something_and_no_more_than_the_sum_of_them(level, at_most):
    chance = chance_of_a_miss(level, at_most=at_most)
    assert level * (1 - 1e-9) <= chance <= min(1.0, level * (at_most - 1)) + 1e-9


def test_the_nominal_level_makes_the_chance_what_is_wanted():
    assert nominal_alpha(2) == 0.05  # one look
    for at_most, alpha in ((3, 0.05), (12, 0.05), (12, 0.01)):
        level = nominal_alpha(at_most, alpha)
        assert alpha / (at_most - 1) < level < alpha  # looks depend on each other, and are not the same
        assert chance_of_a_miss(level, at_most=at_most) == pytest.approx(alpha, rel=1e-3)
    assert f"at the nominal level of {100 * (1 - nominal_alpha(20, start=3)):.2f} %" in " ".join(
        ablate.DESCRIPTION.split()
    )


# Simulated studies: real cells, results with an effect planted in them, looked at by the code that runs a study.


@dataclass(frozen=True)
class Ended:
    num_seeds: int
    mean: float
    half_width: float
    decision: str


def outcomes(study: Study, top1: Callable, *, num_seeds: int, failed: tuple[str, ...] = ()) -> list[Outcome]:
    """Return what became of a study's cells, those of the first seeds done."""
    failure = Failure("killed", "fit", -9, "by signal 9", [])
    found = []
    for cell in cells(study):
        if cell.seed >= num_seeds:
            found.append(Outcome(cell, "waiting"))
        elif cell.name in failed:
            found.append(Outcome(cell, "failed", failure=failure))
        else:
            found.append(Outcome(cell, "done", result=Result(**result(cell, top1(cell)))))
    return found


def simulate(study: Study, *, effect: float, deviation: float, num: int) -> list[Ended]:
    """Return how studies end; accuracies are whole videos of 400, and seeds move both settings alike, too."""
    rng, rule, ended = np.random.default_rng(1), study.seed_rule, []
    waiting = outcomes(study, lambda cell: 0.0, num_seeds=0)
    done = outcomes(study, lambda cell: 0.0, num_seeds=rule.at_most)
    for _ in range(num):
        common = rng.normal(70, 3, rule.at_most)
        own = {"gn": common, "bn": common + effect + rng.normal(0, deviation, rule.at_most)}
        results = [
            replace(o, result=replace(o.result, top1=round(own[o.cell.norm][o.cell.seed] * 4) / 4)) for o in done
        ]
        look = None
        while look is None or len(look.seeds) > look.num_seeds:
            num_seeds = rule.start if look is None else len(look.seeds)
            now = [r if r.cell.seed < num_seeds else w for r, w in zip(results, waiting, strict=True)]
            look = look_at(study, now)
        ((contrast, decision),) = look.decisions
        ended.append(Ended(look.num_seeds, contrast.difference.mean, contrast.difference.half_width, decision))
    return ended


def covered(ended: list[Ended], effect: float) -> float:
    return float(np.mean([abs(one.mean - effect) <= one.half_width for one in ended]))


@pytest.fixture
def num_studies(request) -> int:
    return 2000 if request.config.getoption("--full") else 100


@pytest.fixture
def at_most(request) -> int:
    return 20 if request.config.getoption("--full") else 8


@pytest.mark.parametrize(("effect", "until"), [(0.0, 0.01), (2.0, 1.5)])
def test_intervals_hold_although_studies_end_by_them(num_studies, at_most, effect, until):
    # A study that ends by its intervals alone (0.01 is never reached) is the hardest on them.
    study = replace(TWO, seeds={**RULE, "until": until, "at_most": at_most})
    ended = simulate(study, effect=effect, deviation=2.0, num=num_studies)
    assert covered(ended, effect) >= 0.95 - 3 * (0.95 * 0.05 / num_studies) ** 0.5
    assert len({one.num_seeds for one in ended}) > 2
    assert {one.decision for one in ended} >= {"apart", "open" if until < 1 else "narrow"}


def test_the_same_studies_with_usual_intervals_are_wrong(num_studies, at_most, monkeypatch):
    monkeypatch.setattr(SeedRule, "nominal", lambda rule, alpha=0.05: alpha)
    monkeypatch.setattr(SeedRule, "worth", lambda rule, p: p)
    study = replace(TWO, seeds={**RULE, "until": 0.01, "at_most": at_most})
    assert covered(simulate(study, effect=0.0, deviation=2.0, num=num_studies), 0.0) < 0.9


def test_what_is_planted_is_found_and_soon(num_studies):
    ended = simulate(replace(TWO, seeds={**RULE, "at_most": 8}), effect=-8.0, deviation=2.0, num=num_studies // 2)
    assert all(one.decision == "apart" and one.mean < 0 for one in ended)
    assert 3 < np.mean([one.num_seeds for one in ended]) < 6


# What is asked for next.

GRID = {"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2]}


def alternating(cell) -> float:
    """BN is a point above GN with even seeds, and below with odd ones."""
    return 70.0 + (cell.norm == "bn") * (1.0 if cell.seed % 2 == 0 else -1.0)


def test_seeds_are_asked_for_one_at_a_time_until_at_most():
    study = replace(TWO, seeds={"from": 2, "until": 0.5, "at_most": 4})
    asked = []
    for num_seeds in range(5):
        now = outcomes(study, alternating, num_seeds=num_seeds)
        asked.append((look_at(study, now).num_seeds, [cell.name for cell in to_run(study, now)]))
    first = [f"{norm}-seed{seed}" for seed in (0, 1) for norm in ("gn", "bn")]
    assert asked == [
        (0, first), (0, first[2:]), (2, ["gn-seed2", "bn-seed2"]), (3, ["gn-seed3", "bn-seed3"]), (4, []),
    ]  # fmt: skip
    look = look_at(study, now)
    assert not look.is_over
    assert look_text(study, look).startswith("after 4 of at most 4 seeds: BN and GN: 0.00 ± ")
    assert look_text(study, look).endswith(", open; no seed is left")
    assert "Ended with the last of them, not decided." in stopping_note(study, look, now)


def test_a_seed_that_was_begun_is_ended_before_the_next_look():
    now = outcomes(TWO, lambda cell: 70.0 - 9 * (cell.norm == "bn"), num_seeds=4)
    assert look_at(TWO, now).is_over
    assert now[7].cell.name == "bn-seed3"
    now[7] = replace(now[7], state="stopped", result=None)
    look = look_at(TWO, now)
    assert (look.seeds, look.num_seeds, look.is_over) == ([0, 1, 2, 3], 0, False)
    assert [cell.name for cell in to_run(TWO, now)] == ["bn-seed3"]
    assert "What was begun is not all done, so that nothing was looked at yet." in stopping_note(TWO, look, now)


def test_failed_cells_are_counted_and_their_pairs_left_out():
    def top1(cell):
        return alternating(cell) - 9 * (cell.norm == "bn")

    now = outcomes(TWO, top1, num_seeds=6, failed=("bn-seed1",))
    look = look_at(TWO, now)
    ((contrast, decision),) = look.decisions
    assert (contrast.difference.num, contrast.difference.mean, decision) == (5, pytest.approx(-8.8), "apart")
    assert to_run(TWO, now) == []  # decided: not tried again either
    note = stopping_note(TWO, look, now)
    assert "Stopped after 6: decided. Cells of seed 1 failed: pairs without both results are left out, and no" in note
    open_still = outcomes(TWO, alternating, num_seeds=6, failed=("bn-seed1",))
    assert [cell.name for cell in to_run(TWO, open_still)] == ["bn-seed1", "gn-seed6", "bn-seed6"]


def test_a_comparison_that_no_seed_can_decide_keeps_nothing_going():
    study = replace(TWO, axes={"model.norm": ["gn", "bn", "ln"]}, baseline={})
    failed = tuple(f"bn-seed{seed}" for seed in range(3))
    now = outcomes(study, lambda cell: 70.0 - 9 * cell.seed * (cell.norm == "ln"), num_seeds=3, failed=failed)
    look = look_at(study, now)
    assert [decision for _, decision in look.decisions] == ["given up", "open"]
    same = outcomes(study, lambda cell: 70.0 - 30 * (cell.norm == "ln"), num_seeds=3, failed=failed)
    look = look_at(study, same)
    assert [decision for _, decision in look.decisions] == ["given up", "apart"]
    note = stopping_note(study, look, same)
    assert "Stopped after 3: decided, but for 1 comparison without results that can be compared." in note
    assert [cell.name for cell in to_run(study, same)] == list(failed)  # by a new command
    assert "The same command tries those of comparisons without results again." in note


def test_where_all_of_a_setting_failed_nothing_is_decided_and_it_is_tried_again():
    failed = tuple(f"bn-seed{seed}" for seed in range(3))
    now = outcomes(TWO, alternating, num_seeds=3, failed=failed)
    look = look_at(TWO, now)
    assert (look.seeds, look.is_over, look.is_decided) == ([0, 1, 2], True, False)  # none is added
    assert [cell.name for cell in to_run(TWO, now)] == list(failed)
    note = stopping_note(TWO, look, now)
    assert "Stopped after 3, and nothing is decided: there are no results that can be compared." in note
    assert look_text(TWO, look).endswith("given up; nothing is decided, and no seed is added")


def test_one_comparison_may_be_named_and_axes_that_are_not_are_at_the_baseline():
    between = [{"norm_batch_size": 2, "model": {"norm": "bn"}}, {"norm_batch_size": 2}]
    study = Study(base="b", axes=GRID, seeds={**RULE, "between": between})
    whole = [{"model.norm": "bn", "norm_batch_size": "2"}, {"model.norm": "gn", "norm_batch_size": "2"}]
    assert study.seeds["between"] == whole
    assert replace(study) == study

    def top1(cell):  # all is open but for BN and GN at 2
        return alternating(cell) - 40 * (cell.name.startswith("bn-nb2"))

    look = look_at(study, outcomes(study, top1, num_seeds=4))
    ((contrast, decision),) = look.decisions
    assert ([point.labels for point in contrast.points], decision) == (whole, "apart")
    assert look.is_over
    every = replace(study, seeds=RULE)
    look = look_at(every, outcomes(every, top1, num_seeds=4))
    assert [decision for _, decision in look.decisions] == ["open", "apart", "apart"]
    assert not look.is_over


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (replace(TWO, axes={"model.norm": ["gn"]}, baseline={}), "the study compares no two settings"),
        (
            Study(base="b", axes=GRID, seeds={**RULE, "between": [{"norm_batch_size": 2}, {}]}),
            "GN at normalisation batch 2 and GN at 16 are the same computation; name others",
        ),
    ],
)
def test_a_rule_that_nothing_can_end_is_refused(study, message):
    with pytest.raises(ValueError, match=message):
        check_compared(study, cells(study))
    check_compared(replace(study, seeds=[0]), cells(study))
    check_compared(TWO, cells(TWO))


def test_p_values_are_worth_less_where_one_looked_after_every_seed():
    rule = SeedRule(3, 1.0, 12)
    assert rule.worth(rule.nominal()) == pytest.approx(0.05, rel=1e-3)  # as intervals: of one level with all looks
    assert rule.worth(1e-6) > 3e-6
    assert (rule.worth(0.0), rule.worth(1.0)) == (0.0, 1.0)


def test_the_comparison_that_is_named_is_judged_by_itself_and_the_others_among_themselves():
    between = [{"model.norm": "bn", "norm_batch_size": 2}, {"model.norm": "gn", "norm_batch_size": 2}]
    by_itself, among_all = (
        contrasts_of(study, points_of(study, outcomes(study, alternating, num_seeds=4)))
        for study in (Study(base="b", axes=GRID, seeds=rule) for rule in (RULE | {"between": between}, RULE))
    )
    named, *others = by_itself
    assert [point.labels["model.norm"] for point in named.points] == ["bn", "gn"]
    assert named.adjusted == named.ps
    assert named.points in [one.points for one in among_all]
    assert len(others) == len(among_all) - 1
    assert [one.num_together for one in by_itself] == [1, 2, 0, 2]  # one is the same computation
    same = next(one for one in among_all if one.points == named.points)
    assert same.num_together == 3
    assert named.smallest_shown < same.smallest_shown
    # Of Holm's first step: 5 % of all looks together, over 3.
    assert same.level == nominal_alpha(12, 0.05 / 3, start=3)
    assert named.level == nominal_alpha(12, start=3)


def test_the_other_comparisons_are_judged_only_once_that_which_is_named_is_apart():
    between = [{"model.norm": "bn", "norm_batch_size": 16}, {"model.norm": "gn", "norm_batch_size": 16}]
    study = Study(base="b", axes=GRID, seeds=RULE | {"between": between})

    def found(named: float):
        def top1(cell):  # BN at 2 is far below all else
            return alternating(cell) - 40 * cell.name.startswith("bn-nb2") - named * cell.name.startswith("bn-nb16")

        now = outcomes(study, top1, num_seeds=4)
        return findings_of(study, points_of(study, now), contrasts_of(study, points_of(study, now)))

    closed, opened = found(0.0), found(30.0)
    assert not [text for text in closed.sentences if "below" in text]
    assert closed.notes[0].count("by itself, what is judged first is not") == 2
    assert len([text for text in opened.sentences if "below" in text]) == 3
    assert "the one that seeds were added for first and by itself, the others only once it is apart" in opened.sure


@pytest.mark.parametrize("is_reversed", [False, True])
def test_runs_are_compared_once_whatever_they_are_named_as(is_reversed):
    # GN at 2 is the same runs as GN at 16.
    between = [{"model.norm": "bn", "norm_batch_size": 2}, {"model.norm": "gn", "norm_batch_size": 16}]
    study = Study(base="b", axes=GRID, seeds=RULE | {"between": between[::-1] if is_reversed else between})
    found = contrasts_of(study, points_of(study, outcomes(study, alternating, num_seeds=4)))
    pairs = [frozenset(point.runs for point in one.points) for one in found if one.verdict != "same computation"]
    assert len(pairs) == len(set(pairs)) == 3


def test_seeds_are_added_until_comparisons_are_findings_among_all():
    study = replace(TWO, axes={"model.norm": ["gn", "bn", "ln"]}, baseline={}, seeds=RULE | {"until": 0.1})

    def top1(cell):
        return 70.0 + {"gn": 0.0, "bn": alternating(cell) - 70, "ln": [3.5, 4.0, 4.75, 3.5][cell.seed % 4]}[cell.norm]

    now = outcomes(study, top1, num_seeds=3)
    look = look_at(study, now)
    (_, (contrast, decision)) = look.decisions
    assert contrast.difference.low > 0 or contrast.difference.high < 0  # by itself
    assert (decision, contrast.verdict) == ("open", "open")
    (_, (contrast, decision)) = look_at(study, outcomes(study, top1, num_seeds=4)).decisions
    assert (decision, contrast.verdict) == ("apart", "apart")
    stated = replace(study, equivalence=30.0)
    decisions = [one for _, one in look_at(stated, outcomes(stated, top1, num_seeds=4)).decisions]
    assert decisions == ["within", "apart"]


def test_nothing_is_claimed_of_fewer_seeds_than_are_run_before_the_first_look():
    now = outcomes(TWO, lambda cell: 70.0 - 30 * (cell.norm == "bn"), num_seeds=3, failed=("bn-seed1",))
    ((contrast, decision),) = look_at(TWO, now).decisions
    assert (contrast.difference.num, contrast.difference.seeds, decision) == (2, None, "open")
    points = points_of(TWO, now)
    note = findings_of(TWO, points, contrasts_of(TWO, points)).notes[-1]
    assert note == "No judgement on 1 comparison, because fewer than 3 seeds have both results."


def test_the_report_of_a_rule_counts_the_seeds_that_were_asked_for(tmp_path):
    out = make_study(tmp_path, TWO, top1=lambda cell: 70.0 - (20.0 + cell.seed % 2) * (cell.norm == "bn"))
    for cell in cells(TWO):
        if cell.seed >= 4:  # of seeds that were not added nothing is there
            rmtree(out / "cells" / cell.name)
    text = write_report(out)["markdown"].read_text()
    assert re.search(r"BN is 20\.5 ± [\d.]+ points below GN on these videos\.", text)
    assert "Stopped after 4: decided." in text
    (out / "cells" / "bn-seed3" / "result.json").unlink()
    assert "points below GN on these videos, by 3 of 4 seeds." in write_report(out)["markdown"].read_text()


THREE = replace(TWO, axes={"model.norm": ["gn", "bn", "ln", "brn"]}, baseline={}, seeds=RULE | {"at_most": 6})
NAMED = replace(THREE, seeds=THREE.seeds | {"between": [{"model.norm": "bn"}, {"model.norm": "gn"}]})


def share_with_a_wrong_finding(study: Study, effects: dict[str, float], *, num: int) -> float:
    """Return how many studies say at any look that a setting is not GN's equal which is."""
    rng, done, wrong = np.random.default_rng(2), outcomes(study, lambda cell: 0.0, num_seeds=6), 0
    for _ in range(num):
        own = {norm: 70 + effects.get(norm, 0.0) + rng.normal(0, 2, 6) for norm in ("gn", "bn", "ln", "brn")}
        results = [replace(o, result=replace(o.result, top1=own[o.cell.norm][o.cell.seed])) for o in done]
        for num_seeds in range(3, 7):
            points = points_of(study, [one for one in results if one.cell.seed < num_seeds])
            found = [one for one in contrasts_of(study, points) if one.shows("apart", "these")]
            if any(one.points[0].labels["model.norm"] not in effects for one in found):
                wrong += 1
                break
    return wrong / num


@pytest.mark.parametrize(("study", "effects"), [(THREE, {}), (NAMED, {}), (NAMED, {"bn": -30.0})])
def test_few_studies_of_several_comparisons_say_what_is_wrong_at_any_look(request, monkeypatch, study, effects):
    num = 2000 if request.config.getoption("--full") else 60
    levels = np.geomspace(1e-12, 1.0, 60)  # between these, a line on a scale of logarithms
    worth = np.log([study.seed_rule.worth(level) for level in levels])
    monkeypatch.setattr(SeedRule, "worth", lambda _, p: float(np.exp(np.interp(np.log(p), np.log(levels), worth))))
    assert share_with_a_wrong_finding(study, effects, num=num) <= 0.05 + 3 * (0.05 * 0.95 / num) ** 0.5


def test_the_table_says_among_how_many_each_is_judged(tmp_path):
    between = [{"model.norm": "bn", "norm_batch_size": 2}, {"model.norm": "gn", "norm_batch_size": 16}]
    study = Study(base="b", axes=GRID, seeds={"from": 2, "until": 1.0, "at_most": 4, "between": between})
    out = make_study(tmp_path, study, top1=alternating)
    text = write_report(out)["markdown"].read_text()
    assert (
        "Holm: the same of the first, which seeds were added for, by itself, and that of the others among 2, " in text
    )
    study = replace(study, seeds={"from": 2, "until": 1.0, "at_most": 4})
    text = write_report(make_study(tmp_path / "all", study, top1=alternating))["markdown"].read_text()
    assert "Holm: the same among all 3 comparisons; " in text
