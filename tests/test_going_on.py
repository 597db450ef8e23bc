"""A run that goes on is one training: with its own settings, its own best checkpoint, and a record of what changed."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from videogn.cli import main

pytestmark = pytest.mark.slow

TINY = """
model: {norm: NORM, depth: 14, width: 8, base_lr: 0.1, schedule: {milestones: [100]}}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 4,
       num_workers: 0, protocol: 1x1}
trainer: {max_epochs: 1, log_every_n_steps: 1}
"""


RENORM = ["--model.renorm.start", "0", "--model.renorm.r_end", "2", "--model.renorm.d_end", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A folder with the runs bn, gn and brn of one epoch: 3 updates of 4 clips."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videogn"])
        for norm, more in {"bn": [], "gn": ["--model.channels_per_group", "4"], "brn": RENORM}.items():
            config = Path(f"{norm}.yaml")
            config.write_text(TINY.replace("NORM", norm))
            words = ["--data.root", str(data_root), "--run_dir", norm, *more]
            assert main(["fit", "--config", str(config), *words]) == 0
    return folder


@pytest.fixture
def run(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of those runs, as the working folder."""
    shutil.copytree(runs, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("sys.argv", ["videogn"])
    return tmp_path / "work"


def go_on(norm: str, *more: str) -> int:
    return main(["fit", "--run_dir", norm, "--ckpt_path", "last", "--trainer.max_epochs", "2", *more])


def training(path: str) -> dict:
    return torch.load(path, weights_only=True)["videogn"]["training"]


def change_training(path: str, **changes: object) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["videogn"]["training"] |= changes
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("norm", "words", "says"),
    [
        ("bn", ["--model.base_lr", "3"], "model.base_lr 0.1 (asked for: 3.0)"),
        ("bn", ["--model.weight_decay", "0.1"], "model.weight_decay 0.0001 (asked for: 0.1)"),
        ("bn", ["--model.norm_weight_decay", "0.1"], "model.norm_weight_decay 0.0 (asked for: 0.1)"),
        ("bn", ["--model.momentum", "0"], "model.momentum 0.9 (asked for: 0.0)"),
        ("bn", ["--model.dropout", "0"], "model.dropout 0.5 (asked for: 0.0)"),
        ("bn", ["--model.ema", "0.9"], "model.ema 0.0 (asked for: 0.9)"),
        ("bn", ["--model.label_smoothing", "0.1"], "model.label_smoothing 0.0 (asked for: 0.1)"),
        ("bn", ["--model.schedule.milestones", "[1]"], "model.schedule.milestones [100.0] (asked for: [1.0])"),
        ("bn", ["--model.schedule.warmup", "1"], "model.schedule.warmup 0 (asked for: 1"),
        ("bn", ["--seed_everything", "7"], "seed_everything 0 (asked for: 7)"),
        ("bn", ["--model.norm_batch_size", "2"], "normalisation batch 4 (asked for: 2)"),
        ("bn", ["--data.batch_size", "2"], "total_batch_size 4 (asked for: 2), normalisation batch 4 (asked for: 2)"),
        ("bn", ["--data.batch_size", "2", "--total_batch_size", "4"], "normalisation batch 4 (asked for: 2)"),
        ("gn", ["--total_batch_size", "8"], "total_batch_size 4 (asked for: 8)"),
        ("brn", ["--model.renorm.r_max", "2"], "model.renorm.r_max 3.0 (asked for: 2.0)"),
        ("gn", ["--data.balanced_sampling", "true"], "data.balanced_sampling false (asked for: true)"),
        ("gn", ["--data.flip_probability", "0"], "data.flip_probability 0.5 (asked for: 0.0)"),
        ("gn", ["--data.frame_interval", "1"], "data.frame_interval 2 (asked for: 1)"),
        ("gn", ["--data.num_frames", "16"], "data.num_frames 8 (asked for: 16)"),
        ("gn", ["--data.scale_size", "40"], "data.scale_size [32, 32] (asked for: [40, 40])"),
        ("gn", ["--data.train_list", "val.csv"], "the training videos are not those that the run was trained on"),
        ("gn", ["--trainer.gradient_clip_val", "1"], "trainer.gradient_clip_val null (asked for: 1"),
        ("gn", ["--trainer.precision", "bf16-mixed"], 'trainer.precision "32-true" (asked for: "bf16-mixed")'),
        ("gn", ["--trainer.limit_train_batches", "2"], "updates an epoch 3 (asked for: 2)"),
        ("gn", ["--model.weights", "bn/checkpoints/last.ckpt"], "is not what the run started from (from scratch)"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_touched(run, capsys, norm, words, says):
    before = {path: path.read_bytes() for path in (run / norm).rglob("*") if path.suffix in {".yaml", ".ckpt", ".csv"}}
    assert go_on(norm, *words) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "--model.weights" in error
    assert before == {path: path.read_bytes() for path in before}


def test_length_and_what_changes_no_number_may_be_others(run, capsys):
    more = ["--data.num_workers", "1", "--data.protocol", "10x1", "--trainer.log_every_n_steps", "2"]
    more += ["--trainer.limit_train_batches", "3", "--trainer.gradient_clip_algorithm", "norm"]  # all, and of no use
    more += ["--data.skip_undecodable", "1"]  # as a run that stopped at a broken video is told
    assert go_on("bn", *more) == 0
    found = training("bn/checkpoints/last.ckpt")
    assert [(part["first_step"], part["planned_steps"]) for part in found["parts"]] == [(0, 3), (3, 6)]
    assert [part["skip_undecodable"] for part in found["parts"]] == [0, 1]
    assert "goes on after update 3" in capsys.readouterr().out
    assert main(["test", "--no_report", "--run_dir", "bn"]) == 0
    parts = json.loads((run / "bn/result.json").read_text())["parts"]
    assert parts == found["parts"]


def test_a_run_in_one_piece_has_one_part_and_so_has_one_that_was_stopped(run, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    assert main([*words, "--run_dir", "new", "--trainer.max_epochs", "2"]) == 0
    change = training("new/checkpoints/last.ckpt")
    assert [part["first_step"] for part in change["parts"]] == [0]
    # As if it had been stopped after its first epoch.
    change_training(
        "gn/checkpoints/last.ckpt", parts=[{**training("gn/checkpoints/last.ckpt")["parts"][0], "planned_steps": 6}]
    )
    assert go_on("gn") == 0
    assert training("gn/checkpoints/last.ckpt")["parts"] == change["parts"]


def test_gn_may_go_on_with_other_forwards_and_the_summary_says_so(run, capsys):
    assert go_on("gn", "--data.batch_size", "2", "--total_batch_size", "4") == 0
    assert "device batch         2 clips (before: 4 on 1 device; " in capsys.readouterr().out
    assert [part["device_batch_size"] for part in training("gn/checkpoints/last.ckpt")["parts"]] == [4, 2]


@pytest.mark.filterwarnings("default:the learning rate is a cosine")
def test_a_cosine_that_is_made_longer_warns(run, capsys, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    cosine = ["--model.schedule.shape", "cosine", "--model.schedule.milestones", "[150000, 300000]"]
    assert main([*words, *cosine, "--run_dir", "cosine"]) == 0
    capsys.readouterr()
    assert go_on("cosine") == 0
    assert "which was 3 updates away and is now 6: from update 3 on it follows another curve" in capsys.readouterr().err


def test_weights_stay_in_the_config_of_a_run_that_goes_on(run, data_root):
    words = ["fit", "--config", "bn.yaml", "--data.root", str(data_root), "--run_dir", "second"]
    assert main([*words, "--model.weights", "bn/checkpoints/last.ckpt"]) == 0
    assert main([*words, "--ckpt_path", "last", "--trainer.max_epochs", "2"]) == 0
    kept = yaml.safe_load(Path("second/config.yaml").read_text())
    assert kept["model"]["weights"] == str(run / "bn/checkpoints/last.ckpt")
    shutil.copy("brn/checkpoints/last.ckpt", "bn/checkpoints/last.ckpt")
    assert go_on("second", "--trainer.max_epochs", "3") == 0  # what the run's own config names is not asked for anew
    (run / "other").mkdir()
    shutil.copy("brn/checkpoints/last.ckpt", "other/last.ckpt")
    assert go_on("second", "--trainer.max_epochs", "4", "--model.weights", "other/last.ckpt") == 2


def test_a_checkpoint_of_an_earlier_version_is_tested_and_not_gone_on_with(run, capsys):
    """It lacks what is compared: its training can't be said to go on with the same settings."""
    checkpoint = torch.load("gn/checkpoints/last.ckpt", weights_only=True)
    for name in ("recipe", "parts", "num_validations", "best", "is_best"):
        del checkpoint["videogn"]["training"][name]
    torch.save(checkpoint, "gn/checkpoints/last.ckpt")
    assert go_on("gn") == 2
    assert "does not say all the settings that it was trained with" in capsys.readouterr().err
    assert main(["test", "--no_report", "--run_dir", "gn"]) == 0
    result = json.loads(Path("gn/result.json").read_text())
    assert (result["parts"], result["chosen"]) == ([], None)
    assert re.fullmatch(r"0\.1\.0\+\w{12}", result["code"]["train"])


def test_code_that_changed_in_a_training_is_all_named(run):
    change_training(
        "gn/checkpoints/last.ckpt", parts=[{**training("gn/checkpoints/last.ckpt")["parts"][0], "code": "0.0.9"}]
    )
    assert go_on("gn") == 0
    assert main(["test", "--no_report", "--run_dir", "gn"]) == 0
    code = json.loads(Path("gn/result.json").read_text())["code"]
    assert code["train"] == f"0.0.9, then {code['test']}"


def test_a_moved_run_keeps_its_best_checkpoint(run, capsys):
    """What no validation can beat stays the best, wherever the folder lies now."""
    best = {**training("bn/checkpoints/last.ckpt")["best"], "top1": 1.5, "step": 2}
    for name in ("last", "best"):
        change_training(f"bn/checkpoints/{name}.ckpt", best=best)
    before = Path("bn/checkpoints/best.ckpt").read_bytes()
    Path("bn").rename("moved")
    assert go_on("moved") == 0
    assert Path("moved/checkpoints/best.ckpt").read_bytes() == before
    assert training("moved/checkpoints/last.ckpt")["best"] == best
    assert training("moved/checkpoints/last.ckpt")["num_validations"] == 2
    # Without its file there is nothing to keep, and that is said.
    Path("moved/checkpoints/best.ckpt").unlink()
    capsys.readouterr()
    assert go_on("moved", "--trainer.max_epochs", "3") == 0
    assert (
        "best.ckpt is not there (top-1 150.0 %): the best checkpoint is the best from here on"
        in capsys.readouterr().out
    )
    assert training("moved/checkpoints/best.ckpt")["best"]["step"] == 9
    assert training("moved/checkpoints/last.ckpt")["num_validations"] == 1


@pytest.mark.parametrize("words", [["--data.val_list", "val2.csv"], ["--precise_bn_batches", "2"]])
def test_scores_of_validations_that_differ_are_not_compared(run, capsys, data_root, words):
    best = {**training("bn/checkpoints/last.ckpt")["best"], "top1": 1.5}
    change_training("bn/checkpoints/last.ckpt", best=best)
    lines = (data_root / "val.csv").read_text().splitlines()[:3]
    Path("val2.csv").write_text("\n".join(f"{data_root / line}" for line in lines) + "\n")
    assert go_on("bn", *words) == 0
    assert (
        "the validation has changed (its videos, sizes or statistics): the best checkpoint is the best from here on"
        in capsys.readouterr().out
    )
    found = training("bn/checkpoints/last.ckpt")
    assert found["best"] == training("bn/checkpoints/best.ckpt")["best"]
    assert (found["best"]["step"], found["num_validations"]) == (6, 1)


def test_the_last_checkpoint_is_tested_and_the_best_one_says_who_chose_it(run, capsys, data_root):
    assert go_on("gn", "--trainer.max_epochs", "3") == 0
    capsys.readouterr()
    assert main(["test", "--no_report", "--run_dir", "gn"]) == 0
    result = json.loads(Path("gn/result.json").read_text())
    assert (Path(result["checkpoint"]).name, result["chosen"], result["steps"]) == ("last.ckpt", None, 9)
    assert "chosen" not in capsys.readouterr().out
    assert result["top5"] is None  # of two classes

    assert main(["test", "--no_report", "--run_dir", "gn", "--ckpt_path", "best"]) == 0
    result = json.loads(Path("gn/result.json").read_text())
    assert result["chosen"] == {"num_validations": 3, "by_these_videos": True}
    line = "; the checkpoint was chosen by these videos among 3 validations, so the accuracy is too high\n"
    assert line in capsys.readouterr().out

    assert main(["test", "--no_report", "--run_dir", "gn", "--ckpt_path", "best", "--data.test_list", "train.csv"]) == 0
    assert json.loads(Path("gn/result.json").read_text())["chosen"]["by_these_videos"] is False
    assert "chosen by another list of videos among 3 validations\n" in capsys.readouterr().out

    assert main(["validate", "--run_dir", "gn", "--ckpt_path", "best"]) == 0
    assert "chosen by these videos among 3 validations, so the accuracy is too high\n" in capsys.readouterr().out
    assert main(["validate", "--run_dir", "gn"]) == 0
    assert "chosen" not in capsys.readouterr().out


def test_one_validation_chooses_nothing(run):
    assert main(["test", "--no_report", "--run_dir", "gn", "--ckpt_path", "best"]) == 0
    assert json.loads(Path("gn/result.json").read_text())["chosen"] is None


def test_a_run_without_its_last_checkpoint_is_begun_anew_only_where_little_is_lost(run, capsys, data_root):
    Path("gn/checkpoints/last.ckpt").unlink()
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    change_training("gn/checkpoints/best.ckpt", epochs=2)
    assert main([*words, "--run_dir", "gn"]) == 2
    assert "gn holds a run without last.ckpt: bring it back, or give another --run_dir" in capsys.readouterr().err
    change_training("gn/checkpoints/best.ckpt", epochs=1)
    assert main([*words, "--run_dir", "gn"]) == 0
    assert "gn: stopped before its first epoch was over: it begins anew" in capsys.readouterr().out


def test_a_validation_after_the_last_step_counts(run, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    assert main([*words, "--run_dir", "steps", "--trainer.max_epochs", "-1", "--trainer.max_steps", "2"]) == 0
    assert training("steps/checkpoints/last.ckpt")["num_validations"] == 1
    assert training("steps/checkpoints/best.ckpt")["is_best"]
    assert not training("steps/checkpoints/last.ckpt")["is_best"]
    assert training("steps/checkpoints/last.ckpt")["best"] == training("steps/checkpoints/best.ckpt")["best"]


@pytest.mark.filterwarnings("default:trainer.limit_train_batches")
def test_a_limit_that_cuts_an_update_short_is_said(run, capsys, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    more = ["--data.batch_size", "2", "--total_batch_size", "4", "--trainer.limit_train_batches", "3"]
    assert main([*words, *more, "--run_dir", "limited"]) == 0
    assert "limit_train_batches 3 leaves 1 of 2 forwards to the last update" in capsys.readouterr().err
    assert training("limited/checkpoints/last.ckpt")["steps"] == 2


def test_a_run_that_a_callback_ended_stays_ended(run, capsys, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    words += ["--run_dir", "early", "--trainer.max_epochs", "9"]
    stopping = "[{class_path: lightning.pytorch.callbacks.EarlyStopping, init_args: {monitor: val/loss, patience: 1, "
    words += ["--trainer.callbacks", stopping + "divergence_threshold: 0.0}}]"]
    assert main(words) == 0
    steps = training("early/checkpoints/last.ckpt")["steps"]
    assert steps == 3
    capsys.readouterr()
    assert main(words) == 0
    assert "early: the training has ended, after 3 updates" in capsys.readouterr().out
    assert training("early/checkpoints/last.ckpt")["steps"] == steps


def test_a_run_begun_from_another_goes_on_with_its_own_by_the_same_words(run, capsys):
    words = ["fit", "--config", "gn/config.yaml", "--ckpt_path", "gn/checkpoints/last.ckpt", "--run_dir", "second"]
    assert main([*words, "--trainer.max_epochs", "2"]) == 0
    capsys.readouterr()
    assert main([*words, "--trainer.max_epochs", "3"]) == 0
    assert "second holds a run, of 6 updates: going on with that" in capsys.readouterr().out
    assert training("second/checkpoints/last.ckpt")["steps"] == 9
    assert main([*words, "--trainer.max_epochs", "3", "--resume", "never"]) == 2
    assert "is of another run, and second holds one" in capsys.readouterr().err


def test_an_epoch_that_was_cut_short_and_goes_on_has_one_row_of_all_of_it(run, data_root):
    words = ["fit", "--config", "gn.yaml", "--data.root", str(data_root), "--model.channels_per_group", "4"]
    words += ["--trainer.max_epochs", "-1", "--trainer.limit_val_batches", "0"]
    for name, parts in {"cut": "23", "whole": "3"}.items():
        for steps in parts:
            assert main([*words, "--run_dir", name, "--trainer.max_steps", steps]) == 0
    read = [csv.DictReader(Path(f"{name}/metrics.csv").read_text().splitlines()) for name in ("cut", "whole")]
    found = [[row for row in rows if row["train/loss_epoch"]] for rows in read]
    assert len(found[0]) == 1
    assert found[0] == found[1]


def test_without_its_last_checkpoint_a_run_goes_on_from_the_one_before(run, capsys):
    assert go_on("gn") == 0
    Path("gn/checkpoints/last.ckpt").unlink()
    capsys.readouterr()
    assert go_on("gn") == 0
    said = capsys.readouterr().out
    assert "last.ckpt is not there: going on from gn/checkpoints/previous.ckpt, the one before it" in said
    assert "goes on after update 3" in said
