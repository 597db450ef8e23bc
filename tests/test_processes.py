"""A process of a run that is killed, one of its devices' or a loader's: the run ends, says why, and leaves none."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import lightning
import pytest

from tests.runs import TINY
from videogn.cli import main
from videogn.commands.processes import lost

pytestmark = pytest.mark.slow


@pytest.fixture
def words(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--run_dir", "run"]


class EndWorker(lightning.Callback):
    def on_train_batch_start(self, *_: object) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()


def test_loaders_workers_that_are_killed_again_and_again_end_the_run_in_a_line(words, capsys):
    words += ["--trainer.callbacks", "tests.test_processes.EndWorker", "--data.batch_size", "1"]
    assert main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match(
        r"videogn fit: error: a process that decodes \(\d+\) ended by signal 9 \(Killed\) \(as the kernel does where "
        r"memory does not suffice .*\), the last of more than 2 .*: where it was memory, fewer --data.num_workers need "
        r"less",
        error,
    )
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    assert lost(RuntimeError("Connection reset by peer"), trainer=trainer) is None  # of one device


def in_session(leader: int) -> dict[int, list[str]]:
    """Processes of a session, with their words."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("killed", ["second", "first"])
def test_a_device_whose_process_is_killed_ends_the_run(words, killed, request):
    if not request.config.getoption("--full"):
        pytest.skip("half a minute: --full")
    more = ["--data.batch_size", "2", "--trainer.max_epochs", "100000", "--trainer.accelerator", "cpu"]
    more += ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    output = Path("output.txt")
    with output.open("w") as stream:
        run = subprocess.Popen(
            [sys.executable, "-m", "videogn", *words, *more], stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while "epoch 1 " not in output.read_text() and time.monotonic() < deadline:
            assert run.poll() is None, output.read_text()
            time.sleep(0.2)
        assert len(in_session(run.pid)) >= 6  # two devices, each with a fork server and a worker at least
        second = next(pid for pid, words in in_session(run.pid).items() if "videogn.__main__" in words)
        os.kill(second if killed == "second" else run.pid, signal.SIGKILL)
        status = run.wait(60)
        while in_session(run.pid) and time.monotonic() < deadline + 60:
            time.sleep(0.2)
        assert not in_session(run.pid)
    finally:
        for pid in in_session(run.pid):
            os.kill(pid, signal.SIGKILL)
    text = output.read_text()
    error = [line for line in text.splitlines() if line.startswith("videogn fit: error: ")][-1]
    assert "Traceback" not in text
    if killed == "second":
        assert status == 1
        assert f"the process of device 1 ({second}) ended by signal 9 (Killed), as the kernel does" in error
    else:
        assert "another process of this run" in error
