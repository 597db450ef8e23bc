"""Differences of differences against hand computation, and where there are none."""

import json
from dataclasses import replace

import pytest

from tests.ablation.studies import change, make_study
from videogn.ablation.report.gather import gather
from videogn.ablation.report.write import write_report
from videogn.ablation.study import Study

CONDITIONS = {"as it is": {}, "more epochs": {"trainer.max_epochs": 21}}
BN = {"model.norm": "bn"}
STUDY = Study(base="b", axes={"condition": CONDITIONS, "norm_batch_size": [16, 2]}, seeds=[0, 1, 2], settings=BN)
TOP1 = {
    ("as it is", "16"): [90.0, 91.0, 92.0],
    ("as it is", "2"): [70.0, 72.0, 71.0],
    ("more epochs", "16"): [95.0, 96.0, 95.0],
    ("more epochs", "2"): [92.0, 91.75, 93.0],
}


def top1_of(cell) -> float:
    return TOP1[cell.labels["condition"], cell.labels["norm_batch_size"]][cell.seed]


def found_in(out):
    return [contrast for contrast in gather(out).contrasts if contrast.is_of_losses]


def test_a_loss_that_is_smaller_at_a_level_is_a_finding(tmp_path):
    paths = write_report(make_study(tmp_path, STUDY, top1=top1_of))
    # Losses 3, 4.25, 2 less 20, 19, 21: -17, -14.75, -19: mean -16.917, sd 2.126, 4.3027 * 2.126 / sqrt(3) = 5.28.
    assert (
        "The loss at normalisation batch 2 (top-1 at 16 less that at 2) is 16.9 ± 5.3 points smaller with more epochs "
        "than with as it is on these videos."
    ) in paths["markdown"].read_text()
    fields = json.loads(paths["json"].read_text())
    (one,) = fields["interactions"]
    assert (one["mean"], one["deviation"], one["num_seeds"]) == (-16.9167, 2.1262, 3)
    assert (one["these_videos"]["low"], one["these_videos"]["high"]) == (-22.1985, -11.6348)
    assert (one["axis"], one["level"], one["reference"]) == ("condition", "more epochs", "as it is")
    assert (one["norm_batch_size"], one["largest_norm_batch_size"], one["verdict"]) == ("2", "16", "apart")
    assert "Of 5 comparisons" in fields["how_sure"]  # 4 of two points, and this


def test_a_larger_loss_is_larger_and_a_small_difference_is_bounded(tmp_path):
    def larger(cell):
        return 100 - top1_of(cell)

    make_study(tmp_path / "a", STUDY, top1=larger)
    assert any("16.9 ± 5.3 points larger with more epochs" in s for s in gather(tmp_path / "a").findings.sentences)
    study = replace(STUDY, equivalence=1.0)
    make_study(tmp_path / "b", study, top1=lambda cell: TOP1["as it is", cell.labels["norm_batch_size"]][cell.seed])
    # One video of 400, of four accuracies: 4.3027 * 0.25 / sqrt(3) / sqrt(3) = 0.359.
    assert (
        "The loss at normalisation batch 2 (top-1 at 16 less that at 2) with more epochs is within 1 point of that "
        "with as it is on these videos (0.00 ± 0.36)."
    ) in gather(tmp_path / "b").findings.sentences


def test_two_seeds_that_agree_by_chance_prove_nothing(tmp_path):
    study = Study(base="b", axes=STUDY.axes, seeds=[0, 1], settings=BN)
    make_study(tmp_path, study, top1=lambda cell: 91.0 if "more_epochs-nb2" in cell.name else 90.0)
    (one,) = found_in(tmp_path)
    # 12.706 * 0.25 / sqrt(3) / sqrt(2) = 1.297: more than the 1 point.
    assert (one.verdict, one.difference.mean) == ("open", -1.0)
    assert one.difference.half_width == pytest.approx(1.297, abs=1e-3)
    text = write_report(tmp_path)["markdown"].read_text()
    row = next(line for line in text.splitlines() if "| **the loss at normalisation batch 2" in line)
    assert "| −1.00 | open |" in row


def test_it_is_over_the_seeds_that_all_four_have(tmp_path):
    make_study(tmp_path, STUDY, top1=top1_of)
    (tmp_path / "cells/as_it_is-nb16-seed0/result.json").unlink()
    (one,) = found_in(tmp_path)
    assert (one.difference.num, one.difference.mean) == (2, -16.875)
    assert any("(−16.9 ± 27.0, by 2 of 3 seeds; " in note for note in gather(tmp_path).findings.notes)
    (tmp_path / "cells/more_epochs-nb2-seed1/result.json").unlink()
    assert [one.verdict for one in found_in(tmp_path)] == ["too few seeds"]


def test_what_must_not_be_compared_is_not(tmp_path):
    make_study(tmp_path, STUDY, top1=top1_of)
    change(tmp_path, "more_epochs-nb2-seed1", num_videos_scored=398)
    assert [(one.verdict, one.difference) for one in found_in(tmp_path)] == [("other videos", None)]
    change(tmp_path, "more_epochs-nb2-seed1", num_videos_scored=400, dataset_fingerprint="xyz")
    assert [(one.verdict, one.difference) for one in found_in(tmp_path)] == [("mixed", None)]


@pytest.mark.parametrize(
    ("axes", "settings"),
    [
        ({"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2]}, {}),
        ({"method": {"a": {"model.norm": "gn"}, "b": BN}, "norm_batch_size": [16, 2]}, {}),
        ({"condition": CONDITIONS, "data.num_frames": [8, 4], "norm_batch_size": [16, 2]}, BN),
        ({"condition": CONDITIONS, "data.num_frames": [8, 4]}, BN),
        ({"norm_batch_size": [16, 2]}, BN),
        ({"condition": CONDITIONS, "norm_batch_size": [16, 2]}, {"model.norm": "gn"}),  # no loss, by construction
    ],
)
def test_there_are_none_beside_norms_or_of_other_axes(tmp_path, axes, settings):
    make_study(tmp_path, Study(base="b", axes=axes, seeds=[0, 1], settings=settings), top1=lambda cell: 50.0)
    assert found_in(tmp_path) == []
