"""The command as a user types it, in processes of its own, on real clips."""

import csv
import json
import re
import sqlite3
from pathlib import Path

import pytest
import torch
import yaml

from tests.ablation.recomputed import agree, recompute
from tests.runs import TINY, videogn
from videogn.code_version import code_version

pytestmark = pytest.mark.slow


def read_metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A folder with tiny.yaml and a trained run in runs/tiny."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "tiny.yaml").write_text(TINY)
    out = videogn("fit", "--config", "tiny.yaml", "--data.root", str(data_root), cwd=folder)
    assert re.search(
        r"normalisation batch +none: .*\ndevice batch +4 clips\ntotal batch +4 clips = 4 x 1 device x 1", out
    )
    assert "epoch 2  step 6" in out
    return folder


def test_a_run_leaves_what_it_should(trained):
    run = trained / "runs" / "tiny"
    names = {"best.ckpt", "last.ckpt", "previous.ckpt", "last.json"}
    assert {path.name for path in (run / "checkpoints").iterdir()} == names
    assert list(run.glob("events.out.tfevents.*"))
    assert json.loads((run / "classes.json").read_text()) == ["jump", "run"]
    with sqlite3.connect(run / "index.sqlite") as index:  # each of 12 + 5 videos was looked through once
        assert index.execute("SELECT count(*) FROM scans").fetchone() == (17,)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["model"]["channels_per_group"] == 4
    assert settings["seed_everything"] == 0
    rows = read_metrics(run)
    assert any(row.get("val/top1") for row in rows)
    assert any(row.get("clips_per_second") for row in rows)
    assert not (run / "result.json").exists()


def test_a_second_run_in_the_same_folder_is_refused(trained, data_root):
    words = ["--config", "tiny.yaml", "--data.root", str(data_root)]
    out = videogn("fit", *words, "--resume", "never", cwd=trained, status=2)
    assert "runs/tiny already holds a run: leave out --resume never, or give another --run_dir" in out
    out = videogn("fit", *words, "--model.base_lr", "0.5", cwd=trained, status=2)
    assert "the run was trained with model.base_lr 0.4 (asked for: 0.5)" in out
    assert "another --run_dir" in out


def test_test_scores_the_last_checkpoint_and_writes_the_result(trained):
    run = trained / "runs" / "tiny"
    before = read_metrics(run)
    out = videogn("test", "--run_dir", "runs/tiny", cwd=trained)
    result = json.loads((run / "result.json").read_text())
    assert f"10x3 (nonlocal): top-1 {result['top1']:.2f} %" in out
    assert "5 of 5 videos scored" in out
    assert (result["norm"], result["channels_per_group"], result["norm_batch_size"]) == ("gn", 4, None)
    assert (result["device_batch_size"], result["total_batch_size"]) == (4, 4)
    assert (result["steps"], result["epochs"]) == (6, 2)
    assert result["code"] == {"train": code_version(), "test": code_version()}
    assert re.fullmatch("[0-9a-f]{16}", result["train_fingerprint"])
    assert result["train_fingerprint"] != result["dataset_fingerprint"]
    assert result["train_seconds"] > 0
    assert result["versions"]["torch"] == torch.__version__
    with (run / "per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    correct = sum(float(row["top1"]) / 100 * int(row["videos"]) for row in rows)
    assert 100 * correct / 5 == pytest.approx(result["top1"], abs=0.01)
    assert read_metrics(run) == before  # a test does not touch the training's record

    again = videogn("test", "--no_report", "--run_dir", "runs/tiny", "--data.batch_size", "1", cwd=trained)
    assert json.loads((run / "result.json").read_text())["loss"] == pytest.approx(result["loss"], rel=1e-4)
    assert "10x3" in again


def test_a_checkpoint_of_another_norm_is_refused(trained, data_root):
    words = ["--model.norm", "bn", "--ckpt_path", "best"]
    out = videogn("test", "--run_dir", "runs/tiny", *words, cwd=trained, status=2)
    assert "it has norm 'gn' (asked for: 'bn')" in out
    assert "Traceback" not in out


def test_predict_needs_no_data_set(trained, data_root, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    words = ["--data.root", "gone", "--videos", str(data_root / "val"), str(broken), "--json", "out.json"]
    out = videogn("predict", "--run_dir", "runs/tiny", *words, cwd=trained)
    found = json.loads((trained / "out.json").read_text())
    assert len(found["videos"]) == 5
    for video in found["videos"]:
        assert {guess["class"] for guess in video["predictions"]} == {"jump", "run"}
        assert sum(guess["probability"] for guess in video["predictions"]) == pytest.approx(1, abs=1e-4)
    assert [failure["video"] for failure in found["failed"]] == [str(broken)]
    assert "not decoded" in out


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(trained, data_root):
    words = ["--config", "tiny.yaml", "--data.root", str(data_root)]
    more = ["--model.schedule.milestones", "[100]"]
    videogn("fit", *words, *more, "--run_dir", "whole", "--trainer.max_epochs", "3", cwd=trained)
    videogn("fit", *words, *more, "--run_dir", "parts", "--trainer.max_epochs", "1", cwd=trained)
    videogn("fit", "--run_dir", "parts", "--ckpt_path", "last", "--trainer.max_epochs", "3", cwd=trained)
    one, other = (
        torch.load(trained / run / "checkpoints" / "last.ckpt", weights_only=True) for run in ("whole", "parts")
    )
    assert one["global_step"] == other["global_step"] == 9
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    rows = {run: [row["step"] for row in read_metrics(trained / run)] for run in ("whole", "parts")}
    assert rows["whole"] == rows["parts"]

    other["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False  # as in the midst of an epoch
    del other["videogn"]["training"]["position"]
    other["videogn"]["training"]["steps"] = other["global_step"] = 8
    torch.save(other, trained / "midst.ckpt")
    out = videogn("fit", "--run_dir", "parts", "--ckpt_path", "midst.ckpt", "--resume", "never", cwd=trained, status=2)
    assert "midst.ckpt is of another run" in out
    (trained / "midst.ckpt").rename(trained / "parts/midst.ckpt")
    out = videogn("fit", "--run_dir", "parts", "--ckpt_path", "parts/midst.ckpt", cwd=trained, status=2)
    assert "an earlier version wrote this checkpoint within an epoch" in out
    # Nothing left to do: nothing is lost either.
    videogn("fit", "--run_dir", "parts", "--ckpt_path", "last", "--trainer.max_epochs", "3", cwd=trained)
    assert [row["step"] for row in read_metrics(trained / "parts")] == rows["whole"]


def test_a_run_that_ends_within_an_epoch_has_its_best_checkpoint_too(trained, data_root):
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--trainer.max_epochs", "-1"]
    out = videogn("fit", *words, "--trainer.max_steps", "2", "--run_dir", "steps", cwd=trained)
    assert "validated after the last step" in out
    videogn("test", "--no_report", "--run_dir", "steps", "--data.protocol", "1x1", cwd=trained)
    result = json.loads((trained / "steps/result.json").read_text())
    assert (result["steps"], result["epochs"]) == (2, 1)
    # One that ended and was stopped in its last validation goes on from there: nothing is trained.
    (trained / "steps/checkpoints/best.ckpt").unlink()
    last = torch.load(trained / "steps/checkpoints/last.ckpt", weights_only=True)
    last["videogn"]["training"] |= {"validated_at_step": None, "num_validations": 0, "best": None}
    torch.save(last, trained / "steps/checkpoints/last.ckpt")
    rows = [row["step"] for row in read_metrics(trained / "steps") if row["train/loss_step"]]
    out = videogn("fit", "--run_dir", "steps", "--ckpt_path", "last", cwd=trained)
    assert "validated after the last step" in out
    assert (trained / "steps/checkpoints/best.ckpt").is_file()
    assert [row["step"] for row in read_metrics(trained / "steps") if row["train/loss_step"]] == rows == ["0", "1"]
    videogn("fit", "--run_dir", "steps", "--trainer.max_steps", "5", cwd=trained)
    rows = [row["step"] for row in read_metrics(trained / "steps") if row["train/loss_step"]]
    assert rows == ["0", "1", "2", "3", "4"]


def test_a_loss_that_is_not_finite_has_an_exit_status_of_its_own(trained, data_root):
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--model.base_lr", "1e30", "--run_dir", "nan"]
    out = videogn("fit", *words, cwd=trained, status=4)
    assert re.search(r"videogn fit: error: the training loss is (nan|inf)", out)


def test_two_devices_score_every_video_once(trained, data_root):
    """5 videos on 2 processes: an odd one out, and none twice; and of each the same is written."""
    lines = (data_root / "val.csv").read_text().splitlines()
    rows = [f"{line.replace(' ', ',')},{'ab'[place % 2]}" for place, line in enumerate(lines)]
    (trained / "groups.csv").write_text("\n".join(["path,label,group", *rows]))
    more = ["--data.test_list", "groups.csv"]
    videogn("test", "--no_report", "--run_dir", "runs/tiny", "--data.protocol", "1x1", *more, cwd=trained)
    one = json.loads((trained / "runs/tiny/result.json").read_text())
    videos = read_videos_file(trained / "runs/tiny")
    assert [(row["video"], row["group"]) for row in videos] == [
        (f"val/{place:02d}.mp4", "ab"[place % 2]) for place in range(5)
    ]
    assert 20 * sum(row["rank"] == "0" for row in videos) == one["top1"]
    assert all((row["rank"] == "0") == (row["label"] == row["predicted"]) for row in videos)
    more += ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    videogn("test", "--no_report", "--run_dir", "runs/tiny", "--data.protocol", "1x1", *more, cwd=trained)
    two = json.loads((trained / "runs/tiny/result.json").read_text())
    assert two["num_videos_scored"] == 5
    assert two["top1"] == pytest.approx(one["top1"])
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
    of_both = zip(videos, read_videos_file(trained / "runs/tiny"), strict=True)
    for own, other in of_both:
        assert float(own.pop("probability")) == pytest.approx(float(other.pop("probability")), rel=1e-4)
        assert own == other


def read_videos_file(run: Path) -> list[dict[str, str]]:
    with (run / "videos.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_device_without_a_video_to_score_takes_part(trained, data_root, tmp_path):
    (tmp_path / "one.csv").write_text("val/00.mp4 jump\n")
    both = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    more = ["--data.val_list", str(tmp_path / "one.csv"), "--data.batch_size", "2", "--total_batch_size", "4"]
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--run_dir", "lonely", *both, *more]
    assert "val top-1" in videogn("fit", *words, "--trainer.max_epochs", "1", cwd=trained)


@pytest.mark.parametrize("norm", ["gn", "bn", "sync_bn"])
def test_two_devices_train_as_one(trained, data_root, tmp_path, norm):
    """bn: groups of 2 clips, split on one device or one on each of two; sync_bn: all 4 clips, on one or on two.

    With gn and bn, one of the 12 videos is broken and skipped: the mean over the others must be the same, too.
    """
    names = (f"one_{norm}", f"two_{norm}")
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--total_batch_size", "4", "--model.dropout", "0"]
    words += ["--model.norm", norm, "--trainer.max_epochs", "1", "--model.base_lr", "0.05", "--precise_bn_batches", "2"]
    if norm != "sync_bn":  # what stands in for a clip there is of its own device
        (tmp_path / "broken.mp4").write_bytes(b"nothing")
        lines = (data_root / "train.csv").read_text().splitlines()
        listed = [*lines[:5], f"{tmp_path / 'broken.mp4'} run", *lines[6:]]
        (tmp_path / "train.csv").write_text("\n".join(listed) + "\n")
        words += ["--data.train_list", str(tmp_path / "train.csv"), "--data.skip_undecodable", "1"]
        words += ["--data.allow_outside", "true"]
    cpu = ["--trainer.accelerator", "cpu"]
    split = ["--model.norm_batch_size", "2"] if norm == "bn" else []
    words += ["--model.ema", "0.9"] if norm == "bn" else []
    videogn("fit", *words, *cpu, *split, "--run_dir", names[0], cwd=trained)
    both = ["--data.batch_size", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    videogn("fit", *words, *cpu, *both, "--run_dir", names[1], cwd=trained)
    one, two = (torch.load(trained / run / "checkpoints" / "last.ckpt", weights_only=True) for run in names)
    assert one["global_step"] == two["global_step"] == 3
    shared = {"gn": None, "bn": 2, "sync_bn": 4}[norm]
    assert [each["videogn"]["training"]["norm_batch_size"] for each in (one, two)] == [shared, shared]
    for name, value in one["state_dict"].items():
        if name.startswith("model"):
            # Statistics, re-estimated from 8 clips, multiply what rounding left in the weights before them.
            tolerance = {"rtol": 0.05, "atol": 0.03} if "running" in name else {"rtol": 1e-2, "atol": 1e-3}
            torch.testing.assert_close(value, two["state_dict"][name], **tolerance, msg=name)
    skipped = [
        float(row["train/skipped_videos"]) for row in read_metrics(trained / names[1]) if row["train/loss_epoch"]
    ]
    assert skipped == [0.0 if norm == "sync_bn" else 1.0]
    # No figure is one device's: but for speed, both say the same in the same places.
    for row, other in zip(*(read_metrics(trained / run) for run in names), strict=True):
        for column in row.keys() - {"clips_per_second"}:
            assert (row[column] == "") == (other[column] == ""), column
            if row[column]:
                near = 2e-2 if norm == "sync_bn" else 1e-3
                assert float(other[column]) == pytest.approx(float(row[column]), rel=near, abs=1e-4), (column, row)


def test_real_clips_through_fit_test_and_ablate(shared_data, tmp_path, request):
    seeds = [0, 1] if request.config.getoption("--full") else [0]
    actions = shared_data / "actions"
    for split, most in (("train", 4), ("val", 2)):
        lines = (actions / "splits" / "regrouped" / f"{split}.csv").read_text().split("\n")
        chosen = [line for label in range(6) for line in [x for x in lines if x.endswith(f" {label}")][:most]]
        (tmp_path / f"{split}.csv").write_text("\n".join(chosen) + "\n")
    (tmp_path / "tiny.yaml").write_text(TINY)
    data = {
        "data.root": str(actions),
        "data.train_list": f"{tmp_path}/train.csv",
        "data.val_list": f"{tmp_path}/val.csv",
    }
    study = {
        "base": "tiny.yaml",
        "axes": {"model.norm": ["bn"], "norm_batch_size": [4, 2]},
        "seeds": seeds,
        "total_batch_size": 8,
        "protocol": "10x1",
        "settings": {**data, "trainer.max_epochs": 1},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    out = videogn("ablate", "--config", "study.yaml", "--out", "study", cwd=tmp_path)
    assert "study/report.md" in out
    assert (tmp_path / "study/error.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "study/report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(seeds)
    if len(seeds) > 1:
        report, own = json.loads((tmp_path / "study/report.json").read_text()), recompute(tmp_path / "study")
        for name, figures in own.items():
            for theirs, ours in zip(report[name], figures, strict=True):
                agree(theirs, ours)
    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "study/cells").glob("*/result.json"))]
    assert sorted(result["norm_batch_size"] for result in results) == sorted([2, 4] * len(seeds))
    assert {result["total_batch_size"] for result in results} == {8}
    assert {result["steps"] for result in results} == {3}
    assert {(r["num_videos_scored"], r["num_videos_expected"], r["protocol"]) for r in results} == {(12, 12, "10x1")}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study/cells").rglob("*.ckpt")}
    videogn("ablate", "--config", "study.yaml", "--out", "study", cwd=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "study/cells").rglob("*.ckpt")} == before
