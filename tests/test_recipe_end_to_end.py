"""Precise batch normalization, starting weights and images through the command, in processes of its own."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.runs import TINY, videogn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A folder with tiny.yaml, and two runs that differ in precise BN alone."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "tiny.yaml").write_text(TINY.replace("norm: gn, channels_per_group: 4", "norm: bn"))
    words = ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--model.base_lr", "0.05"]
    videogn(*words, "--run_dir", "plain", cwd=folder)
    out = videogn(*words, "--run_dir", "precise", "--precise_bn_batches", "3", cwd=folder)
    assert "4 clips share batch statistics; running ones re-estimated from 3 batches" in out
    return folder


def state(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_precise_statistics_change_nothing_but_themselves(work):
    plain, precise = (state(work / run / "checkpoints/last.ckpt") for run in ("plain", "precise"))
    differing = {
        name for name, value in plain["state_dict"].items() if not torch.equal(value, precise["state_dict"][name])
    }
    model = {name for name in differing if name.startswith("model.")}
    assert model
    assert all("running" in name for name in model)
    assert plain["videogn"]["training"]["precise_bn"] is None
    assert precise["videogn"]["training"]["precise_bn"] == {"batches": 3, "clips": 12}


def test_checkpoints_have_precise_statistics_between_validations_and_say_when_they_have_none(work, data_root):
    (work / "rare").mkdir()
    (work / "rare" / "tiny.yaml").write_bytes((work / "tiny.yaml").read_bytes())
    words = ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--precise_bn_batches", "2"]
    videogn(*words, "--run_dir", "run", "--trainer.check_val_every_n_epoch", "5", cwd=work / "rare")
    last = work / "rare/run/checkpoints/last.ckpt"
    assert state(last)["videogn"]["training"]["precise_bn"] == {"batches": 2, "clips": 8}
    more = ["--ckpt_path", "last", "--precise_bn_batches", "0", "--trainer.max_epochs", "3"]
    videogn("fit", "--run_dir", "run", *more, cwd=work / "rare")
    assert state(last)["videogn"]["training"]["precise_bn"] is None


def test_a_test_estimates_where_the_checkpoint_has_other_statistics_and_gets_the_same(work):
    """3 batches estimated after the fact are the 3 batches estimated in training."""
    results = {}
    for run, more in (("plain", ["--precise_bn_batches", "3"]), ("precise", [])):
        words = ["--run_dir", run, "--ckpt_path", f"{run}/checkpoints/last.ckpt", "--data.protocol", "1x1"]
        videogn("test", "--no_report", *words, *more, cwd=work)
        results[run] = json.loads((work / run / "result.json").read_text())
        assert results[run]["precise_bn"] == {"batches": 3, "clips": 12}
    assert results["plain"]["loss"] == results["precise"]["loss"]
    words = ["--run_dir", "plain", "--data.protocol", "1x1", "--data.batch_size", "2", "--precise_bn_batches", "3"]
    out = videogn("test", *words, cwd=work, status=2)
    assert "the run's normalisation batch is 4 clips, and here it would be 2" in out
    videogn("test", "--no_report", "--run_dir", "plain", "--data.protocol", "1x1", cwd=work)
    running = json.loads((work / "plain/result.json").read_text())
    assert running["precise_bn"] is None
    assert running["loss"] != results["plain"]["loss"]


def test_a_run_with_precise_statistics_is_tested_without_its_training_data(work, data_root, tmp_path):
    shutil.copytree(data_root / "val", tmp_path / "val")
    shutil.copy(data_root / "val.csv", tmp_path / "val.csv")
    videogn(
        "test", "--no_report", "--run_dir", "precise", "--data.root", str(tmp_path), "--data.protocol", "1x1", cwd=work
    )
    assert json.loads((work / "precise/result.json").read_text())["num_videos_scored"] == 5


def test_a_run_starts_from_another_runs_weights_and_says_so(work, data_root):
    (work / "start.ckpt").write_bytes((work / "plain/checkpoints/last.ckpt").read_bytes())
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--model.weights", "start.ckpt"]
    out = videogn("fit", *words, "--model.base_lr", "1e-12", "--run_dir", "tuned", cwd=work)
    assert "start.ckpt (videogn" in out
    before, after = state(work / "start.ckpt")["state_dict"], state(work / "tuned/checkpoints/last.ckpt")["state_dict"]
    for name, value in before.items():
        if name.startswith("model.") and "running" not in name and value.is_floating_point():
            torch.testing.assert_close(after[name], value, rtol=1e-5, atol=1e-6, msg=name)

    (work / "start.ckpt").unlink()  # a test needs the checkpoint alone
    videogn("test", "--no_report", "--run_dir", "tuned", "--data.protocol", "1x1", cwd=work)
    result = json.loads((work / "tuned/result.json").read_text())
    assert result["weights"]["file"] == "start.ckpt"
    assert len(result["weights"]["sha256"]) == 64
    again = ["fit", "--run_dir", "tuned", "--ckpt_path", "last", "--trainer.max_epochs", "3"]
    videogn(*again, cwd=work)
    assert state(work / "tuned/checkpoints/last.ckpt")["videogn"]["training"]["weights"]["file"] == "start.ckpt"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model.weights", "none.pth"], "none.pth"),
        (["--model.weights", "tiny.yaml"], "tiny.yaml"),
        (["--model.weights", "plain/checkpoints/last.ckpt", "--model.norm", "gn"], "batch norms (running statistics)"),
        (["--model.weights", "plain/checkpoints/last.ckpt", "--model.depth", "26"], "set --model.depth 14"),
        (["--precise_bn_batches", "-1"], "--precise_bn_batches is -1"),
    ],
)
def test_weights_that_cannot_be_started_from_are_refused_before_anything_is_written(work, data_root, more, message):
    groups = ["--model.channels_per_group", "4"] if "gn" in more else []
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--run_dir", "refused"]
    out = videogn("fit", *words, *more, *groups, cwd=work, status=2)
    assert message in out
    assert "Traceback" not in out
    assert not (work / "refused").exists()


def test_images_then_inflation_then_video(data_root, tmp_path):
    """The packaged ImageNet config on a small ImageFolder, and its checkpoint in a video network."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2)):
        for label, name in enumerate(("dark", "light", "red")):
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 80, (70 + index, 90, 3)) + np.array([80 * label, 0, 0])
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.JPEG")
    small = ["--model.depth", "14", "--model.width", "8", "--model.channels_per_group", "4"]
    crops = ["--data.crop_size", "48", "--data.test_scale_size", "56", "--data.test_crop_size", "48"]
    batch = ["--data.batch_size", "3", "--total_batch_size", "6", "--data.num_workers", "1"]
    more = ["--trainer.precision", "32-true", "--model.schedule.length", "2", "--model.schedule.milestones", "[1]"]
    words = ["--config", "imagenet_r50_gn.yaml", "--data.root", "images", *small, *crops, *batch, *more]
    out = videogn("fit", *words, "--run_dir", "image", cwd=tmp_path)
    assert "18 videos, 3 classes; single frames or images of 48 px" in out
    assert re.search(r"length +6 updates = 2 epochs", out)
    videogn("test", "--no_report", "--run_dir", "image", cwd=tmp_path)
    result = json.loads((tmp_path / "image/result.json").read_text())
    assert (result["layout"], result["protocol"], result["num_videos_scored"]) == ("image", "1x1", 6)

    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--run_dir", "video", "--model.base_lr", "1e-12"]
    out = videogn("fit", *words, "--model.weights", "image/checkpoints/last.ckpt", cwd=tmp_path)
    assert "kernels inflated over time" in out
    assert "head of 3 classes is dropped" in out
    flat, deep = (state(tmp_path / run / "checkpoints/last.ckpt")["state_dict"] for run in ("image", "video"))
    for name, value in flat.items():
        if name.startswith("model.") and "proj" not in name:
            frames = deep[name].shape[2] if deep[name].ndim == 5 else 1
            torch.testing.assert_close(deep[name], (value / frames).expand_as(deep[name]), rtol=1e-4, atol=1e-6)
    assert deep["model.blocks.0.conv.weight"].shape[2] == 5
