"""Runs whose videos fail under way, by the command: stopped by name, or counted within the share that may fail."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch

from tests.runs import TINY
from videogn.cli import main
from videogn.data.decoding.pyav import PyAVVideo
from videogn.trained.run import load

pytestmark = pytest.mark.slow


@pytest.fixture
def fit(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run in which two files, of training and of test, end the process that decodes them."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    read = PyAVVideo.read

    def reading(self, *args, **settings):
        if multiprocessing.parent_process() is not None and self.path.endswith(("train/04.mp4", "val/03.mp4")):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, *args, **settings)

    monkeypatch.setattr(PyAVVideo, "read", reading)
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--trainer.num_sanity_val_steps", "0"]


def test_a_video_that_ends_its_process_stops_a_run_by_name(fit, capsys):
    assert main([*fit, "--run_dir", "run"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "videogn fit: error: 1 of 12 training videos failed so far, more than --data.skip_undecodable 0 allows: "
    )
    assert "train/04.mp4: its decoder ended the process, twice (ended by signal 9 (Killed)). " in error


def test_within_the_share_it_is_counted_and_a_run_that_goes_on_knows_it(fit, data_root, capsys):
    share = ["--data.skip_undecodable", "0.2"]
    assert main([*fit, "--run_dir", "whole", *share]) == 0
    assert "training videos: 1 of 12 failed and were left out, 2 clips in all (the first: " in capsys.readouterr().out
    assert main([*fit, "--run_dir", "parts", *share, "--trainer.max_epochs", "1", "--data.num_workers", "2"]) == 0
    assert main([*fit, "--run_dir", "parts", *share]) == 0
    whole, parts = (
        torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True, map_location="cpu") for run in ("whole", "parts")
    )
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name
    for part in ("known", "train_videos"):
        assert whole["videogn"]["training"][part] == parts["videogn"]["training"][part]
    assert main(["test", "--run_dir", "parts"]) == 0
    result = json.loads(Path("parts/result.json").read_text())
    assert (result["num_videos_expected"], result["num_videos_scored"]) == (5, 4)
    assert result["top1_of_expected"] == pytest.approx(result["top1"] * 4 / 5)
    assert [failed["video"] for failed in result["failed_videos"]] == ["val/03.mp4"]
    told = result["train_videos"]
    assert (told["num_videos"], told["num_skipped_clips"], told["num_decoded_in_full"]) == (12, 2, 0)
    assert [failed["video"] for failed in told["failed_videos"]] == ["train/04.mp4"]
    assert result["num_videos_decoded_in_full"] == 0
    assert main(["test", "--run_dir", "parts", "--data.skip_undecodable", "0.1"]) == 1
    assert "1 of 5 test videos failed so far, more than --data.skip_undecodable 0.1" in capsys.readouterr().err
    # As earlier versions wrote it.
    config = Path("parts/config.yaml")
    config.write_text(config.read_text().replace("skip_undecodable: 0.2", "skip_undecodable: true"))
    for command in (["test"], ["predict", "--videos", str(data_root / "val/00.mp4")]):
        assert main([*command, "--run_dir", "parts"]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert "skip_undecodable is true; expected the share of a list's videos that may fail, such as 0.01" in line
        assert main([*command, "--run_dir", "parts", "--data.skip_undecodable", "0.2"]) == 0
    assert load("parts")(data_root / "val/00.mp4")
