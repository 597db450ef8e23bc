"""Several processes, however they are started, give what one gives; where one is lost, the others end and say so."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from torch.distributed import PrefixStore, TCPStore

from tests.ranks import said, start, wait
from tests.runs import TINY, videogn
from videogn.cli import main
from videogn.commands import beats
from videogn.commands.usage import ExchangeFailed

pytestmark = pytest.mark.slow
SCORES = "[{class_path: tests.ranks.Scores, init_args: {file: FILE}}]"
ONE_VIEW = ["--data.protocol", "1x1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """A folder with tiny.yaml, of six classes, a trained run, and what one process says of it."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "classes.txt").write_text("jump\nrun\nswim\nwalk\nride\nfall\n")
    classes = f"data: {{root: {data_root}, classes: {folder}/classes.txt, "
    (folder / "tiny.yaml").write_text(TINY.replace("data: {", classes))
    videogn("fit", "--config", "tiny.yaml", "--run_dir", "run", "--trainer.max_epochs", "1", cwd=folder)
    for command in ("test", "validate"):
        callback = SCORES.replace("FILE", f"one_{command}")
        videogn(command, "--run_dir", "run", "--trainer.callbacks", callback, *ONE_VIEW, cwd=folder)
    return folder


def scores(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


@pytest.mark.parametrize(
    ("command", "by", "number", "is_deep"),
    [
        ("test", "torchrun", 3, False),
        ("test", "lightning", 3, True),
        ("test", "slurm", 2, True),
        ("validate", "lightning", 3, True),
        ("validate", "torchrun", 2, True),
        ("validate", "slurm", 3, True),
    ],
)
def test_processes_score_every_video_once_and_as_one_does(trained, command, by, number, is_deep, pytestconfig):
    """5 videos, which neither 2 nor 3 divide."""
    if is_deep and not pytestconfig.getoption("--full"):
        pytest.skip("another way to start processes: --full")
    name = f"{by}_{command}_{number}"
    callback = SCORES.replace("FILE", name)
    words = [command, "--run_dir", "run", "--trainer.callbacks", callback, *ONE_VIEW]
    statuses, text = wait(start(*words, by=by, number=number, cwd=trained), trained)
    assert set(statuses) == {0}, text
    one, several = scores(trained, f"one_{command}.0"), scores(trained, f"{name}.0")
    if command == "test":
        assert [video[:3] for video in several["scored"]] == [video[:3] for video in one["scored"]]
        assert [video[0] for video in several["scored"]] == list(range(5))
        losses = [[video[3] for video in found["scored"]] for found in (several, one)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        assert "5 of 5 videos scored" in text
    else:
        seen = [scores(trained, f"{name}.{rank}")["validated"] for rank in range(number)]
        assert sorted(place for places in seen for place in places) == list(range(5))
    assert several["metrics"].keys() == one["metrics"].keys() > {f"{command[:4].replace('vali', 'val')}/top5"}
    for figure, value in one["metrics"].items():
        assert several["metrics"][figure] == pytest.approx(value, rel=1e-5), figure


@pytest.mark.parametrize(
    ("by", "number", "batch", "total"), [("lightning", 3, 2, 6), ("torchrun", 3, 2, 6), ("slurm", 2, 4, 8)]
)
def test_processes_train_as_one_that_accumulates(trained, by, number, batch, total, pytestconfig):
    """12 videos: two updates an epoch of 3 x 2 clips, and one of 2 x 4."""
    if not pytestconfig.getoption("--full"):
        pytest.skip("two trainings each: --full; two devices by Lightning in test_end_to_end.py")
    more = ["--data.batch_size", str(batch), "--total_batch_size", str(total), "--model.dropout", "0"]
    more += ["--model.base_lr", "0.05"]
    words = ["fit", "--config", "tiny.yaml", *more, "--run_dir"]
    videogn(*words, f"one_{by}", "--trainer.accelerator", "cpu", cwd=trained)
    statuses, text = wait(start(*words, f"several_{by}", by=by, number=number, cwd=trained), trained)
    assert set(statuses) == {0}, text
    assert f"{total} clips = {batch} x {number} devices x 1 accumulated" in text
    one, several = (
        torch.load(trained / f"{name}_{by}/checkpoints/last.ckpt", weights_only=True) for name in ("one", "several")
    )
    assert one["global_step"] == several["global_step"] > 0
    torch.testing.assert_close(several["state_dict"], one["state_dict"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("by", ["torchrun", "slurm"])
def test_told_to_end_processes_save_and_the_same_command_goes_on(trained, by, pytestconfig):
    if not pytestconfig.getoption("--full"):
        pytest.skip("two trainings: --full")
    words = [
        "fit",
        "--config",
        "tiny.yaml",
        "--run_dir",
        f"stopped_{by}",
        "--data.batch_size",
        "2",
        "--trainer.max_epochs",
    ]
    runs = start(*words, "100000", by=by, number=2, cwd=trained)
    said(trained, "epoch 2 ", runs)
    for run in runs:  # torchrun hands SIGTERM on and leaves with 1; SLURM sends to all processes
        os.kill(run.pid, signal.SIGTERM if by == "torchrun" else signal.SIGUSR1)
    statuses, text = wait(runs, trained)
    assert set(statuses) == ({1} if by == "torchrun" else {75})
    steps = int(re.search(r"told to end: saved after update (\d+)(, within its validation)?; run it again", text)[1])
    assert steps > 3
    statuses, text = wait(start(*words, str(steps // 3 + 1), by=by, number=2, cwd=trained), trained)
    assert set(statuses) == {0}, text
    assert f"goes on after update {steps}" in text


@pytest.mark.parametrize(
    ("by", "lost", "number"),
    [
        ("slurm", 1, signal.SIGKILL),
        ("slurm", 0, signal.SIGKILL),
        ("slurm", 1, signal.SIGSTOP),
        ("torchrun", 1, signal.SIGKILL),
    ],
)
def test_a_process_that_is_lost_ends_the_run_within_a_minute(trained, by, lost, number, pytestconfig):
    if not pytestconfig.getoption("--full"):
        pytest.skip("up to a minute each: --full")
    words = ["fit", "--config", "tiny.yaml", "--run_dir", f"lost_{by}_{lost}_{number}", "--data.batch_size", "2"]
    runs = start(*words, "--trainer.max_epochs", "100000", by=by, number=2, cwd=trained)
    said(trained, "epoch 2 ", runs)
    pid = runs[lost].pid if by == "slurm" else int(_children(runs[0].pid)[lost])
    os.kill(pid, number)
    began = time.monotonic()
    others = [run for run in runs if run.pid != pid]
    try:
        assert {run.wait(60) for run in others} == {1}
    finally:
        os.kill(pid, signal.SIGKILL) if number == signal.SIGSTOP else None
        _, text = wait(runs, trained)
    assert time.monotonic() - began < 60
    if by == "torchrun":
        assert re.search(rf"exitcode +: -9 \(pid: {pid}\)", text)
        return
    (error,) = re.findall("videogn fit: error: (.*)", text)
    says = "the process of device 0, at which all of this run meet, is gone"
    assert error.startswith(says if lost == 0 else "nothing was heard of device 1 (")
    assert lost == 0 or f", process {pid})" in error
    assert "Traceback" not in text


def _children(pid: int) -> list[str]:
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True).stdout.split()


def _beating(rank: int, port: int, failure: tuple[float, Exception] | None, log: Path, beat: float) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), 2)
    beats.BEAT_SECONDS, beats.LOST_SECONDS, beats.GRACE_SECONDS = beat, 20 * beat, 10 * beat
    torch.distributed.is_initialized = lambda: True
    seconds, error = failure or (60, None)
    with beats.Beats(beats.meeting("127.0.0.1", port), rank=rank, size=3, command="fit"):
        time.sleep(seconds)
        if error:
            raise error


NO_DISK, RESET = ValueError("no disk"), ExchangeFailed("connection reset")


@pytest.mark.parametrize(
    ("failures", "cause"),
    [
        ({1: (1.2, ValueError("another")), 2: (1.0, NO_DISK)}, 2),  # both before the next beat
        ({1: (1.0, RESET), 2: (2.0, NO_DISK)}, 2),
        ({2: (0.0, NO_DISK)}, 2),  # before its first beat
        ({0: (0.0, NO_DISK)}, 0),
    ],
)
def test_others_name_the_cause_and_not_what_followed_from_it(failures, cause, tmp_path):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["videogn.commands.trainer"])
    log = tmp_path / "log"
    processes = [
        forks.Process(target=_beating, args=(rank, store.port, failures.get(rank), log, 0.5)) for rank in range(3)
    ]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
            assert process.exitcode == 1
    finally:
        for process in processes:
            process.kill()
            process.join()
    lines = [line for line in log.read_text().splitlines() if line.startswith("videogn fit: error: ")]
    assert len(lines) == 3 - len(failures)
    assert all(re.search(rf"error: device {cause} \(.*\) ended with status 1: no disk$", line) for line in lines), lines


@pytest.mark.parametrize("how", ["killed", "fails"])
def test_a_process_that_gives_no_sign_of_life_ends_the_others(how, tmp_path):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["videogn.commands.trainer"])
    log = tmp_path / "log"
    errors = [None, None, (1.5, NO_DISK) if how == "fails" else None]
    processes = [forks.Process(target=_beating, args=(rank, store.port, errors[rank], log, 0.2)) for rank in range(3)]
    try:
        for process in processes:
            process.start()
        if how == "killed":
            PrefixStore("videogn 0", store).wait(["who 2"])
            processes[2].kill()
        for process in processes[:2]:
            process.join(30)
            assert process.exitcode == 1
    finally:
        for process in processes:
            process.kill()
            process.join()
    lines = [line for line in log.read_text().splitlines() if line.startswith("videogn fit: error: ")]
    assert len(lines) == 2
    who = rf"device 2 \(.*, process {processes[2].pid}\)"
    says = f"{who} ended with status 1: no disk" if how == "fails" else f"nothing was heard of {who} for 4 s"
    assert all(re.search(says, line) for line in lines)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"SLURM_NTASKS": "2"}, "Use `--ntasks-per-node=2`"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "srun has started 2 processes, and the run is of one"),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}, "torchrun has started 2 processes, and the run is of one"),
    ],
)
def test_processes_that_the_run_does_not_count_are_refused(trained, monkeypatch, capsys, variables, says):
    monkeypatch.chdir(trained)
    monkeypatch.setattr("sys.argv", ["videogn"])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["fit", "--config", "tiny.yaml", "--run_dir", "refused", "--trainer.accelerator", "cpu"]) == 2
    assert says in capsys.readouterr().err
