"""The command's runs end where the schedule says: counted in the optimiser steps that were made."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

from videogn.cli import main

pytestmark = pytest.mark.slow

# 12 training videos, total batch 4: 3 updates an epoch. One iteration of the recipe, for 64 clips, is 16 equal epochs.
TINY = """
model:
  norm: gn
  channels_per_group: 4
  depth: 14
  width: 8
  base_lr: 0.32
  schedule: {milestones: [0.25], length: 1}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 4,
       num_workers: 0}
trainer: {log_every_n_steps: 1, check_val_every_n_epoch: 100}
"""


@pytest.fixture
def base(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`fit` of a tiny model on the tiny data set, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    (tmp_path / "tiny.yaml").write_text(TINY)
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root)]


def steps_and_lr() -> tuple[int, float]:
    """Optimiser steps of the run in runs/tiny, and the learning rate that the next would have."""
    checkpoint = torch.load("runs/tiny/checkpoints/last.ckpt", weights_only=True)
    return checkpoint["global_step"], checkpoint["lr_schedulers"][0]["_last_lr"][0]


def test_a_short_epoch_has_its_rows(base):
    """Lightning logs every 50 updates, and warns that an epoch of 3 has none."""
    assert main([*base, "--trainer.log_every_n_steps", "null"]) == 0
    with open("runs/tiny/metrics.csv", newline="") as file:
        logged = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss_step"]]
    assert logged == [2, 5, 8, 11, 14]


@pytest.mark.parametrize(
    ("more", "steps", "lr"),
    [
        ([], 16, 0.002),  # 1 iteration x 64/4; the total batch is the device batch
        (["--model.schedule.scaling", "nonlocal"], 5, 0.002),  # x 1.5^4 = 5.06
        (["--model.schedule.scaling", "equal_iterations"], 1, 0.002),
        (["--data.batch_size", "2", "--total_batch_size", "4"], 16, 0.002),  # by accumulation
        (["--data.batch_size", "2", "--trainer.accumulate_grad_batches", "2"], 16, 0.002),
        (["--total_batch_size", "8"], 8, 0.004),
        (["--trainer.max_epochs", "-1"], 16, 0.002),  # which is no end
        (["--model.schedule.unit", "epochs", "--model.schedule.length", "2"], 6, 0.002),
        (["--model.schedule.shape", "cosine", "--model.schedule.milestones", "[150000, 300000]"], 16, 0.0),
    ],
)
def test_the_schedule_ends_the_run(base, capsys, more, steps, lr):
    assert main([*base, *more]) == 0
    assert steps_and_lr() == (steps, pytest.approx(lr))
    assert f"\nlength               {steps} update" in capsys.readouterr().out
    kept = yaml.safe_load(Path("runs/tiny/config.yaml").read_text())
    assert kept["trainer"]["max_steps"] == -1
    assert kept["trainer"]["max_epochs"] in (None, -1)
    assert kept["model"]["schedule"]["length"] in (1, 2)


@pytest.mark.filterwarnings("default:schedule.length")
def test_a_quick_try_ends_where_it_is_told_and_a_run_that_goes_on_where_the_schedule_says(base, capsys):
    assert main([*base, "--model.schedule.scaling", "nonlocal", "--trainer.max_steps", "3"]) == 0
    assert steps_and_lr() == (3, pytest.approx(0.002))
    printed = capsys.readouterr()
    assert "x0.1 at 1 update\n" in printed.out
    assert "warning: schedule.length 1 has no effect beside trainer.max_steps 3" in printed.err
    # 3 updates are an epoch: the same run can go on, to its schedule's end.
    words = ["fit", "--run_dir", "runs/tiny", "--ckpt_path", "last", "--trainer.max_steps", "-1"]
    assert main(words) == 0
    assert steps_and_lr() == (5, pytest.approx(0.002))
    out = capsys.readouterr().out
    assert "5 updates = 1.67 epochs of 3 updates; goes on after update 3" in out
    assert "scaling              nonlocal: the schedule's iterations (64 clips) x5.062" in out
