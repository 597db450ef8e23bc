"""Any name that the disk can hold goes through every command: bytes that are no UTF-8, spaces and line breaks."""

import json
import os
from pathlib import Path

import pytest

from tests.runs import TINY, videogn
from tests.videos import write_video

CLASSES = [" jump \n", "caf\udce9", "run"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("work")
    for split, count in (("train", 4), ("val", 2)):
        for place, name in enumerate(CLASSES):
            for number in range(count):
                file = f"v\udce9\n\u2028{number}.mp4" if number else "~$HOME # é.mp4"
                try:
                    write_video(work / "d" / split / name / file, num_frames=12, seed=10 * place + number)
                except OSError:
                    pytest.skip("the disk does not hold such names")
    (work / "tiny.yaml").write_text(
        TINY.replace("max_epochs: 2", "max_epochs: 1").replace("10x3", "1x1") + "total_batch_size: 4\n"
    )
    (work / "study.yaml").write_text(
        "title: t\nbase: tiny.yaml\naxes: {model.norm: [gn]}\nseeds: [0]\n"
        "settings: {data.root: d, model.schedule.milestones: [100]}\n"
    )
    videogn("fit", "--config", "tiny.yaml", "--data.root", "d", "--run_dir", "run", cwd=work)
    return work


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--config", "tiny.yaml", "--data.root", "d"],
        ["validate", "--run_dir", "run"],
        ["bench", "data", "d", "--seconds", "1", "--num_videos", "2", "--num_frames", "4", "--crop_size", "32"],
        ["data", "prepare", "--root", "d", "--out", "prepared"],
        ["ablate", "--config", "study.yaml", "--out", "study"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_takes_them(work, words, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as in en_US.UTF-8
    videogn(*words, cwd=work)
    if words[0] == "data":
        prepared = {os.fsencode(file.relative_to(work / "prepared")) for file in (work / "prepared").rglob("*.mp4")}
        assert prepared == {os.fsencode(file.relative_to(work / "d")) for file in (work / "d").rglob("*.mp4")}


@pytest.mark.slow
def test_classes_and_videos_come_back_from_what_is_written(work, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    assert json.loads((work / "run" / "classes.json").read_text()) == CLASSES
    videogn("test", "--run_dir", "run", cwd=work)
    assert json.loads((work / "run" / "result.json").read_text())["num_videos_scored"] == 6
    assert "caf\\udce9" in (work / "run" / "per_class.csv").read_text()
    videogn("predict", "--run_dir", "run", "--videos", "d/val", "--json", "p.json", cwd=work)
    found = json.loads((work / "p.json").read_text())["videos"]
    assert {os.fsencode(video["video"]) for video in found} == {
        os.fsencode(file.relative_to(work)) for file in (work / "d" / "val").rglob("*.mp4")
    }
    assert {guess["class"] for video in found for guess in video["predictions"]} == set(CLASSES)
