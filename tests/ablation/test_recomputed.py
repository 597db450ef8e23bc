"""Every figure of a report against a script that knows nothing of videogn."""

import csv
import json

import numpy as np
import pytest

from tests.ablation.recomputed import recompute
from tests.ablation.studies import make_study
from videogn.ablation.report.write import write_report
from videogn.ablation.study import Study

AXES = {"condition": {"as it is": {}, "longer": {"trainer.max_epochs": 21}}, "norm_batch_size": [16, 2]}
STUDY = Study(base="b", axes=AXES, seeds=[0, 1, 2, 3], settings={"model.norm": "bn"}, equivalence=4.0)
HEIGHTS = {("as it is", "16"): 2.2, ("as it is", "2"): 0.3, ("longer", "16"): 2.3, ("longer", "2"): 1.5}


def ranks(cell):
    """Return ranks of 90 videos, some of which are harder than others for every run."""
    place = list(HEIGHTS).index((cell.labels["condition"], cell.labels["norm_batch_size"]))
    rng = np.random.default_rng([place, cell.seed])
    hardness = np.repeat(np.random.default_rng(0).normal(size=30), 3)
    height = HEIGHTS[cell.labels["condition"], cell.labels["norm_batch_size"]] + 0.2 * rng.normal()
    return np.digitize(height + hardness + rng.normal(size=90), [0.0, -0.3, -0.6, -0.9, -1.2, -1.5]).tolist()


def agree(report, own) -> None:
    """Check every number, text and null of `own` against the report's, to the digits that stand there."""
    for name, value in own.items():
        if isinstance(value, dict):
            agree(report[name], value)
        elif isinstance(value, float):
            assert report[name] == pytest.approx(value, rel=2e-4, abs=6e-5), name
        else:
            assert report[name] == value, name


@pytest.mark.parametrize("groups", [None, [f"source {place // 3}" for place in range(89)] + [""]])
def test_every_figure_of_a_report_is_computed_again_from_the_runs_files(tmp_path, groups):
    make_study(tmp_path, STUDY, ranks=ranks, groups=groups)
    (tmp_path / "cells" / "longer-nb2-seed3" / "result.json").unlink()  # one pair less
    paths = write_report(tmp_path)
    report, own = json.loads(paths["json"].read_text()), recompute(tmp_path)
    assert [len(own[name]) for name in ("points", "comparisons", "interactions")] == [4, 4, 1]
    for name, figures in own.items():
        assert len(report[name]) == len(figures)
        for theirs, ours in zip(report[name], figures, strict=True):
            agree(theirs, ours)
    assert {one["verdict"] for one in (*own["comparisons"], *own["interactions"])} >= {"apart", "open"}
    with paths["comparisons"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, figures in zip(rows, (*report["comparisons"], *report["interactions"]), strict=True):
        for name in ("mean", "deviation", "smallest_shown", "these_videos.holm", "videos_like_them.high"):
            first, _, second = name.partition(".")
            assert float(row[name]) == (figures[first][second] if second else figures[first])
    assert {one["num_groups"] for one in report["comparisons"]} == {90 if groups is None else 31}
