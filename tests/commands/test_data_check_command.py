"""`videogn data check` as a user types it, and stops it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.videos import write_video
from videogn.cli import main

REPOSITORY = Path(__file__).parents[2]
CLIP = ["--data.num_frames", "4", "--data.num_workers", "0"]


def start(*words: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "videogn", "data", "check", *words], cwd=REPOSITORY, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True, **more,
    )  # fmt: skip


def test_a_good_data_set_is_said_to_be_good(data_root, tmp_path, capsys):
    words = ["data", "check", str(data_root), *CLIP, "--out", str(tmp_path / "out"), "--num_workers", "0"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "12 train, 5 val videos in 17 files" in said.out
    assert "nothing that would stop or distort a run" in said.out
    assert "17 of 17 videos" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "check.csv",
        "check.md",
        "exclude.txt",
        "state.jsonl",
    ]
    assert main(words) == 0
    assert "(17 known from before)" in capsys.readouterr().out


def test_settings_of_fit_count_and_what_is_wrong_is_the_exit_status(data_root, tmp_path, capsys):
    (tmp_path / "small.yaml").write_text("data: {num_frames: 16, frame_interval: 2, num_workers: 0}\n")
    words = ["--config", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "out"), "--num_workers", "0"]
    assert main(["data", "check", str(data_root), *words]) == 0
    assert "and a clip spans 31" in capsys.readouterr().out  # short ones are worth a note
    assert main(["data", "check", str(data_root), *words, "--data.target_fps", "12.5"]) == 0
    assert "and a clip spans 61" in capsys.readouterr().out  # of 25 frames a second
    (tmp_path / "train.csv").write_text("train/00.mp4 jump\ntrain/00.mp4 run\nnone.mp4 run\n")
    assert main(["data", "check", str(tmp_path / "train.csv"), "--data.root", str(data_root), *words]) == 1
    said = capsys.readouterr()
    assert "1  missing" in said.out
    assert "1  two classes" in said.out
    assert "2 train videos in 1 files (1 known from before)" in said.out
    assert "none.mp4" in (tmp_path / "out/exclude.txt").read_text()


def test_a_folder_of_class_folders_is_checked_before_it_is_split(data_root, tmp_path, capsys):
    for number in range(4):
        target = tmp_path / "videos" / ("a", "b")[number % 2] / f"{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_root / f"train/{number:02d}.mp4", target)
    words = [str(tmp_path / "videos"), *CLIP, "--out", str(tmp_path / "out"), "--num_workers", "0"]
    assert main(["data", "check", *words]) == 0
    assert "4 train videos in 4 files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected the data root, or a list"),
        (["--out", "x"], "expected the data root, or a list"),
        (["/none"], "/none: no such folder or list"),
        (["DIR", "--num_workers", "-1"], "--num_workers is -1"),
        (["DIR", "--data.num_frames", "0"], "num_frames is 0"),
        (["DIR", "--data.nothing", "1"], "data.nothing is no setting"),
        (["DIR", "--data.exclude", "none.txt"], "none.txt: no such file"),
    ],
)
def test_refusals_are_one_line(data_root, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", *(str(data_root) if word == "DIR" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_help_teaches_and_loads_no_decoder():
    code = (
        "import sys\nfrom videogn.cli import main\ntry:\n    main(['data', 'check', '--help'])\n"
        "except SystemExit: pass\nprint(sorted({'torch', 'av'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for words in ("--data.exclude", "What is looked for", "What it costs", "What it can't see", "Exit status"):
        assert words in done.stdout


@pytest.fixture(scope="module")
def many(data_root, tmp_path_factory) -> Path:
    """A data set that takes seconds to check."""
    root = Path(shutil.copytree(data_root, tmp_path_factory.mktemp("many") / "data"))
    with (root / "train.csv").open("a") as lines:
        for number in range(12, 40):
            write_video(root / f"train/{number}.mp4", num_frames=75, height=128, width=160, seed=number)
            lines.write(f"train/{number}.mp4 run\n")
    return root


@pytest.fixture(scope="module")
def unbroken(many, tmp_path_factory) -> bytes:
    """check.csv of a check that nobody stopped."""
    out = tmp_path_factory.mktemp("unbroken")
    assert main(["data", "check", str(many), *CLIP, "--out", str(out), "--num_workers", "0"]) == 0
    return (out / "check.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_check_that_is_stopped_goes_on(many, unbroken, tmp_path, capsys, how):
    out = tmp_path / "out"
    words = [str(many), *CLIP, "--out", str(out), "--num_workers", "1"]
    run = start(*words)
    while not (out / "state.jsonl").exists() or len((out / "state.jsonl").read_text().splitlines()) < 5:
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    run.send_signal(how) if how == signal.SIGKILL else os.killpg(run.pid, how)
    output, _ = run.communicate(timeout=60)  # ends when the last of its processes does
    assert "Traceback" not in output
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert "run the same command again to go on" in output
    known = len((out / "state.jsonl").read_text().splitlines())
    assert 5 <= known < 45
    assert not (out / "check.md").exists()
    assert main(["data", "check", *words[:-1], "0"]) == 0
    assert f"45 files ({known} known from before)" in capsys.readouterr().out
    assert (out / "check.csv").read_bytes() == unbroken
