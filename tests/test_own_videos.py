"""README's five commands in order, on a folder of class folders: split, check, doctor, fit, test."""

import json
from pathlib import Path

import pytest

from tests.videos import write_video
from videogn.cli import main

pytestmark = pytest.mark.slow

# A run of seconds.
SHORT = ["--model.schedule.length", "2", "--model.schedule.warmup", "0", "--trainer.check_val_every_n_epoch", "2"]
SHORT += ["--data.num_workers", "0", "--data.protocol", "1x1", "--data.num_frames", "8", "--data.crop_size", "32"]
SHORT += ["--data.scale_size", "36", "--data.test_scale_size", "36", "--data.test_crop_size", "36"]


def commands() -> dict[str, list[str]]:
    """README's commands for one's own videos, for the folder "videos": what each does -> its words."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    start = text.index("videogn data split")
    lines = [line.partition("#")[0].split() for line in text[start : text.index("```", start)].splitlines()]
    words = [["videos" if word == "DIR" else word for word in line[1:]] for line in lines]
    return {"data check" if line[1] == "check" else line[0]: line for line in words}


def test_from_a_folder_to_a_tested_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    for place in range(36):
        write_video(Path("videos") / ("jump", "run")[place % 2] / f"{place:02d}.mp4", num_frames=64, seed=place)
    before = sorted(Path("videos").rglob("*.mp4"))
    words = commands()
    assert list(words) == ["data", "data check", "doctor", "fit", "test"]

    # Without lists, fit says which command makes them.
    assert main(["fit", "--config", "own_videos.yaml", "--data.root", "videos"]) == 2
    assert "videogn data split DIR" in capsys.readouterr().err

    assert main(words["data"]) == 0
    assert sorted(Path("videos").rglob("*.mp4")) == before
    lists = {name: (Path("videos") / f"{name}.csv").read_text().splitlines()[1:] for name in ("train", "val", "test")}
    assert sorted(line for lines in lists.values() for line in lines) == sorted(
        f"{path.parent.name}/{path.name},{path.parent.name}" for path in before
    )
    assert main([*words["data check"], "--num_workers", "0"]) == 0
    said = capsys.readouterr().out
    assert "24 train, 6 val, 6 test videos" in said
    assert "nothing that would stop or distort a run" in said
    assert main([*words["doctor"], *SHORT, "--minutes", "0.05"]) == 0
    assert capsys.readouterr().out.count("?\n") == 7
    assert main([*words["fit"], *SHORT]) == 0
    assert main([*words["test"], "--data.num_workers", "0"]) == 0
    result = json.loads(Path("runs/own_videos/result.json").read_text())
    assert (result["num_videos_scored"], result["input"]) == (len(lists["test"]), "motion")

    # A test whose clips wrap is said.
    write_video(Path("videos/short.mp4"), num_frames=30)
    Path("videos/shorts.csv").write_text("path,label\nshort.mp4,jump\n")
    capsys.readouterr()
    wraps = ["--data.test_list", "shorts.csv", "--data.clip_policy", "nonlocal", "--data.protocol", "10x1"]
    assert main([*words["test"], "--data.num_workers", "0", *wraps]) == 0
    assert "1 of 1 videos looked at are shorter than two clips" in capsys.readouterr().err
