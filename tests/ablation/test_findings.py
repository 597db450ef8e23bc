"""Sentences appear where the interval says so, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ablation.studies import cells, change, fail, make_study, result
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.contrasts import contrasts_of
from videogn.ablation.report.estimates import estimate
from videogn.ablation.report.findings import findings_of
from videogn.ablation.report.gather import gather
from videogn.ablation.report.points import points_of
from videogn.ablation.report.tables import accuracy_table
from videogn.ablation.study import Study
from videogn.training.result import Result

TWO = Study(base="b", axes={"model.norm": ["gn", "bn"]}, seeds=[0, 1, 2, 3])


def outcomes(study: Study, top1) -> list[Outcome]:
    found = []
    for cell in cells(study):
        found.append(Outcome(cell, "done", result=Result(**result(cell, top1(cell)))))
    return found


def findings(study: Study, top1):
    points = points_of(study, outcomes(study, top1))
    return findings_of(study, points, contrasts_of(study, points))


def test_what_the_study_of_three_seeds_says(tmp_path):
    found = gather(make_study(tmp_path)).findings
    # BN at 2 less GN: -18, -23, -16.5: mean -19.167, sd 3.403, 4.3027 * 3.403 / sqrt(3) = 8.45.
    # BN at 2 less BN at 16: -20, -25, -16.5: mean -20.5, sd 4.272, half-width 10.61.
    # t = 9.755 and 8.311 on 2 degrees of freedom: p = 0.0103 and 0.0142; Holm: 3 x 0.0103, 2 x 0.0142 but not less.
    assert found.sentences == (
        "BN at normalisation batch 2 is 19.2 ± 8.5 points below GN at 2 on these videos.",
        "BN at normalisation batch 2 is 20.5 ± 10.6 points below BN at 16 on these videos.",
        "GN at normalisation batch 2 is the same computation as GN at 16: run once a seed, equal by construction.",
    )
    # BN less GN at 16: 2, 2, 0: mean 1.333, sd 1.155, half-width 2.87.
    # A third of 5 % on 2 degrees of freedom: t = 7.649; noncentral t gives 9.877, x 1.155 / sqrt(3).
    assert found.notes[0].startswith(
        "Not told apart on these videos, 1 comparison of 3: BN at normalisation batch 16 and GN at 16 (+1.3 ± 2.9; "
        "would show 6.6). “Would show”: "
    )
    assert found.notes[1].startswith("± is half of the interval of a comparison by itself, paired by seed: over seeds")
    # 400 videos: sqrt(89.5 * 10.5 / 400) = 1.53 at the best, sqrt(64 * 36 / 400) = 2.4 at the worst; 90 % gives 1.5.
    assert "Of 400 videos, the binomial standard error of an accuracy is 1.5–2.4 points here" in found.notes[2]
    assert "Nothing is claimed of videos like them in 3 comparisons" in found.notes[2]
    assert found.sure == (
        "How sure: 95 % intervals over 3 seeds for these 400 test videos, and nothing is claimed of videos like them. "
        "Of 3 comparisons, findings are what survives Holm's procedure: at most one study in 20 has any that is wrong."
    )


def test_of_a_tuned_study_the_level_is_said_of_each_answer():
    axes = {"model.norm": ["gn", "bn", "ln"]}
    study = Study(base="b", axes=axes, seeds=[0, 1, 2], tune={"model.base_lr": [0.1, 0.2]})
    assert findings(study, lambda cell: 50.0 + cell.seed).sure.endswith(
        "Holm's procedure: in each of the two answers, at most one study in 20 has any that is wrong."
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-80, 80), min_size=4, max_size=4), st.integers(-100, 100))
def test_a_difference_is_claimed_exactly_where_its_interval_excludes_zero(noise, shift):
    differences = [(shift + n) / 4 for n in noise]  # whole videos of 400
    if len(set(differences)) == 1:
        return
    found = findings(TWO, lambda cell: 50.0 + (differences[cell.seed] if cell.norm == "bn" else 0.0))
    by_hand = estimate(differences, least_deviation=0.25 / 6**0.5)
    claims = [s for s in found.sentences if "above" in s or "below" in s]
    assert bool(claims) == (by_hand.low > 0 or by_hand.high < 0)
    if claims:
        assert ("above" in claims[0]) == (by_hand.mean > 0)


def test_within_so_many_points_is_said_where_a_test_shows_it_and_the_study_states_them():
    def top1(cell):
        return 50.0 + ([0.0, 0.25, 0.25, 0.0][cell.seed] if cell.norm == "bn" else 0.0)

    assert findings(TWO, top1).sentences == ()
    # Mean 0.125, sd 0.1443, error 0.0722: t = (1 - 0.125) / 0.0722 = 12.12, p = 0.0006; (0.25 - 0.125): 1.73, p = 0.09.
    assert findings(replace(TWO, equivalence=1.0), top1).sentences == (
        "BN is within 1 point of GN on these videos (+0.12 ± 0.23).",
    )
    assert findings(replace(TWO, equivalence=0.25), top1).sentences == ()
    # Both: t = 0.875 / 0.0722 and (1.875 - 0.875) / 0.0722.
    found = findings(replace(TWO, equivalence=1.875), lambda cell: top1(cell) + 0.75 * (cell.norm == "bn"))
    assert found.sentences == (
        "BN is 0.9 ± 0.2 points above GN on these videos.",
        "BN is within 1.875 points of GN on these videos (+0.88 ± 0.23).",
    )
    for wrong in (0, -1.0, 100, True, "1"):
        with pytest.raises(ValueError, match="equivalence: got"):
            replace(TWO, equivalence=wrong)


def test_two_seeds_that_agree_by_chance_prove_nothing():
    found = findings(replace(TWO, seeds=[0, 1]), lambda cell: 50.25 if cell.norm == "bn" else 50.0)
    assert found.sentences == ()
    assert "Not told apart" in found.notes[0]


def test_one_seed_finds_nothing_and_says_why():
    found = findings(replace(TWO, seeds=[0]), lambda cell: 90.0 if cell.norm == "bn" else 10.0)
    assert found.sentences == ()
    assert len(found.notes) == 1
    assert found.notes[0].startswith("One seed: no finding.")


def test_comparisons_are_to_the_baselines_level_and_of_batches_to_the_largest():
    study = Study(
        base="b",
        axes={"norm_batch_size": [2, 16, 4], "model.norm": ["bn", "brn", "ln"]},
        baseline={"model.norm": "brn"},
    )
    points = points_of(study, outcomes(study, lambda cell: 50.0))
    pairs = {
        (c.axis, tuple(c.points[0].labels.values()), tuple(c.points[1].labels.values()))
        for c in contrasts_of(study, points)
        if c.verdict != "same computation"
    }
    batches = {("norm_batch_size", (size, norm), ("16", norm)) for size in ("2", "4") for norm in ("bn", "brn")}
    norms = {("model.norm", (size, norm), (size, "brn")) for size in ("2", "16", "4") for norm in ("bn", "ln")}
    assert pairs == batches | norms


def test_runs_that_stand_for_several_levels_are_compared_once():
    axes = {"model.norm": ["gn", "bn"], "clips": {"a": {"data.num_frames": 8}, "b": {"data.num_frames": 4}}}
    study = Study(base="b", axes={**axes, "norm_batch_size": [16, 8, 2]}, seeds=[0, 1])
    found = contrasts_of(study, points_of(study, outcomes(study, lambda cell: 50.0)))
    of_gn = [c for c in found if c.axis == "clips" and c.points[0].labels["model.norm"] == "gn"]
    assert len(of_gn) == 1
    assert len([c for c in found if c.axis == "clips" and c.points[0].labels["model.norm"] == "bn"]) == 3


def test_other_numbers_of_videos_are_not_compared(tmp_path):
    make_study(tmp_path)
    change(tmp_path, "bn-nb2-seed1", num_videos_scored=398)
    gathered = gather(tmp_path)
    verdicts = {(c.axis, *c.points[0].labels.values()): (c.verdict, c.difference is None) for c in gathered.contrasts}
    assert verdicts == {
        ("model.norm", "bn", "16"): ("open", False),
        ("model.norm", "bn", "2"): ("other videos", True),
        ("norm_batch_size", "gn", "2"): ("same computation", True),
        ("norm_batch_size", "bn", "2"): ("other videos", True),
    }
    found = gathered.findings
    assert not any("BN at normalisation batch 2" in sentence for sentence in found.sentences)
    note = "No judgement on 2 comparisons, because the results are not of the same videos."
    assert note in found.notes
    rows = {(row[0], row[1]): row[5] for row in accuracy_table(gathered).rows}
    assert rows["BN", "2"] == "not compared: other videos"
    change(tmp_path, "bn-nb16-seed0", num_videos_scored=None)  # not known: not known to be others
    assert gather(tmp_path).contrasts[0].verdict == "open"


def test_the_least_width_heeds_the_videos_of_both_sides():
    study = replace(TWO, seeds=[0, 1])
    found = outcomes(study, lambda cell: 75.0 if cell.norm == "bn" else 50.0)
    found = [replace(o, result=replace(o.result, num_videos_scored=None if o.cell.norm == "bn" else 4)) for o in found]
    (contrast,) = contrasts_of(study, points_of(study, found))
    # A video of 4 is 25 points: 12.706 * 25 / sqrt(6) / sqrt(2).
    assert contrast.difference.half_width == pytest.approx(91.70, abs=0.01)
    assert contrast.verdict == "open"


def test_a_missing_seed_takes_its_pairs_away(tmp_path):
    make_study(tmp_path)
    fail(tmp_path, "bn-nb16-seed2")
    gathered = gather(tmp_path)
    (contrast,) = [c for c in gathered.contrasts if c.axis == "norm_batch_size" and c.difference]
    assert contrast.difference.num == 2
    assert contrast.difference.mean == pytest.approx(-22.5)  # -20 and -25
    fail(tmp_path, "bn-nb16-seed1")
    assert any(
        "2 comparisons, because fewer than two seeds have both results" in note
        for note in gather(tmp_path).findings.notes
    )
