"""A training that is killed anywhere, and begun again by the same words, ends with the bits of one that never was."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.interrupting import AT, BY, clips_by_update, same_state
from tests.runs import videogn

pytestmark = pytest.mark.slow

# Two epochs of 3 updates of 4 clips, in two forwards each; batch statistics; 3 batches of validation after each update.
SETTINGS = """
model: {norm: bn, depth: 14, width: 8, base_lr: 0.4, norm_batch_size: 2, schedule: {warmup: 2, milestones: [5]}}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 2,
       num_workers: WORKERS, protocol: 1x1}
total_batch_size: 4
precise_bn_batches: 1
checkpoint_every: EVERY
trainer:
  max_epochs: 2
  log_every_n_steps: 1
  val_check_interval: 2
  callbacks: [{class_path: tests.interrupting.Interrupt, init_args: {seen: SEEN}}]
"""
# Clocks run on, and a run that was stopped has not its memory's peak.
OF_TIME = {"clips_per_second"}


def config(folder: Path, name: str, *, every: str = "1", workers: int = 0) -> list[str]:
    text = SETTINGS.replace("EVERY", every).replace("WORKERS", str(workers)).replace("SEEN", str(folder / name))
    (folder / f"{name}.yaml").write_text(text)
    return ["fit", "--config", f"{name}.yaml", "--run_dir", name]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key not in OF_TIME} for row in csv.DictReader(file)]


GN = "model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, base_lr: 0.4, dropout: 0.0}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("resume")
    videogn(*config(folder, "whole"), "--data.root", str(data_root), cwd=folder)
    assert len(clips_by_update(folder / "whole")) == 6
    return folder / "whole"


def killed(folder: Path, words: list[str], place: str, monkeypatch: pytest.MonkeyPatch, *, status: int = -9) -> str:
    with monkeypatch.context() as patch:
        patch.setenv(AT, place)
        return videogn(*words, cwd=folder, status=status)


def check_same(run: Path, whole: Path) -> None:
    for name in ("last", "best"):
        same_state(run / f"checkpoints/{name}.ckpt", whole / f"checkpoints/{name}.ckpt")
    assert rows(run) == rows(whole)
    assert clips_by_update(run) == clips_by_update(whole)


@pytest.mark.parametrize(
    ("places", "every", "workers"),
    [
        (["batch end:3", "batch start:2"], "1", 1),  # within an accumulation; twice in an epoch
        (["epoch end:1", "validation:11"], "15min", 0),  # before the epoch's checkpoint; in the next epoch
        (["batch end:6", "batch end:6"], "2", 0),  # the last forward of the epoch, and of the run
    ],
)
def test_the_same_words_go_on_to_the_same_bits(whole, data_root, tmp_path, monkeypatch, places, every, workers):
    words = [*config(tmp_path, "run", every=every, workers=workers), "--data.root", str(data_root)]
    for place in places:
        killed(tmp_path, words, place, monkeypatch)
    text = videogn(*words, cwd=tmp_path)
    assert "goes on after update" in text
    check_same(tmp_path / "run", whole)
    text = videogn(*words, cwd=tmp_path)
    assert "run: the training has ended, after 6 updates: nothing to do." in text
    check_same(tmp_path / "run", whole)


def test_killed_at_random_places_it_ends_with_the_same_bits(whole, data_root, tmp_path, monkeypatch, pytestconfig):
    if not pytestconfig.getoption("--full"):
        pytest.skip("20 trainings: --full")
    rng = random.Random(0)
    for number in range(20):
        every, workers = rng.choice(["1", "2", "0", "15min"]), rng.choice([0, 1, 2])
        words = [*config(tmp_path, f"run{number}", every=every, workers=workers), "--data.root", str(data_root)]
        for _ in range(rng.randint(1, 3)):
            kind = rng.choice(["batch start", "batch end", "validation", "epoch end", "train start"])
            with monkeypatch.context() as patch:
                patch.setenv(AT, f"{kind}:{1 if kind == 'train start' else rng.randint(1, 6)}")
                patch.setenv(BY, str(int(rng.choice([signal.SIGKILL, signal.SIGTERM]))))
                try:
                    videogn(*words, cwd=tmp_path)
                except AssertionError:  # killed
                    continue
        videogn(*words, cwd=tmp_path)
        check_same(tmp_path / f"run{number}", whole)


# Within an epoch, at its end, and before a validation whose statistics are re-estimated.
@pytest.mark.parametrize("place", ["validation:2", "validation:8", "statistics:1"])
def test_told_to_end_it_saves_and_says_so_by_its_status(whole, data_root, tmp_path, monkeypatch, place):
    words = [*config(tmp_path, "run", every="0", workers=1), "--data.root", str(data_root)]
    monkeypatch.setenv(BY, str(int(signal.SIGTERM)))
    text = killed(tmp_path, words, place, monkeypatch, status=75)
    steps = 3 if place.endswith("8") else 1
    within = "the statistics of its validation" if place == "statistics:1" else "its validation"
    assert f"told to end: saved after update {steps}, within {within}; run it again to go on\n" in text
    monkeypatch.setenv(BY, f"{int(signal.SIGUSR1)} {int(signal.SIGTERM)}")  # a job's, and then once more
    text = killed(tmp_path, words, "batch start:3", monkeypatch, status=75)
    assert "told to end by SIGUSR1: saving after this batch" in text
    assert f"goes on after update {steps}" in text
    assert f"videogn fit: error: told to end: saved after update {steps + 1}; run it again to go on\n" in text
    assert f"goes on after update {steps + 1}" in videogn(*words, cwd=tmp_path)
    check_same(tmp_path / "run", whole)
    assert not [name for name in os.listdir(tmp_path / "run/checkpoints") if name.startswith(".")]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_told_to_end_before_it_has_begun_it_says_so_by_its_status(data_root, tmp_path):
    words = [*config(tmp_path, "run"), "--data.root", str(data_root)]
    run = subprocess.Popen([sys.executable, "-m", "videogn", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while "libtorch" not in Path(f"/proc/{run.pid}/maps").read_text():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    assert run.communicate(timeout=60)[1] == (
        "videogn fit: error: told to end, before anything was begun; run it again\n"
    )
    assert run.returncode == 75
    assert not (tmp_path / "run").exists()


def test_other_devices_and_forwards_go_on_with_the_same_clips(data_root, tmp_path, monkeypatch):
    """One device with one forward of 4 clips, two devices of which one alone is told to end, and one with two of 2."""
    for name in ("run", "whole"):
        config(tmp_path, name, every="0")
        text = (tmp_path / f"{name}.yaml").read_text().splitlines()
        text = [GN if line.startswith("model:") else line for line in text if not line.startswith("precise_bn")]
        (tmp_path / f"{name}.yaml").write_text("\n".join(text))
    words = [["fit", "--config", f"{name}.yaml", "--run_dir", name] for name in ("run", "whole")]
    words = [[*each, "--data.root", str(data_root), "--trainer.limit_val_batches", "0"] for each in words]
    one = ["--data.batch_size", "4", "--data.num_workers", "1"]
    two = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    videogn(*words[1], *one, cwd=tmp_path)
    monkeypatch.setenv(BY, str(int(signal.SIGTERM)))
    killed(tmp_path, [*words[0], *one], "batch start:3", monkeypatch, status=75)
    with monkeypatch.context() as patch:
        patch.setenv(AT, "batch start@1:3")
        text = videogn(*words[0], *two, cwd=tmp_path, status=75)
    assert "told to end: saved after update 4" in text
    videogn(*words[0], cwd=tmp_path)
    assert clips_by_update(tmp_path / "run") == clips_by_update(tmp_path / "whole")
    one, other = (
        torch.load(tmp_path / f"{name}/checkpoints/last.ckpt", weights_only=True) for name in ("run", "whole")
    )
    assert [part["num_devices"] for part in one["videogn"]["training"]["parts"]] == [1, 2, 1]
    torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=1e-4, atol=1e-5)
