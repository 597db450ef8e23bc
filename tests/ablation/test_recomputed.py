"""Every figure of a report against a script that knows nothing of videogn."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.ablation.recomputed import CLAIMS, agree, recompute
from tests.ablation.studies import make_study
from videogn.ablation.base import base_settings
from videogn.ablation.cells import cells_of
from videogn.ablation.report.write import write_report
from videogn.ablation.study import Study

ROOT = Path(__file__).parents[2]
RESULTS, CONFIGS = ROOT / "data/results", ROOT / "configs"
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


def rows_of(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "answer", "num_apart", "num_same"),
    [
        ("batch_size", "same", 7, 8),
        ("batch_size", "best", 4, 8),
        ("groups", "same", 1, 0),
        ("table8", "same", 0, 0),
        ("clip_length", "same", 1, 0),
        ("conditions", "same", 0, 0),
        ("plain_net", "same", 0, 3),
    ],
)
def test_every_figure_of_a_real_study_is_computed_again(name, answer, num_apart, num_same, tmp_path):
    """The studies on record; `norms` has a point of one run, where the others diverged: the script takes none such."""
    study = Study(**yaml.safe_load((CONFIGS / f"ablations/motions_{name}.yaml").read_text()))
    study = replace(study, tune={})  # each answer as a study of its own
    base = (CONFIGS / study.base).read_bytes()
    (tmp_path / "study.json").write_text(json.dumps(asdict(study)))
    (tmp_path / "base.yaml").write_bytes(base)
    videos = rows_of(f"motions_{name}_ranks.csv")
    rows = {
        (*(row[axis.name] for axis in study.parsed_axes), row["seed"]): row
        for row in rows_of(f"motions_{name}.csv")
        if row["answer"] == answer
    }
    for cell in cells_of(study, base_settings(base, name=study.base)):
        if cell.same_as is None:
            row = rows[(*cell.labels.values(), str(cell.seed))]
            fields = {"top1": float(row["top1"]), "top5": float(row["top5"])}
            fields |= {name: int(row[name]) for name in ("num_videos_scored", "num_videos_expected")}
            folder = tmp_path / "cells" / cell.name
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(json.dumps(fields))
            lines = [f"{video['index']},{video['video']},0,0,{video[row['cell']]},1" for video in videos]
            head = "index,video,label,predicted,rank,probability"  # of which ranks alone count
            (folder / "videos.csv").write_text("\n".join([head, *lines]))
    report, own = json.loads(write_report(tmp_path)["json"].read_text()), recompute(tmp_path)
    for kind in ("points", "comparisons", "interactions"):
        for theirs, ours in zip(report[kind], own[kind], strict=True):
            agree(theirs, ours)
    verdicts = [comparison["verdict"] for comparison in report["comparisons"]]
    assert [verdicts.count(verdict) for verdict in ("apart", "same computation")] == [num_apart, num_same]
    # What the study itself wrote, of which the report on record is.
    recorded = [row for row in rows_of(f"motions_{name}_comparisons.csv") if row["answer"] == answer]
    for row, one in zip(recorded, (*report["comparisons"], *report["interactions"]), strict=True):
        figures = {name: one[name] for name in ("verdict", "mean", "smallest_shown")}
        figures |= {f"{reach}.{name}": one[reach][name] for reach in CLAIMS for name in ("low", "high", "holm")}
        assert {name: row[name] for name in figures} == {
            name: "" if value is None else str(value) for name, value in figures.items()
        }


def test_what_a_real_search_chose_is_the_highest_of_its_trials():
    found = json.loads((RESULTS / "motions_batch_size_search.json").read_text())
    chosen = {}
    for name, search in found.items():
        trials = search["trials"]
        assert [trial["settings"]["model.base_lr"] for trial in trials] == search["tune"]["model.base_lr"]
        best = max(trials, key=lambda trial: (trial["top1"], -trial["loss"]))
        assert best["settings"] == search["chosen"]
        chosen[name.partition("-nb")[::2]] = f"{best['settings']['model.base_lr']:g}"
    rows = [row for row in rows_of("motions_batch_size.csv") if row["answer"] == "best" and not row["same_as"]]
    assert len(rows) == 35
    for row in rows:
        assert row["tuned.model.base_lr"] == chosen[row["norm"], row["norm_batch_size"]]
