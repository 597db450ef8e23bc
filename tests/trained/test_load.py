"""A run's folder as a model to ask: it says what the command says."""

import json
from pathlib import Path

import pytest
import yaml

import videogn
from videogn.cli import main
from videogn.training.errors import CheckpointError

pytestmark = pytest.mark.slow  # trains for a second or two


def some_videos(data_root: Path, shared_data: Path) -> list[str]:
    """Made ones; real ones: of several sizes, turned, an image that moves; and one that is none."""
    odd = shared_data / "odd"
    names = ["decord_video_180.mov", "decord_video_270.mov", "torchcodec_animated.gif", "tfio_audio_only.mp4"]
    real = [*sorted((shared_data / "actions/val").rglob("*.mp4"))[::40], *(odd / name for name in names)]
    return [str(path) for path in [data_root / "val", *real]]


def test_it_says_what_predict_says(run, data_root, shared_data, tmp_path, monkeypatch):
    paths = some_videos(data_root, shared_data)
    monkeypatch.setattr("sys.argv", ["videogn"])
    assert main(["predict", "--run_dir", str(run), "--videos", *paths, "--json", str(tmp_path / "said.json")]) == 0
    said = json.loads((tmp_path / "said.json").read_text())
    expected = {video["video"]: [*map(tuple, map(dict.values, video["predictions"]))] for video in said["videos"]}
    model = videogn.load(run)
    found = list(model.predict(paths))
    assert {one.path: [*one.probabilities.items()] for one in found if one.error is None} == expected
    assert len(expected) == 11
    assert [(one.path, one.error) for one in found if one.error] == [
        (one["video"], one["error"]) for one in said["failed"]
    ]
    for path in list(expected)[::2]:
        assert [*model(path).items()] == expected[path]


def test_decoded_frames_are_seen_as_their_file_is(run, video):
    model = videogn.load(run, protocol="10x1")
    frames = videogn.decode_frames(video, range(50))
    assert model(frames) == model(frames.numpy()) == model(video) != videogn.load(run)(video)
    with pytest.raises(videogn.DecodeError, match=r"got float32 \[50, 48, 64, 3\]; expected uint8 \[N, H, W, 3\]"):
        model(frames.float())
    with pytest.raises(videogn.DecodeError, match="no such file"):
        model("none.mp4")
    model.data.target_fps = 12.5
    with pytest.raises(ValueError, match="decoded frames do not say their rate"):
        model(frames)
    assert model(frames, fps=25) == model(video) != model(frames, fps=50)


def test_what_can_not_be_loaded_is_said(run, tmp_path):
    with pytest.raises(ValueError, match=r"holds no run \(no config.yaml\)"):
        videogn.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"none\.ckpt: no such file"):
        videogn.load(run, ckpt_path="none.ckpt")
    with pytest.raises(ValueError, match="unknown protocol '30x1'; expected one of 10x3"):
        videogn.load(run, protocol="30x1")
    for name in ("config.yaml", "checkpoints", "classes.json"):
        (tmp_path / name).symlink_to(run / name)
    (tmp_path / "classes.json").unlink()
    assert videogn.load(tmp_path, ckpt_path=str(run / "checkpoints/best.ckpt")).classes == ["jump", "run"]
    assert videogn.load(tmp_path).classes == ["jump", "run"]
    (tmp_path / "classes.json").write_text('["run", "jump"]')
    with pytest.raises(CheckpointError, match=r"last\.ckpt: the checkpoint's classes are not the data set's"):
        videogn.load(tmp_path)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["data"]["smell"] = 1
    (tmp_path / "config.yaml").unlink()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match=r"data.smell, which this version of videogn does not have"):
        videogn.load(tmp_path)
