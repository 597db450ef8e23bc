"""One process at work in a run's folder: who has the lock is said, and no dead one keeps it."""

import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.holders import another_process
from tests.runs import TINY
from tests.small_disks import read_only
from videogn.cli import main
from videogn.locks import OF_RUNS, Locked, holder, locked


def test_a_lock_says_who_holds_it_and_is_free_when_that_one_ends(tmp_path):
    path = tmp_path / "lock"
    assert holder(path) is None
    with another_process(path) as process:
        with pytest.raises(Locked) as caught, locked(path):
            pass
        words = rf"process {process.pid} on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:.*"
        assert re.fullmatch(words, str(caught.value))
        assert holder(path) == str(caught.value)
        process.communicate("go\n")
    assert not path.exists()
    with locked(path):
        assert f"process {os.getpid()} " in path.read_text()  # read once: to close it here gives the lock up
    assert not path.exists()


def test_a_process_that_is_killed_holds_nothing_though_its_worker_lives(tmp_path):
    path = tmp_path / "lock"
    with another_process(path, "forks") as process:
        process.kill()
        process.wait()
        os.kill(int(process.worker), 0)  # it is there
        assert path.read_text()
        assert holder(path) is None
        with locked(path):
            pass
        os.kill(int(process.worker), signal.SIGKILL)


def test_a_file_system_without_locks_is_said_and_stops_nothing(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    says = "locks don't work there .No locks available.: let no other run"
    with pytest.warns(UserWarning, match=says), locked(tmp_path / "lock"):
        pass


@pytest.fixture
def words(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--data.num_workers", "0",
            "--trainer.max_epochs", "1"]  # fmt: skip


@pytest.mark.slow
def test_a_second_run_in_a_folder_is_refused_before_it_writes(words, capsys):
    run = Path("runs/tiny")
    run.mkdir(parents=True)
    with another_process(run / OF_RUNS["fit"]) as process:
        before = [(path, path.stat().st_mtime_ns) for path in run.rglob("*")]
        for more in ([], ["--seed_everything", "1"]):
            assert main([*words, *more]) == 2
            error = capsys.readouterr().err.splitlines()[-1]
            assert error.startswith(f"videogn fit: error: runs/tiny: another `videogn fit` is at work there (process "
                                    f"{process.pid} on ")  # fmt: skip
        assert [(path, path.stat().st_mtime_ns) for path in run.rglob("*")] == before
        (run / "checkpoints").mkdir()
        (run / "checkpoints/last.ckpt").touch()
        assert main(words) == 2
        assert "at work there" in capsys.readouterr().err
        (run / "checkpoints/last.ckpt").unlink()
    assert main(words) == 0
    with another_process(run / OF_RUNS["test"]):
        assert main(["test", "--run_dir", "runs/tiny"]) == 2
        assert "another `videogn test` is at work there" in capsys.readouterr().err
        assert main(["validate", "--run_dir", "runs/tiny"]) == 0  # which writes nothing
    with another_process(run / OF_RUNS["fit"]):
        assert main(["test", "--no_report", "--run_dir", "runs/tiny", "--data.protocol", "1x1"]) == 0  # while it trains
    assert not (run / OF_RUNS["test"]).exists()


def test_a_folder_that_can_not_be_written_to_is_refused_before_the_work(words, capsys):
    Path("file").touch()
    assert main([*words, "--run_dir", "file/run"]) == 2
    line = "videogn fit: error: --run_dir file/run can't be written to (Not a directory): give another"
    assert capsys.readouterr().err.splitlines()[-1] == line


@pytest.mark.slow
def test_a_read_only_folder_is_refused_before_the_work(words, tmp_path, request):
    if not request.config.getoption("--full"):
        pytest.skip("a process of its own: --full")
    Path("run").mkdir()
    found = read_only([sys.executable, "-m", "videogn", *words, "--run_dir", "run"], at=tmp_path / "run")
    assert (found.returncode, found.stderr.splitlines()[-1]) == (
        2,
        "videogn fit: error: --run_dir run can't be written to (Read-only file system): give another",
    )
    assert "epoch 1" not in found.stdout
