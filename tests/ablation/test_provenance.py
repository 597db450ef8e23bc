"""What the report says of starts, devices, rates, protocols and of what an axis sets itself."""

import csv
import json
from dataclasses import replace

import pytest

from tests.ablation.reports import point, table
from tests.ablation.studies import STUDY, cells, change, fail, make_study
from videogn.ablation.report.gather import gather
from videogn.ablation.report.question import starts_text, what_stays
from videogn.ablation.report.write import MixedResults, print_summary, write_report
from videogn.ablation.study import Study
from videogn.training.result import read_result

START = "runs/bn/checkpoints/last.ckpt"
NORMS = {"bn": {"model.norm": "bn"}, "gn": {"model.norm": "gn"}}
FROZEN = {**NORMS, "frozen_bn": {"model.norm": "frozen_bn", "model.weights": START}}


def test_rows_that_start_from_weights_are_named(tmp_path):
    study = Study(base="b", axes={"norm": FROZEN}, seeds=[0, 1, 2])
    make_study(tmp_path, study, top1=lambda cell: 50.0 + 4 * len(cell.norm) + cell.seed)
    for seed in study.seeds:
        change(tmp_path, f"frozen_bn-seed{seed}", weights={"file": "last.ckpt", "sha256": "0a99"})
    paths = write_report(tmp_path)
    text = paths["markdown"].read_text()
    says = f"frozen BN starts from {START} (SHA-256 0a99), the others from scratch"
    assert f"scored / expected. Starts: {says}." in text
    assert f"**started from:** {says}" in text
    caveat = (
        f"Not all start alike (frozen BN starts from {START}, the others from scratch): 1 comparison here is of the "
        "start, too."
    )
    assert caveat in gather(tmp_path).findings.notes
    assert caveat in text[text.index("## Findings") : text.index("## Accuracy")]
    (row,) = [r for r in csv.DictReader(paths["csv"].read_text().splitlines()) if r["cell"] == "frozen_bn-seed0"]
    assert row["weights_sha256"] == "0a99"


def test_seeds_that_start_from_files_that_differ_are_a_mixture(tmp_path):
    """One path was asked for, and the file there was another one in between."""
    study = replace(STUDY, settings={"model.weights": START})
    make_study(tmp_path, study, weights={"file": "last.ckpt", "sha256": "0a99"})
    assert write_report(tmp_path)["markdown"].is_file()
    change(tmp_path, "bn-nb2-seed1", weights={"file": "last.ckpt", "sha256": "77ff"})
    says = r"THE WEIGHTS THAT RUNS START FROM DIFFER, .*0a99 in gn-nb16-seed0, .*; 77ff in bn-nb2-seed1"
    with pytest.raises(MixedResults, match=says):
        write_report(tmp_path)
    paths = write_report(tmp_path, mixed=True)
    assert "NOT COMPARABLE" in paths["markdown"].read_text()
    points = {tuple(p["labels"].values()): p for p in json.loads(paths["json"].read_text())["points"]}
    assert points["bn", "2"]["is_mixed"]
    assert points["bn", "2"]["top1"] is None
    assert points["gn", "16"]["top1"] is not None
    change(tmp_path, "bn-nb2-seed1", weights=None)  # one that says that it started from scratch
    with pytest.raises(MixedResults, match="from scratch in bn-nb2-seed1"):
        write_report(tmp_path)


def test_points_that_ask_for_different_files_are_none(tmp_path):
    study = Study(base="b", axes={"norm": FROZEN}, seeds=[0, 1])
    make_study(tmp_path, study, top1=lambda cell: 50.0 + cell.seed)
    for seed in study.seeds:
        change(tmp_path, f"frozen_bn-seed{seed}", weights={"file": "last.ckpt", "sha256": "0a99"})
    assert not gather(tmp_path).mixture


def test_a_checkpoint_that_the_tested_videos_chose_is_a_warning(tmp_path):
    make_study(tmp_path, replace(STUDY, checkpoint="best"), checkpoint="run/checkpoints/best.ckpt")
    assert not gather(tmp_path).warnings
    change(tmp_path, "bn-nb2-seed0", chosen={"num_validations": 5, "by_these_videos": True})
    change(tmp_path, "bn-nb2-seed1", chosen={"num_validations": 5, "by_these_videos": True})
    change(tmp_path, "bn-nb2-seed2", chosen={"num_validations": 5, "by_these_videos": False})
    says = (
        "Chosen by the tested videos among 5 validations, so their accuracies are too high: bn-nb2-seed0, bn-nb2-seed1."
    )
    assert gather(tmp_path).warnings == [says]
    assert says in write_report(tmp_path)["markdown"].read_text()


def test_all_from_scratch_or_all_from_one_file_is_no_caveat(tmp_path):
    make_study(tmp_path / "a")
    assert "start from" not in write_report(tmp_path / "a")["markdown"].read_text()
    assert "**started from:** scratch" in (tmp_path / "a/report.md").read_text()
    make_study(tmp_path / "b", replace(STUDY, settings={"model.weights": START}))
    text = write_report(tmp_path / "b")["markdown"].read_text()
    assert f"Starts: every run starts from {START}." in text
    assert "start alike" not in text


def test_starts_that_follow_no_axis_are_named_by_their_points(tmp_path):
    axes = {"model.norm": ["gn", "bn"], "start": {"random": {}, "own": {"model.weights": START}}}
    make_study(tmp_path / "a", Study(base="b", axes=axes), top1=lambda cell: 50.0)
    assert starts_text(gather(tmp_path / "a").points) == f"own starts from {START}, random from scratch"
    methods = {"x": {}, "y": {"model.weights": "y.ckpt"}, "z": {"model.weights": "z.ckpt"}}
    make_study(tmp_path / "b", Study(base="b", axes={"start": methods}), top1=lambda cell: 50.0)
    assert starts_text(gather(tmp_path / "b").points) == "y starts from y.ckpt, z from z.ckpt, x from scratch"


def test_devices_are_read_and_named_where_they_differ(tmp_path):
    make_study(tmp_path)
    (old,) = {(o.result.device, o.result.num_devices) for o in gather(tmp_path).outcomes}
    assert old == (None, None)
    assert "**trained on:** not recorded" in write_report(tmp_path)["markdown"].read_text()
    for cell in cells(STUDY):
        if cell.same_as is None:
            change(tmp_path, cell.name, device="NVIDIA H100", num_devices=1)
    assert "**trained on:** NVIDIA H100\n" in write_report(tmp_path)["markdown"].read_text()
    change(tmp_path, "bn-nb2-seed1", device="NVIDIA H200", num_devices=2)
    result = read_result(tmp_path / "cells/bn-nb2-seed1/result.json")
    assert (result.device, result.num_devices) == ("NVIDIA H200", 2)
    paths = write_report(tmp_path)
    text = paths["markdown"].read_text()
    assert "NVIDIA H100 in gn-nb16-seed0, bn-nb16-seed0, bn-nb2-seed0," in text
    assert "; 2 × NVIDIA H200 in bn-nb2-seed1\n" in text
    rows = json.loads(paths["json"].read_text())["cells"]
    assert {(row["device"], row["num_devices"]) for row in rows} == {("NVIDIA H100", 1), ("NVIDIA H200", 2)}


def test_the_peak_rate_is_the_one_that_the_runs_train_with(tmp_path):
    rates = {"text": {"model.base_lr": "1e-3"}, "number": {"model.base_lr": 0.3}, "unknown": {}}
    study = Study(base="b", axes={"rate": rates, "norm_batch_size": [16, 8]}, comparison="paper", num_devices=8)
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    text = write_report(tmp_path)["markdown"].read_text()
    rows = table(text[text.index("## Cost") :], first="rate")
    assert [row["peak lr"] for row in rows] == ["0.002", "0.001", "0.6", "0.3", "-", "-"]
    assert "Peak lr: base_lr × total batch / 64." in text
    assert "peak lr" not in write_report(make_study(tmp_path / "a"))["markdown"].read_text()


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"model.norm": ["gn", "bn"]}, "are the same in every cell; only"),
        (
            {"lr": {"a": {"model.base_lr": 0.1}, "b": {"model.base_lr": 0.2}}},
            "in every cell (but for base_lr, which the axis lr sets); only",
        ),
        (
            {
                "long": {"a": {}, "b": {"trainer.max_epochs": 3, "model.schedule.length": 9}},
                "model.base_lr": [1, 2],
                "data.num_frames": [4, 8],
            },
            "(but for max_epochs and schedule.length, which the axis long sets, and for base_lr, which the axis "
            "base_lr sets); only",
        ),
    ],
)
def test_what_an_axis_sets_itself_is_an_exception_with_its_name(axes, says):
    assert says in what_stays(Study(base="b", axes=axes), [])


def test_the_protocol_is_the_one_of_the_results_and_explained_once(tmp_path):
    make_study(tmp_path, replace(STUDY, protocol="1x1"))
    text = write_report(tmp_path)["markdown"].read_text()
    assert "- **protocol:** 1x1 (nonlocal)" in text
    assert text.count("clip j of n starts at frame N · j / n") == 1
    for path in tmp_path.glob("cells/*/result.json"):
        path.unlink()
    text = write_report(tmp_path)["markdown"].read_text()
    assert "- **protocol:** 1x1\n" in text
    assert "clip j of n" not in text


def test_a_paper_without_a_row_for_any_cell_is_told(tmp_path, capsys):
    study = Study(base="b", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2]}, paper="table8.csv")
    paths = write_report(make_study(tmp_path, study, top1=lambda cell: 50.0))
    note = (
        "No figure of the paper's: no row of table8.csv fits a cell of this study; its rows are for model.norm bn, gn; "
        "data.num_frames 32, 64; data.frame_interval 2, 1; norm_batch_size 8, 4."
    )
    assert note in paths["markdown"].read_text().replace("\\_", "_")
    print_summary(gather(tmp_path), paths=paths)
    assert note in capsys.readouterr().out
    for name, paper in {"fits": "table2.csv", "none": None, "gone": "gone.csv"}.items():
        out = make_study(tmp_path / name, replace(study, paper=paper), top1=lambda cell: 50.0)
        assert gather(out).paper_note is None


def test_a_difference_over_fewer_pairs_says_how_many(tmp_path):
    make_study(tmp_path)
    fail(tmp_path, "bn-nb2-seed1")
    fail(tmp_path, "bn-nb2-seed2")
    fail(tmp_path, "bn-nb16-seed0")
    paths = write_report(tmp_path)
    text = paths["markdown"].read_text()
    assert point(text, "BN", "2")["to baseline"] == "−18.00 (1 pair)"
    assert point(text, "BN", "16")["to baseline"] == "+1.00 ± 12.71 (2 pairs)"
    rows = {row["cell"]: row for row in csv.DictReader(paths["csv"].read_text().splitlines())}
    assert [rows[f"bn-nb2-seed{n}"]["pairs_with_baseline"] for n in range(3)] == ["1"] * 3
    assert [rows[f"bn-nb16-seed{n}"]["top1_less_baseline"] for n in range(3)] == ["", "2.0", "0.0"]
    assert rows["gn-nb2-seed0"]["pairs_with_baseline"] == ""
    fields = json.loads(paths["json"].read_text())
    pairs = {tuple(p["labels"].values()): p["pairs_with_baseline"] for p in fields["points"]}
    assert pairs == {("gn", "16"): None, ("gn", "2"): None, ("bn", "16"): 2, ("bn", "2"): 1}


def test_the_noise_of_a_float32_is_no_digit(tmp_path):
    make_study(tmp_path, top5=float.fromhex("0x1.7c00000000000p+6") + 1.1920929e-06, loss=0.19828681637265416)
    change(tmp_path, "bn-nb2-seed0", top1=94.0625011920929)
    paths = write_report(tmp_path)
    (row,) = [r for r in csv.DictReader(paths["csv"].read_text().splitlines()) if r["cell"] == "bn-nb2-seed0"]
    assert (row["top1"], row["top5"], row["loss"], row["top1_less_baseline"]) == ("94.0625", "95.0", "0.1983", "6.0625")
    fields = json.loads(paths["json"].read_text())
    estimates = [estimate for p in fields["points"] for estimate in (p["top1"], p["top5"])]
    ends = [
        end
        for estimate in estimates
        for name in ("these_videos", "videos_like_them")
        for end in estimate[name].values()
    ]
    numbers = [estimate[name] for estimate in estimates for name in ("mean", "deviation")] + ends
    numbers = [number for number in numbers if number is not None]
    assert all(round(number, 4) == number for number in numbers)


def test_equal_by_construction_is_said_of_runs_that_are_there_alike_in_report_and_terminal(tmp_path, capsys):
    make_study(tmp_path)
    for seed in range(3):
        fail(tmp_path, f"gn-nb16-seed{seed}")
    paths = write_report(tmp_path)
    print_summary(gather(tmp_path), paths=paths)
    assert "equal by construction" not in capsys.readouterr().out + paths["markdown"].read_text()
    # BN and GN at 16 and at 2.
    assert "No judgement on 2 comparisons, because a result is missing." in paths["markdown"].read_text()
    for path in tmp_path.glob("cells/*/result.json"):
        path.unlink()
    paths = write_report(tmp_path)
    print_summary(gather(tmp_path), paths=paths)
    for text in (capsys.readouterr().out, paths["markdown"].read_text()):
        assert "No cell is done: there is no answer yet." in text
        assert "No judgement" not in text


def test_commands_say_where_they_are_to_be_run_where_that_matters(tmp_path, monkeypatch):
    make_study(tmp_path / "study")
    says = "To be run in the folder in which the study was run"
    assert says not in write_report(tmp_path / "study")["markdown"].read_text()
    monkeypatch.chdir(tmp_path)
    assert says in write_report(type(tmp_path)("study"))["markdown"].read_text()
    monkeypatch.chdir(tmp_path / "study")
    assert "--run_dir runs/study-bn-nb2-seed0" in write_report(type(tmp_path)("."))["markdown"].read_text()
    (tmp_path / "study/cells/bn-nb2-seed1/config.yaml").unlink()
    assert says in write_report(tmp_path / "study")["markdown"].read_text()
