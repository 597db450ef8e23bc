"""The manual's lines of Python, as they stand there, on a small network and a few videos."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

import videogn
from videogn.cli import main

pytestmark = pytest.mark.slow  # trains for a second or two

MANUAL = Path(__file__).parents[2] / "configs/README.md"


def block(words: str) -> str:
    """The lines of Python of the section that hold some words."""
    section = MANUAL.read_text().partition("## Use what was trained")[2].partition("\n## ")[0]
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL) if words in code]
    return found


def replaced(code: str, **names: object) -> str:
    for name, value in names.items():
        assert name in code, name
        code = code.replace(name, str(value))
    return code


def test_a_run_is_loaded_and_asked(run, video, data_root, monkeypatch, tmp_path, capsys):
    code = block("videogn.load").replace("runs/NAME", str(run)).replace("clip.mp4", str(video))
    exec(code.replace("folder/", str(data_root / "val")), {})
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_a_window_slides_over_a_long_video(run, video, capsys):
    code = block("model.slide").replace("long.mp4", str(video)).replace("1.0", "0.5")
    exec(code, {"model": videogn.load(run)})
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["0.0", "0.6"],
        ["0.52", "1.12"],
        ["1.0", "1.6"],
    ]


def test_features_are_searched_and_probed(run, data_root, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        for line in (data_root / f"{split}.csv").read_text().splitlines():
            name, label = line.split()
            (tmp_path / split / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / split / label / Path(name).name).symlink_to(data_root / name)
        words = ["--videos", f"{split}/", "--protocol", "1x1", "--num_workers", "0"]
        assert main(["features", str(run), *words, "--out", f"{split}.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "written: train.safetensors: 12 x 256 numbers of 12 of 12 videos" in said
    names: dict = {}
    exec(block("safe_open"), names)
    for words in ("nearest = ", "probe = "):
        assert len(block(words).splitlines()) == 3
        exec(block(words), names)
    assert names["nearest"].shape == (5, 5)
    assert names["probe"].shape == (256, 2)
    assert names["of_x"].bincount().tolist() == [6, 6]
    # Least squares, by NumPy: with a row for each channel that draws its weights to 0.
    rows = np.concatenate([names["x"].numpy(), 0.1 * np.eye(256)])
    columns = np.concatenate([np.eye(2)[names["of_x"].numpy()], np.zeros((256, 2))])
    np.testing.assert_allclose(names["probe"], np.linalg.lstsq(rows, columns)[0], rtol=1e-2, atol=1e-3)
    # What it was trained on, it is near to itself.
    assert (names["x"] @ names["x"].T).argmax(1).tolist() == list(range(12))


def test_a_notebook_trains_tests_and_asks_without_the_command(data_root):
    code = block("lightning.Trainer")
    code = replaced(code, **{"112": 32, "128": 32, "=16": "=8, batch_size=4, num_workers=0", "DIR": data_root})
    code = replaced(code, **{"group=8, depth=26, width=32": "group=4, depth=14, base_lr=0.4, ema=0.5, width=8"})
    quiet = 'accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, '
    names: dict = {}
    exec(replaced(code, **{"max_epochs=20": f"max_epochs=1, {quiet}enable_model_summary=False"}), names)
    data, model = names["data"], names["model"]
    tested = {data.catalog.records("test")[one.index].path: one for one in names["module"].scored}
    assert len(tested) == 5
    for path, one in tested.items():  # of the average of the weights, which is not what is trained
        assert model(path)[data.classes[one.label]] == pytest.approx(math.exp(-one.loss), rel=1e-5)
    model.module.average = None
    assert model(path)[data.classes[one.label]] != pytest.approx(math.exp(-one.loss), rel=1e-5)
    assert not model.module.training
    with pytest.raises(ValueError, match="got 1 names of classes; expected 2"):
        videogn.TrainedModel(names["module"], data, classes=["jump"])
