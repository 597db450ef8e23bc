"""The launcher with real child processes: what is run, skipped, recorded, tried again, stopped and refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from videogn.ablation import Study, child, print_plan, read_outcomes, run_study
from videogn.ablation.cells import describe_cells
from videogn.ablation.study_folder import claim_folder

STUDY = Study(
    base="b.yaml", norms=["gn", "bn"], norm_batch_sizes=[4, 2], total_batch_size=8, settings={"data.root": "d"}
)


def stages(calls: list[list[str]]) -> list[tuple[str, str]]:
    return [(call[0], Path(call[call.index("--run_dir") + 1]).name) for call in calls]


def states(study: Study, out: Path) -> dict[str, str]:
    return {outcome.cell.name: outcome.state for outcome in read_outcomes(study, out)}


def test_a_study_runs_every_cell_then_none_again(command, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_study(STUDY, out, command=command.words) == 0
    names = ["gn-nb4-seed0", "bn-nb4-seed0", "gn-nb2-seed0", "bn-nb2-seed0"]
    calls = command.calls()
    assert stages(calls) == [(stage, name) for name in names for stage in ("fit", "test")]
    assert calls[6] == [
        "fit", "--config", "b.yaml", "--run_dir", str(out / "cells/bn-nb2-seed0"), "--seed_everything", "0",
        "--model.norm", "bn", "--data.batch_size", "2", "--total_batch_size", "8", "--data.root=d",
    ]  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/4] gn, normalisation batch 4, seed 0: fit ..."
    assert lines[1] == "[1/4] gn, normalisation batch 4, seed 0: test ..."
    assert lines[2].startswith("[1/4] gn, normalisation batch 4, seed 0: done in ")
    assert lines[2].endswith(" s, top-1 90.0")
    log = (out / "cells/bn-nb2-seed0/log.txt").read_text()
    for text in ("fit of bn begins", "on stderr: fit", "test of bn begins", "on stderr: test", "--data.root=d"):
        assert text in log
    assert {path.name for path in out.iterdir()} == {
        "cells", "study.json", "study.lock", "report.csv", "report.json", "report.md", "error.png",
    }  # fmt: skip

    assert run_study(STUDY, out, command=command.words) == 0
    assert command.calls() == []
    text = capsys.readouterr().out
    assert "[4/4] bn, normalisation batch 2, seed 0: already done, top-1 80.0" in text
    assert "4 of 4 cells done" in text
    assert str(out / "report.md") in text


def test_a_failed_cell_is_recorded_the_rest_goes_on_and_it_is_tried_again(command, tmp_path, capsys):
    command.behave({"fit bn-nb4-seed0": "fail"})
    assert run_study(STUDY, tmp_path / "out", command=command.words) == 1
    folder = tmp_path / "out/cells/bn-nb4-seed0"
    failure = json.loads((folder / "failure.json").read_text())
    assert failure["stage"] == "fit"
    assert failure["exit_status"] == 1
    assert failure["reason"] == "RuntimeError: out of [bold]memory[/bold] | loss <nan>"
    assert failure["log_tail"][-2:] == ["epoch 2", failure["reason"]]
    assert states(STUDY, tmp_path / "out") == {
        "gn-nb4-seed0": "done", "bn-nb4-seed0": "failed", "gn-nb2-seed0": "done", "bn-nb2-seed0": "done",
    }  # fmt: skip
    text = capsys.readouterr().out
    assert re.search(
        r"seed 0: failed in fit after \d+ s: RuntimeError: out of \[bold\]memory\[/bold\] \| loss <nan> \(see ", text
    )
    assert "bn-nb4-seed0: failed: RuntimeError: out of [bold]memory" in text
    command.calls()

    command.behave({})
    assert run_study(STUDY, tmp_path / "out", command=command.words) == 0
    assert stages(command.calls()) == [("fit", "bn-nb4-seed0"), ("test", "bn-nb4-seed0")]
    assert not (folder / "failure.json").exists()


@pytest.mark.parametrize(
    ("behaviour", "exit_status", "reason"),
    [
        ("fail", 1, "RuntimeError: out of"),
        ("kill", -9, "ended by signal 9 (Killed); last line: on stderr: test"),
        ("nothing", 0, "it ended well and yet wrote no result.json"),
        ("garbage", 0, "result.json cannot be read"),
    ],
)
def test_after_a_failed_test_the_training_is_kept(command, tmp_path, behaviour, exit_status, reason):
    command.behave({"test gn-nb2-seed0": behaviour})
    assert run_study(STUDY, tmp_path / "out", command=command.words) == 1
    folder = tmp_path / "out/cells/gn-nb2-seed0"
    failure = json.loads((folder / "failure.json").read_text())
    assert failure["stage"] == "test"
    assert failure["exit_status"] == exit_status
    assert failure["reason"].startswith(reason)
    command.calls()

    command.behave({})
    assert run_study(STUDY, tmp_path / "out", command=command.words) == 0
    assert stages(command.calls()) == [("test", "gn-nb2-seed0")]


def test_a_result_without_an_accuracy_is_no_result(command, tmp_path):
    command.behave({"result gn-nb2-seed0": {"top1": None}})
    assert run_study(STUDY, tmp_path / "out", command=command.words) == 1
    assert "got top1 None" in (tmp_path / "out/report.md").read_text()


@pytest.mark.parametrize(
    ("signum", "stage", "stages_left"),
    [
        (signal.SIGINT, "fit", ["fit", "test"]),
        (signal.SIGTERM, "fit", ["fit", "test"]),
        (signal.SIGINT, "test", ["test"]),
    ],
)
def test_an_interrupted_study_stops_its_child_reports_and_goes_on_later(command, tmp_path, signum, stage, stages_left):
    command.behave({f"{stage} bn-nb4-seed0": "hang"})
    out = tmp_path / "out"
    driver = (
        "import sys; from pathlib import Path; from videogn.ablation import Study, run_study; "
        f"run_study({STUDY!r}, Path(sys.argv[1]), command=sys.argv[2:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", driver, str(out), *command.words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not (command.home / "hanging").exists() or not (command.home / "hanging").read_text():
            assert time.monotonic() < deadline, "the child never started"
            time.sleep(0.05)
        process.send_signal(signum)
        text, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert (command.home / "interrupted").exists(), "the child was not told as by Ctrl-C"
    with pytest.raises(ProcessLookupError):
        os.kill(int((command.home / "hanging").read_text()), 0)
    assert "stopped at [2/4] bn, normalisation batch 4, seed 0; run the same command again to go on" in text
    assert "1 of 4 cells done; 3 not run" in text
    assert "PARTIAL REPORT" in (out / "report.md").read_text()
    leftover = out / "cells/bn-nb4-seed0/config.yaml"
    assert leftover.exists()
    command.calls()

    command.behave({})
    assert run_study(STUDY, out, command=command.words) == 0
    again = [(stage, name) for stage, name in stages(command.calls()) if name in ("gn-nb4-seed0", "bn-nb4-seed0")]
    assert again == [(stage, "bn-nb4-seed0") for stage in stages_left]


def test_a_child_that_ignores_interrupts_is_ended_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_INTERRUPT_SECONDS", 0.2)
    monkeypatch.setattr(child, "_TERMINATE_SECONDS", 0.2)
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(os.getpid(), worker.pid); time.sleep(600)\n"
    )
    log = tmp_path / "log.txt"

    def interrupt(signum, frame):
        if len(child.log_tail(log, num_lines=9)) < 5:  # the header, which holds the script's lines, and its one line
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            return
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            child.run_logged([sys.executable, "-c", script], log=log)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    for pid in map(int, child.log_tail(log, num_lines=1)[0].split()):
        deadline = time.monotonic() + 10
        while is_running(pid):
            assert time.monotonic() < deadline, f"process {pid} was left behind"
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_study_may_grow_and_runs_only_what_is_new(command, tmp_path):
    assert run_study(replace(STUDY, norms=["gn"]), tmp_path, command=command.words) == 0
    command.calls()
    grown = replace(STUDY, norms=["bn", "gn"], seeds=[0], norm_settings={"bn": {"model.x": 1}})
    assert run_study(grown, tmp_path, command=command.words) == 0
    assert stages(command.calls()) == [(s, f"bn-nb{b}-seed0") for b in (4, 2) for s in ("fit", "test")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_batch_size": 16}, "its total_batch_size is 8, not 16; use another --out"),
        ({"base": "c.yaml"}, "its base is 'b.yaml', not 'c.yaml'"),
        ({"settings": {}}, "its settings is {'data.root': 'd'}, not {}"),
        ({"norm_settings": {"bn": {"model.x": 1}}}, "its norm_settings of bn are {}, not {'model.x': 1}"),
        ({"vary": "split"}, "its vary is 'accumulation', not 'split'"),
        ({"protocol": "10x3"}, "its protocol is None, not '10x3'"),
        ({"norms": ["gn"]}, r"\['gn'\] lacks \['bn'\]"),
    ],
)
def test_another_study_in_the_folder_is_refused(command, tmp_path, changes, message):
    with claim_folder(STUDY, out=tmp_path):
        pass
    stored = (tmp_path / "study.json").read_text()
    with pytest.raises(ValueError, match=message):
        run_study(replace(STUDY, **changes), tmp_path, command=command.words)
    assert command.calls() == []
    assert (tmp_path / "study.json").read_text() == stored


def test_a_base_file_that_has_changed_since_is_refused(command, tmp_path):
    base = tmp_path / "base.yaml"
    base.write_text("a: 1\n")
    study = replace(STUDY, base=str(base))
    assert run_study(study, tmp_path / "out", command=command.words) == 0
    base.write_text("a: 2\n")
    with pytest.raises(ValueError, match="its content has changed"):
        run_study(study, tmp_path / "out", command=command.words)


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_study_file_of_another_kind_is_refused(command, tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(ValueError, match="is not a study"):
        run_study(STUDY, tmp_path, command=command.words)


def test_a_folder_that_is_not_ours_is_never_deleted(command, tmp_path):
    folder = tmp_path / "cells/gn-nb2-seed0"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="gn-nb2-seed0 is in the way"):
        run_study(STUDY, tmp_path, command=command.words)
    assert (folder / "thesis.txt").exists()
    assert command.calls() == []


def test_a_link_in_a_cells_place_is_refused(command, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/cells").mkdir(parents=True)
    (tmp_path / "out/cells/gn-nb2-seed0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is in the way"):
        run_study(STUDY, tmp_path / "out", command=command.words)


def test_two_processes_do_not_work_in_one_folder(command, tmp_path):
    with claim_folder(STUDY, out=tmp_path), pytest.raises(ValueError, match="another videogn ablate is at work"):
        run_study(STUDY, tmp_path, command=command.words)


def test_study_json_is_a_config_file_of_the_same_study(tmp_path):
    with claim_folder(STUDY, out=tmp_path):
        pass
    assert Study(**json.loads((tmp_path / "study.json").read_text())) == STUDY


def test_a_plan_runs_and_touches_nothing(tmp_path, capsys):
    print_plan(describe_cells(STUDY, tmp_path / "out", command=("videogn",)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/4] gn, normalisation batch 4, seed 0"
    assert lines[1].startswith(f"  videogn fit --config b.yaml --run_dir {tmp_path}/out/cells/gn-nb4-seed0 --seed")
    assert lines[2] == f"  videogn test --run_dir {tmp_path}/out/cells/gn-nb4-seed0"
    assert not (tmp_path / "out").exists()


def test_importing_the_part_is_cheap_and_reaches_no_other_part():
    probe = "import sys, videogn.ablation; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "lightning", "matplotlib", "numpy"} & set(modules)
    parts = {name.split(".")[1] for name in modules if name.startswith("videogn.")}
    assert not parts & {"models", "data", "training", "cli"}
