"""`videogn data prepare` as a user types it, and stops it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.prepared import write_numbered
from tests.videos import write_video
from videogn.cli import main

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for index in range(3):
        write_numbered(tmp_path / f"root/{index}.mp4", num_frames=8)
    return tmp_path / "root"


def words(root: Path, out: Path, *more: str) -> list[str]:
    return ["data", "prepare", "--root", str(root), "--out", str(out), "--short_side", "32", *more]


def start(args: list[str], **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "videogn", *args], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True, **more,
    )  # fmt: skip


def test_a_run_and_its_summary(root, tmp_path, capsys):
    (root / "x.jpg").touch()
    args = words(root, tmp_path / "out", "--num_workers", "0", "--json", str(tmp_path / "s.json"))
    assert main(args) == 0
    out = capsys.readouterr()
    assert "3 videos prepared" in out.out
    assert "left out: 1 images" in out.out
    assert "3 of 3 videos" in out.err
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["num_prepared"], found["num_there"], found["failures"], found["key_interval"]) == (3, 0, {}, 32)
    assert main(args) == 0
    assert "0 videos prepared" in capsys.readouterr().out


def test_damaged_videos_are_named_and_the_others_done(root, tmp_path, capsys):
    (root / "0_broken.mp4").write_text("no video")
    assert main(words(root, tmp_path / "out", "--num_workers", "0")) == 1
    out = capsys.readouterr()
    assert "left out: 0_broken.mp4: Invalid data" in out.err
    assert "videogn data: error: 1 of 4 videos could not be prepared" in out.err
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--quality", "99"], "quality is 99"),
        (["--key_interval", "0"], "key_interval is 0"),
        (["--num_workers", "-1"], "num_workers is -1"),
        (["--root", "/none"], "is no folder"),
        (["--fps", "3"], "--fps"),
    ],
)
def test_refusals_are_one_line(root, tmp_path, capsys, more, message):
    assert main(words(root, tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_teaches_and_loads_no_decoder():
    code = (
        "import sys\nfrom videogn.cli import main\ntry:\n    main(['data', 'prepare', '--help'])\n"
        "except SystemExit: pass\nprint(sorted({'torch', 'av'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for word in ("videogn fit", "What it costs", "What is lost", "Why these settings", "--key_interval"):
        assert word in done.stdout


@pytest.mark.slow
def test_a_full_disk_stops_the_run_cleanly(root, tmp_path):
    write_video(root / "9.mp4", num_frames=200, height=320, width=480)
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = start(words(root, tmp_path / "out", "--num_workers", "1", "--quality", "0"), preexec_fn=limit)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 1, output
    assert "videogn data: error: " in output
    assert "run the same command again to go on" in output
    assert "Traceback" not in output
    assert not (tmp_path / "out/9.mp4").exists()
    assert not list((tmp_path / "out").rglob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_leaves_whole_files_and_another_goes_on(root, tmp_path, how):
    out = tmp_path / "out"
    for index in range(10, 40):
        write_video(root / f"{index}.mp4", num_frames=60, height=128, width=160, seed=index)
    run = start(words(root, out, "--num_workers", "2"))
    while len(list(out.glob("[0-9]*.mp4"))) < 5:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(how) if how == signal.SIGKILL else os.killpg(run.pid, how)
    output, _ = run.communicate(timeout=60)  # ends when the last of its processes does
    assert "Traceback" not in output
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert "run the same command again to go on" in output
        assert not list(out.rglob(".*"))
    kept = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.glob("[0-9]*.mp4")}
    assert 5 <= len(kept) < 33
    assert main(words(root, out, "--num_workers", "0")) == 0
    assert len(list(out.glob("*.mp4"))) == 33
    assert all((path.read_bytes(), path.stat().st_mtime_ns) == before for path, before in kept.items())
    assert not list(out.rglob(".*"))
    assert main(words(root, tmp_path / "fresh", "--num_workers", "0")) == 0
    assert all(path.read_bytes() == (tmp_path / "fresh" / path.name).read_bytes() for path in out.glob("*.mp4"))
