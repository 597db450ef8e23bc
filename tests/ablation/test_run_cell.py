"""One cell: where it goes on, where it begins again, and how each failure is told."""

import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.ablation.conftest import BASE, Command, cells, is_running
from tests.holders import another_process
from videogn.ablation.outcome import Failure, read_outcome
from videogn.ablation.running import child
from videogn.ablation.running.child import Stop, Stopped
from videogn.ablation.running.run_cell import CellJob, job_of, run_cell
from videogn.ablation.study import Study
from videogn.ablation.study_folder import check_folder, record_study
from videogn.locks import OF_RUNS

STUDY = Study(base="b.yaml", axes={"model.norm": ["bn"]})
NAME = "bn-seed0"


@pytest.fixture
def job(command: Command, tmp_path: Path) -> CellJob:
    (tmp_path / "out").mkdir()
    record_study(STUDY, base=BASE, out=tmp_path / "out")
    return job_of(STUDY, cell=cells(STUDY)[0], out=tmp_path / "out", command=command.words)


def failure_of(job: CellJob) -> Failure:
    failure = read_outcome(job.cell, folder=job.folder).failure
    assert failure is not None
    return failure


def steps(job: CellJob) -> list[str]:
    return [line.split(",")[1] for line in (job.folder / "metrics.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize(
    ("behaviour", "kind", "exit_status", "reason"),
    [
        ("crash", "crashed", 1, "RuntimeError: [bold]odd[/bold] | <thing>"),
        ("refuse", "refused", 2, "no such setting"),
        ("memory", "out of memory", 3, "CUDA out of memory"),
        ("nan", "not finite", 4, "the loss is nan"),
        ("kill", "killed", -9, "by signal 9, as the kernel does where memory does not suffice"),
    ],
)
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_a_failure_says_what_happened_and_the_cell_goes_on(command, job, stage, behaviour, kind, exit_status, reason):
    command.behave({f"{stage} {NAME}": behaviour})
    run_cell(job)
    failure = failure_of(job)
    assert (failure.kind, failure.stage, failure.exit_status) == (kind, stage, exit_status)
    assert failure.reason.startswith(reason)
    assert failure.log_tail[0].endswith("bn-seed0 --seed_everything 0 --model.norm=bn --data.batch_size=4 "
                                        "--total_batch_size=8")  # fmt: skip
    assert asdict(failure) == json.loads((job.folder / "failure.json").read_text())
    command.calls()

    command.behave({})
    run_cell(job)
    assert read_outcome(job.cell, folder=job.folder).state == "done"
    assert command.stages() == [("fit on", NAME)] * (stage == "fit") + [("test", NAME)]
    assert steps(job) == ["0", "1", "1", "1", "2", "3", "3", "3"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("nothing", "it ended well and yet wrote no result.json"), ("garbage", "result.json cannot be read")],
)
def test_a_test_that_leaves_no_result_is_a_failure(command, job, behaviour, reason):
    command.behave({f"test {NAME}": behaviour})
    run_cell(job)
    failure = failure_of(job)
    assert (failure.kind, failure.stage, failure.exit_status) == ("no result", "test", 0)
    assert failure.reason.startswith(reason)


def test_a_cell_with_a_result_is_left_alone(command, job):
    run_cell(job)
    command.calls()
    assert run_cell(job) == 0
    assert command.calls() == []


def test_a_setting_refused_on_going_on_costs_no_checkpoint(command, job):
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    command.calls()
    command.behave({f"fit {NAME}": "refuse"})
    run_cell(job)
    assert failure_of(job).kind == "refused"
    assert command.stages() == [("fit on", NAME)]
    assert (job.folder / "checkpoints/last.ckpt").is_file()


def test_a_checkpoint_that_can_not_be_read_is_not_thrown_away(command, job):
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    command.behave({f"fit {NAME}": "unreadable"})
    run_cell(job)
    assert failure_of(job).kind == "refused"
    assert "last.ckpt: not a checkpoint" in failure_of(job).reason
    assert (job.folder / "checkpoints/last.ckpt").is_file()


def test_a_cell_whose_process_is_lost_again_and_again_is_a_failure(command, job):
    """As on a cluster that kills what takes too much memory, and starts it again."""
    record = job.folder / "cell.json"
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    for lost in (1, 2):
        (job.folder / "failure.json").unlink()
        record.write_text(json.dumps({**json.loads(record.read_text()), "stage": "fit", "since": 0}))
        run_cell(job)
        assert failure_of(job).kind == "crashed"
        assert json.loads(record.read_text())["lost"]["times"] == lost
    command.calls()
    (job.folder / "failure.json").unlink()
    record.write_text(json.dumps({**json.loads(record.read_text()), "stage": "fit", "since": 0}))
    run_cell(job)
    assert (failure_of(job).kind, failure_of(job).stage) == ("killed", "fit")
    assert "was lost 3 times at the same update" in failure_of(job).reason
    assert command.calls() == []
    command.behave({})
    run_cell(job)  # asked for again
    assert read_outcome(job.cell, folder=job.folder).state == "done"


def test_killed_while_it_begins_anew_a_cell_is_still_ours(command, job, monkeypatch):
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    (job.folder / "checkpoints/last.ckpt").unlink()
    monkeypatch.setattr(Path, "mkdir", lambda *args, **more: (_ for _ in ()).throw(OSError("the end")))
    with pytest.raises(OSError, match="the end"):
        run_cell(job)
    monkeypatch.undo()
    assert not job.folder.exists()
    check_folder(STUDY, cells(STUDY), base=BASE, out=job.folder.parents[1])
    command.behave({})
    run_cell(job)
    assert read_outcome(job.cell, folder=job.folder).state == "done"
    assert [path.name for path in job.folder.parent.iterdir()] == [NAME]


def test_a_training_stopped_before_its_first_checkpoint_begins_anew(command, job):
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    (job.folder / "checkpoints/last.ckpt").unlink()
    command.calls()
    command.behave({})
    run_cell(job)
    assert command.stages() == [("fit", NAME), ("test", NAME)]


def test_a_cell_that_is_stopped_says_so_and_has_not_failed(command, job):
    command.behave({f"fit {NAME}": "hang"})
    stop = Stop()
    timer = threading.Timer(1.5, stop.asked.set)
    timer.start()
    with pytest.raises(Stopped):
        run_cell(job, stop=stop)
    timer.join()
    assert (command.home / f"interrupted.{NAME}").exists()
    assert read_outcome(job.cell, folder=job.folder).state == "stopped"
    assert json.loads((job.folder / "cell.json").read_text())["stage"] is None
    command.calls()
    with pytest.raises(Stopped):
        run_cell(job, stop=stop)
    assert command.calls() == []


def test_the_record_says_what_is_at_work(command, job):
    command.behave({f"fit {NAME}": "crash"})
    run_cell(job)
    command.behave({f"fit {NAME}": 1.0, f"test {NAME}": 1.0})
    thread = threading.Thread(target=run_cell, args=(job,))
    thread.start()
    seen = set()
    while thread.is_alive():
        record = json.loads((job.folder / "cell.json").read_text())
        seen.add((record["stage"], record.get("first_step")))
        thread.join(0.1)
    assert {("fit", 2), ("test", 0)} <= seen


def test_a_child_that_ignores_interrupts_is_ended_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_SAVE_SECONDS", 0.2)
    monkeypatch.setattr(child, "_INTERRUPT_SECONDS", 0.2)
    check_ended_with_what_it_started(tmp_path / "log.txt", Stop())


def test_asked_twice_a_child_is_ended_at_once(tmp_path):
    stop = Stop()
    stop.now.set()
    check_ended_with_what_it_started(tmp_path / "log.txt", stop)


def check_ended_with_what_it_started(log: Path, stop: Stop) -> None:
    """Start a child that will not be told and has one of its own, stop it, and look whether both are gone."""
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('children', os.getpid(), worker.pid); time.sleep(600)\n"
    )

    def ask() -> None:
        while not child.log_tail(log, num_lines=1)[-1:] or not child.log_tail(log, num_lines=1)[0].startswith("child"):
            time.sleep(0.05)
        stop.asked.set()

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        child.run_logged([sys.executable, "-c", script], log=log, stop=stop)
    assert time.monotonic() - began < 15
    asking.join()
    for pid in map(int, child.log_tail(log, num_lines=1)[0].split()[1:]):
        deadline = time.monotonic() + 10
        while is_running(pid):
            assert time.monotonic() < deadline, f"process {pid} was left behind"
            time.sleep(0.05)


def test_a_cell_that_another_process_works_in_is_left_alone(command, job):
    job.folder.mkdir(parents=True)
    (job.folder / "its.own").touch()
    lock = job.folder / OF_RUNS["fit"]
    with another_process(lock) as process:
        with pytest.raises(ValueError, match=f"another command is at work there .process {process.pid} on "):
            run_cell(job)
        assert {path.name for path in job.folder.iterdir()} == {lock.name, "its.own"}
