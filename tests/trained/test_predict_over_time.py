"""The command over long and live video: what it prints and writes is what the network says of each place."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import videogn
from tests.data.encodings import remux
from tests.data.full_decode import full_decode
from videogn.cli import main
from videogn.data.decoding.live import open_camera
from videogn.trained.segments import segments
from videogn.trained.timeline import Timeline

pytestmark = pytest.mark.slow  # trains for a second or two


@pytest.fixture
def predict(run, monkeypatch, tmp_path):
    """Runs `videogn predict` on the run, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])

    def predict(*words: object, status: int = 0) -> None:
        assert main(["predict", "--run_dir", str(run), *map(str, words)]) == status

    return predict


@contextmanager
def standard_input(content: bytes) -> Iterator[None]:
    """Has bytes come by a pipe, as this process's standard input."""
    before = os.dup(0)
    reads, writes = os.pipe()
    os.dup2(reads, 0)
    os.close(reads)

    def write() -> None:
        with os.fdopen(writes, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        os.dup2(before, 0)
        os.close(before)


def rows_of(path: str) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_all_that_comes_of_a_file_is_what_the_network_says(run, predict, video, capsys):
    asked = ["--every_seconds", 0.2, "--threshold", 0.6, "--csv", "o.csv", "--json", "o.json", "--timeline", "o.png"]
    predict("--videos", video, *asked, "--overlay", "o.mp4", "--data.protocol", "10x1")
    windows = list(videogn.load(run, protocol="10x1").slide(video, every_seconds=0.2))
    assert len(windows) == 8
    head, *rows = rows_of("o.csv")
    assert head == ["video", "start_seconds", "end_seconds", "jump", "run"]
    for row, window in zip(rows, windows, strict=True):
        assert row[0] == str(video)
        numbers = [window.start, window.end, window.probabilities["jump"], window.probabilities["run"]]
        assert [float(number) for number in row[1:]] == pytest.approx(numbers, abs=1e-5)
    said = json.loads(Path("o.json").read_text())
    (of_video,), failed = said["videos"], said["failed"]
    assert failed == []
    for found, window in zip(of_video["windows"], windows, strict=True):
        assert (found["start_seconds"], found["end_seconds"]) == (window.start, window.end)
        assert {one["class"]: one["probability"] for one in found["predictions"]} == pytest.approx(window.probabilities)
    timeline = Timeline(["jump", "run"])
    for window in windows:
        timeline.add(window)
    expected = segments(timeline.times, timeline.scores, threshold=0.6)
    assert [(one["class"], one["start_seconds"], one["end_seconds"]) for one in of_video["segments"]] == [
        (timeline.classes[one.label], one.start, one.end) for one in expected
    ]
    with Image.open("o.png") as picture:
        assert picture.size[0] == 1134
    assert "jump" in "".join(ElementTree.parse("o.svg").getroot().itertext())
    assert len(full_decode(Path("o.mp4"))) == 50
    output = capsys.readouterr().out
    assert "most probable" in output
    for name in ("o.csv", "o.json", "o.png", "o.svg", "o.mp4"):
        assert f"written: {name}" in output


def test_several_videos_and_one_that_is_none(predict, data_root, shared_data, capsys):
    predict(
        "--videos", data_root / "val", shared_data / "odd/tfio_audio_only.mp4", "--every_seconds", 0.5, "--csv", "o.csv"
    )
    assert len({row[0] for row in rows_of("o.csv")[1:]}) == 5
    assert "tfio_audio_only.mp4: the file has no video stream" in capsys.readouterr().err
    before = Path("o.csv").read_bytes()
    predict("--videos", shared_data / "odd/tfio_audio_only.mp4", "--every_seconds", 0.5, "--csv", "o.csv", status=1)
    assert Path("o.csv").read_bytes() == before
    assert "0 of 1 video could be decoded" in capsys.readouterr().err


def test_a_video_that_comes_by_a_pipe_is_told_window_by_window(predict, video, tmp_path, capsys):
    piped = remux(video, tmp_path / "piped.mkv", lambda packets: None)
    predict("--videos", video, "--every_seconds", 0.2, "--csv", "file.csv")
    with standard_input(piped.read_bytes()):
        predict("--videos", "-", "--every_seconds", 0.2, "--csv", "pipe.csv", "--timeline", "pipe.png")
    of_file, of_pipe = rows_of("file.csv")[1:], rows_of("pipe.csv")[1:]
    assert [row[1] for row in of_file] == [row[1] for row in of_pipe]
    for a, b in zip(of_file, of_pipe, strict=True):
        assert b[0] == "standard input"
        assert np.allclose(np.array(a[1:], float), np.array(b[1:], float), atol=1e-5)
    lines = [line for line in capsys.readouterr().out.splitlines() if " - " in line]
    assert len(lines) == 8
    assert lines[1].startswith("0:00.2 - 0:00.8  ")
    with standard_input(b"no video"):
        predict("--videos", "-", status=1)
    error = capsys.readouterr().err
    assert "standard input: Invalid data found when processing input (a pipe can carry Matroska or MPEG-TS" in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_stream_and_writes_what_was_found(run, video, tmp_path, number):
    piped = remux(video, tmp_path / "piped.mkv", lambda packets: None)
    words = ["predict", "--run_dir", str(run), "--videos", "-", "--every_seconds", "0.2", "--csv", "o.csv"]
    with subprocess.Popen(
        [sys.executable, "-m", "videogn", *words, "--timeline", "o.png"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.buffer.write(piped.read_bytes())
        process.stdin.buffer.flush()
        lines = []
        while not lines or not lines[-1].startswith("0:00.6 - "):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait() == 0, rest
    assert "written: o.csv" in rest
    assert "written: o.png" in rest
    assert len(rows_of(f"{tmp_path}/o.csv")) >= 5
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_a_stream_whose_reader_ends_keeps_what_was_found(run, video, tmp_path):
    piped = remux(video, tmp_path / "piped.mkv", lambda packets: None)
    words = (
        f"{sys.executable} -m videogn predict --run_dir {run} --videos - --every_seconds 0.2 --csv o.csv --json o.json"
    )
    piece = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"cat {piped} | {words} | head -n 1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert piece.returncode == 0, piece.stderr
    assert piece.stdout.startswith("0:00.0 - ")
    rows = rows_of(f"{tmp_path}/o.csv")[1:]
    assert 1 <= len(rows) < 8
    (of_video,) = json.loads((tmp_path / "o.json").read_text())["videos"]
    assert len(of_video["windows"]) == len(rows)


def test_rows_of_a_stream_are_in_the_file_at_once(predict, video, tmp_path, monkeypatch):
    import videogn.commands.sliding as sliding

    seen = []
    monkeypatch.setattr(sliding, "line_of", lambda window: seen.append(len(rows_of("o.csv"))) or "")
    with standard_input(remux(video, tmp_path / "piped.mkv", lambda packets: None).read_bytes()):
        predict("--videos", "-", "--every_seconds", 0.2, "--csv", "o.csv")
    assert seen == [2, 3, 4, 5, 6, 7, 8, 9][: len(seen)]
    assert len(seen) == 8


def test_a_failure_on_the_way_keeps_what_was_found(predict, data_root, monkeypatch, capsys):
    from videogn.trained.model import TrainedModel

    slide, asked = TrainedModel.slide, []

    def failing(self, *given, **named):
        asked.append(given)
        if len(asked) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return slide(self, *given, **named)

    monkeypatch.setattr(TrainedModel, "slide", failing)
    words = ["--videos", data_root / "val", "--every_seconds", 0.2, "--csv", "o.csv", "--json", "o.json"]
    predict(*words, status=3)
    assert "memory" in capsys.readouterr().err
    assert len({row[0] for row in rows_of("o.csv")[1:]}) == 2
    assert len(json.loads(Path("o.json").read_text())["videos"]) == 2


def test_ctrl_c_ends_a_file_and_says_that_it_is_a_part(predict, run, video, monkeypatch, capsys):
    from videogn.trained.model import TrainedModel

    slide = TrainedModel.slide

    def interrupted(self, *given, **named):
        for place, window in enumerate(slide(self, *given, **named)):
            if place == 3:
                raise KeyboardInterrupt
            yield window

    monkeypatch.setattr(TrainedModel, "slide", interrupted)
    predict("--videos", video, "--every_seconds", 0.2, "--csv", "o.csv", "--overlay", "o.mp4", status=1)
    assert len(rows_of("o.csv")) == 4
    assert not Path("o.mp4").exists()
    assert "interrupted: what is printed and written is of the part before" in capsys.readouterr().err


def test_a_camera_is_a_device_of_the_system(predict, capsys):
    """FFmpeg's own device for test pictures stands for one; here are no others."""
    camera = open_camera("testsrc2=size=64x48:rate=10", driver="lavfi")
    frames = [shown for shown, _ in zip(camera.stream(), range(30), strict=False)]
    assert [float(shown.start) for shown in frames] == [k / 10 for k in range(30)]
    camera.close()
    predict("--camera", "/dev/none", status=1)
    assert "camera /dev/none: No such file or directory (this machine has: " in capsys.readouterr().err


def test_what_can_not_be_asked_for_is_said_before_work(predict, video, data_root, capsys):
    predict("--videos", data_root / "val", "--every_seconds", 1, "--overlay", "o.mp4", status=2)
    assert "--overlay is of one video, and here are 5" in capsys.readouterr().err
    predict("--videos", video, "--csv", "o.csv", status=2)
    assert "--csv is of a window that slides: give --every_seconds" in capsys.readouterr().err
