"""The launcher with real child processes: what is run, skipped, recorded, tried again, stopped and refused."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ablation.conftest import BASE, cells, is_running, run, states, wait_for
from videogn.ablation.report import write
from videogn.ablation.running import launcher
from videogn.ablation.running.child import Place
from videogn.ablation.running.launcher import run_study
from videogn.ablation.running.local_executor import LocalExecutor
from videogn.ablation.study import Study
from videogn.ablation.study_folder import check_folder, claim_folder, load_study, record_study
from videogn.code_version import code_version

STUDY = Study(base="b.yaml", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [4, 2]}, settings={"data.root": "d"})
# Of the four cells, gn at 2 is the same computation as gn at 4.
NAMES = ["gn-nb4-seed0", "bn-nb4-seed0", "bn-nb2-seed0"]


def test_a_study_runs_every_computation_once_then_none_again(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    assert run(STUDY, out, command=command) == 0
    calls = command.calls()
    assert [call["words"][0] for call in calls] == ["fit", "test"] * 3
    assert calls[4]["words"] == [
        "fit", "--config", str(out / "base.yaml"), "--run_dir", str(out / "cells/bn-nb2-seed0"), "--seed_everything",
        "0", "--data.root=d", "--model.norm=bn", "--data.batch_size=4", "--total_batch_size=8",
        "--model.norm_batch_size=2",
    ]  # fmt: skip
    assert {call["folder"] for call in calls} == {str(tmp_path)}
    text = capsys.readouterr().out
    assert re.search(r"^\[3/3\] bn, normalisation batch 2, seed 0: done in \d+ s, top-1 80.0$", text, re.MULTILINE)
    log = (out / "cells/bn-nb2-seed0/log.txt").read_text()
    for words in ("fit of bn begins", "on stderr: fit", "test of bn begins", "on stderr: test", "--data.root=d"):
        assert words in log
    assert states(STUDY, out) == dict.fromkeys([*NAMES[:1], "gn-nb2-seed0", *NAMES[1:]], "done")
    assert not (out / "cells/gn-nb2-seed0").exists()
    assert (out / "report.md").is_file()
    assert json.loads((out / "cells/bn-nb2-seed0/cell.json").read_text())["stage"] is None

    assert run(STUDY, out, command=command) == 0
    assert command.calls() == []
    assert "done in" not in capsys.readouterr().out


def test_a_failed_cell_is_recorded_the_rest_goes_on_and_it_is_tried_again(command, tmp_path, capsys):
    command.behave({"fit bn-nb4-seed0": "crash"})
    assert run(STUDY, tmp_path / "out", command=command) == 1
    assert states(STUDY, tmp_path / "out")["bn-nb4-seed0"] == "failed"
    assert list(states(STUDY, tmp_path / "out").values()).count("done") == 3
    text = capsys.readouterr().out
    assert re.search(r"seed 0: failed in fit after \d+ s: crashed: RuntimeError: \[bold\]odd\[/bold\] \| <thing>", text)
    assert "    epoch 2\n" in text
    command.calls()

    command.behave({})
    assert run(STUDY, tmp_path / "out", command=command) == 0
    assert command.stages() == [("fit on", "bn-nb4-seed0"), ("test", "bn-nb4-seed0")]


def test_lines_of_a_slow_cell_say_its_stages(command, tmp_path, capsys):
    # The first: while the report of others is drawn, which takes seconds the first time, nothing is said.
    command.behave({"fit gn-nb4-seed0": 1.5, "test gn-nb4-seed0": 1.5})
    run(STUDY, tmp_path, command=command)
    lines = capsys.readouterr().out.splitlines()
    head = "[1/3] gn, normalisation batch 4, seed 0: "
    ours = [line.removeprefix(head) for line in lines if line.startswith(head)]
    assert ours[:2] == ["fit ...", "test ..."]
    assert ours[2].startswith("done in ")


def driver(study: Study, *, num_places: int) -> str:
    """Return a program that runs a study in a process of its own."""
    return (
        "import sys; from pathlib import Path; from tests.ablation.conftest import run; "
        "from videogn.ablation.study import Study; from videogn.ablation.running.child import Place\n"
        "class Given: words = sys.argv[2:]\n"
        f"run({study!r}, Path(sys.argv[1]), command=Given, places=[Place()] * {num_places})"
    )


def started(command, study: Study, out: Path, *, num_places: int = 1) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", driver(study, num_places=num_places), str(out), *command.words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.parametrize(
    ("signum", "stage", "stages_left"),
    [
        (signal.SIGINT, "fit", ["fit on", "test"]),
        (signal.SIGTERM, "fit", ["fit on", "test"]),
        (signal.SIGHUP, "test", ["test"]),
    ],
)
def test_an_interrupted_study_stops_all_children_reports_and_goes_on(command, tmp_path, signum, stage, stages_left):
    hanging = ["bn-nb4-seed0", "bn-nb2-seed0"]
    command.behave({f"{stage} {name}": "hang" for name in hanging})
    out = tmp_path / "out"
    with started(command, STUDY, out, num_places=3) as process:
        pids = [wait_for(command.home / f"hanging.{name}") for name in hanging]
        deadline = time.monotonic() + 30
        while states(STUDY, out)["gn-nb4-seed0"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signum)
        text, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 25, "children were not told at once"
    assert process.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")
    for name in hanging:
        assert (command.home / f"interrupted.{name}").exists(), "the child was not told as by Ctrl-C"
    assert not any(map(is_running, pids))
    assert "stopped; run the same command again to go on" in text
    assert (out / "report.md").is_file()
    assert states(STUDY, out) == {
        "gn-nb4-seed0": "done", "gn-nb2-seed0": "done", "bn-nb4-seed0": "stopped", "bn-nb2-seed0": "stopped",
    }  # fmt: skip
    command.calls()

    command.behave({})
    assert run(STUDY, out, command=command) == 0
    assert command.stages() == [(stage, name) for name in hanging for stage in stages_left]


def test_children_of_a_study_that_is_killed_do_not_train_on(command, tmp_path):
    command.behave({"fit bn-nb4-seed0": "hang"})
    with started(command, STUDY, tmp_path / "out") as process:
        pid = wait_for(command.home / "hanging.bn-nb4-seed0")
        process.kill()
        process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, "the child was left behind"
        time.sleep(0.05)
    assert states(STUDY, tmp_path / "out")["bn-nb4-seed0"] == "stopped"


def test_a_study_may_grow_and_runs_only_what_is_new(command, tmp_path):
    small = Study(base="b.yaml", axes={"model.norm": ["bn"], "norm_batch_size": [4]}, settings={"data.root": "d"})
    assert run(small, tmp_path, command=command) == 0
    command.calls()
    axes = {"model.norm": ["bn", "gn"], "norm_batch_size": [4]}
    grown = Study(base="b.yaml", axes=axes, settings={"data.root": "d"}, seeds=[0, 1])
    assert run(grown, tmp_path, command=command) == 0
    new = ["gn-nb4-seed0", "bn-nb4-seed1", "gn-nb4-seed1"]
    assert command.stages() == [(stage, name) for name in new for stage in ("fit", "test")]
    assert load_study(tmp_path)[0] == grown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_batch_size": 16}, "its total_batch_size is None, not 16; use another --out"),
        ({"base": "c.yaml"}, "its base is 'b.yaml', not 'c.yaml'"),
        ({"settings": {}}, "its setting data.root is 'd', not 'not set'"),
        ({"protocol": "10x3"}, "its protocol is None, not '10x3'"),
        ({"seeds": [1]}, r"\[1\] lacks \[0\]"),
        ({"axes": {"model.norm": ["gn"], "norm_batch_size": [4, 2]}}, "model.norm has bn, which is not asked for now"),
        ({"axes": {"model.norm": ["gn", "bn"]}}, "axes are model.norm, norm_batch_size, in this order, not model.norm"),
        ({"axes": {"norm_batch_size": [4, 2], "model.norm": ["gn", "bn"]}}, "in this order, not norm_batch_size"),
        ({"axes": {"model.norm": ["gn", "bn"], "norm_batch_size": [8, 4, 2]}}, "put new levels behind the old ones"),
    ],
)
def test_another_study_in_the_folder_is_refused(command, tmp_path, changes, message):
    record_study(STUDY, base=BASE, out=tmp_path)
    stored = (tmp_path / "study.json").read_text()
    other = replace(STUDY, **{"baseline": {}, **changes})
    with pytest.raises(ValueError, match=message):
        run(other, tmp_path, command=command)
    assert command.calls() == []
    assert (tmp_path / "study.json").read_text() == stored


def test_a_base_file_that_has_changed_since_is_refused(command, tmp_path):
    assert run(STUDY, tmp_path, command=command) == 0
    with pytest.raises(ValueError, match="its content has changed"):
        run(STUDY, tmp_path, command=command, base=BASE + b"# changed\n")


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_study_file_of_another_kind_is_refused(command, tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    (tmp_path / "base.yaml").write_bytes(BASE)
    with pytest.raises(ValueError, match="is not a study"):
        run(STUDY, tmp_path, command=command)


def test_a_folder_that_is_not_ours_is_never_deleted(command, tmp_path):
    folder = tmp_path / "cells/bn-nb2-seed0"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="bn-nb2-seed0 is in the way"):
        run(STUDY, tmp_path, command=command)
    assert (folder / "thesis.txt").exists()
    assert command.calls() == []


def test_a_link_in_a_cells_place_is_refused(command, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/cells").mkdir(parents=True)
    (tmp_path / "out/cells/bn-nb2-seed0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is in the way"):
        run(STUDY, tmp_path / "out", command=command)


def test_two_processes_do_not_work_in_one_folder(command, tmp_path):
    with (
        claim_folder(tmp_path),
        pytest.raises(ValueError, match="another videogn ablate is at work"),
    ):
        run(STUDY, tmp_path, command=command)


def test_what_is_refused_leaves_no_folder_and_what_is_done_is_not_prepared_again(command, tmp_path):
    def refuse(to_run):
        raise ValueError("no such setting")

    asked = {"base": BASE, "out": tmp_path / "new" / "out", "command": command.words}
    with pytest.raises(ValueError, match="no such setting"):
        run_study(STUDY, cells(STUDY), prepare=refuse, **asked)
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    corrected = replace(STUDY, settings={"data.root": "e"})  # the refused one is not in its way
    assert run(corrected, tmp_path / "new/out", command=command) == 0
    assert run_study(corrected, cells(corrected), prepare=refuse, **asked) == 0
    assert (tmp_path / "new/out/report.md").is_file()


def test_the_cells_that_are_to_run_are_prepared_alone(command, tmp_path):
    command.behave({"fit bn-nb4-seed0": "crash"})
    assert run(STUDY, tmp_path, command=command) == 1
    command.behave({})
    asked: list[str] = []

    def prepare(to_run):
        asked.extend(cell.name for cell in to_run)
        return LocalExecutor([Place()]), {}

    again = {"base": BASE, "out": tmp_path, "command": command.words}
    assert run_study(STUDY, cells(STUDY), prepare=prepare, **again) == 0
    assert asked == ["bn-nb4-seed0"]


def test_results_that_are_there_are_read_once(command, tmp_path, monkeypatch):
    """Not in every poll: a study of a thousand cells has as many files."""
    read: list[str] = []
    once = launcher.read_outcome
    monkeypatch.setattr(launcher, "read_outcome", lambda cell, **more: read.append(cell.name) or once(cell, **more))
    monkeypatch.setattr(launcher, "_POLL_SECONDS", 0.01)
    command.behave({f"fit {name}": 0.5 for name in NAMES})
    assert run(STUDY, tmp_path, command=command) == 0
    assert sorted(read) == sorted([*NAMES, "gn-nb2-seed0"])


def test_a_check_touches_nothing(tmp_path):
    check_folder(STUDY, cells(STUDY), base=BASE, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_other_code_are_refused_before_anything_runs_unless_mixed(command, tmp_path):
    old = {"code": {"train": "0.0.9+aa", "test": "0.0.9+aa"}}
    command.behave({**{f"result {name}": old for name in NAMES}, "test bn-nb4-seed0": "crash"})
    run(STUDY, tmp_path, command=command)
    command.calls()
    command.behave({})
    with pytest.raises(ValueError, match=r"made, or began, gn-nb4-seed0 \(0.0.9\+aa\), bn-nb2-.*--mixed"):
        run(STUDY, tmp_path, command=command)
    assert command.calls() == []
    assert run(STUDY, tmp_path, command=command, mixed=True) == 0
    assert command.stages() == [("test", "bn-nb4-seed0")]


def test_a_training_that_other_code_began_is_refused_unless_mixed_and_then_goes_on(command, tmp_path):
    command.behave({"fit bn-nb4-seed0": "crash"})
    run(STUDY, tmp_path, command=command)
    record = tmp_path / "cells/bn-nb4-seed0/cell.json"
    record.write_text(record.read_text().replace(code_version(), "0.0.9+aa"))
    command.behave({})
    command.calls()
    grown = replace(STUDY, seeds=[*STUDY.seeds, 9])
    with pytest.raises(ValueError, match=r"made, or began, bn-nb4-seed0 \(0.0.9\+aa\)"):
        run(grown, tmp_path, command=command)
    assert command.calls() == []
    assert load_study(tmp_path)[0] == STUDY, "a study that is refused is not recorded"
    assert run(STUDY, tmp_path, command=command, mixed=True) == 0
    assert command.stages() == [("fit on", "bn-nb4-seed0"), ("test", "bn-nb4-seed0")]
    assert json.loads(record.read_text())["code"] == "0.0.9+aa"


def test_a_training_of_other_code_that_waits_for_its_test_is_refused_too(command, tmp_path):
    command.behave({"test bn-nb4-seed0": "crash"})
    run(STUDY, tmp_path, command=command)
    record = tmp_path / "cells/bn-nb4-seed0/cell.json"
    record.write_text(record.read_text().replace(code_version(), "0.0.9+aa"))
    with pytest.raises(ValueError, match=r"made, or began, bn-nb4-seed0 \(0.0.9\+aa\)"):
        run(STUDY, tmp_path, command=command)


UNTIL_DECIDED = replace(
    STUDY, axes={"model.norm": ["gn", "bn"]}, baseline={}, seeds={"from": 2, "until": 0.5, "at_most": 5}
)


@pytest.fixture
def no_figures(monkeypatch):
    for name in ("draw_error", "draw_curves"):
        monkeypatch.setattr(write, name, lambda gathered: None)


def test_seeds_are_added_until_decided_and_none_after(command, tmp_path, capsys, no_figures):
    # BN is 5 points below GN with every seed; of 40 videos, intervals are no less than 4.5 points with three seeds.
    assert run(UNTIL_DECIDED, tmp_path, command=command, places=[Place()] * 2) == 0
    fits = [cell for stage, cell in command.stages() if stage == "fit"]
    assert [set(fits[at : at + 2]) for at in (0, 2, 4)] == [{f"{n}-seed{s}" for n in ("gn", "bn")} for s in (0, 1, 2)]
    assert len(fits) == 6
    text = capsys.readouterr().out
    assert re.search(
        r"^after 2 of at most 5 seeds: BN and GN: −5.00 ± \d\d.*, open; seed 2 is added$", text, re.MULTILINE
    )
    assert re.search(r"^after 3 of at most 5 seeds: BN and GN: −5.00 ± 4.5\d, apart; decided$", text, re.MULTILINE)
    report = (tmp_path / "report.md").read_text()
    assert "2 settings × 3 seeds, runs of b.yaml" in report
    assert "Stopped after 3: decided. So that every interval holds with 95 % although one looks after every" in report
    assert "BN is 5.0 ± 4.5 points below GN on these videos." in report
    assert "PARTIAL" not in report
    found = json.loads((tmp_path / "report.json").read_text())["stopping"]
    assert (found["seeds_looked_at"], found["is_over"], found["nominal_confidence"]) == (3, True, 0.9836)
    assert found["decisions"] == [
        {"point": {"model.norm": "bn"}, "reference": {"model.norm": "gn"}, "decision": "apart"}
    ]
    # A study that was stopped within a seed ends it; one that is decided runs nothing.
    (tmp_path / "cells/bn-seed2/result.json").unlink()
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 0
    assert command.stages() == [("test", "bn-seed2")]
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 0
    assert command.calls() == []


def test_a_failed_cell_of_added_seeds_is_not_replaced_nor_tried_again_once_decided(command, tmp_path, no_figures):
    command.behave({"fit bn-seed1": "crash"})
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 1
    assert {cell for _, cell in command.stages()} == {f"{n}-seed{s}" for n in ("gn", "bn") for s in range(4)}
    report = (tmp_path / "report.md").read_text()
    assert "Stopped after 4: decided. Cells of seed 1 failed: pairs without both results are left out, and no" in report
    assert "A cell that failed counts as such: the study is decided, and nothing more is run." in report
    assert "Without a result: bn-seed1 (failed)." in report
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 1
    assert command.calls() == []


@pytest.mark.slow
def test_a_rule_tries_a_setting_again_of_which_all_failed(command, tmp_path, capsys, no_figures):
    command.behave({f"fit bn-seed{seed}": "crash" for seed in range(2)})
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 2
    assert "nothing is decided, and no seed is added" in capsys.readouterr().out
    report = (tmp_path / "report.md").read_text()
    assert "Stopped after 2, and nothing is decided: there are no results that can be compared. Cells of" in report
    assert "the study is decided" not in report
    command.behave({})
    command.calls()
    assert run(UNTIL_DECIDED, tmp_path, command=command) == 0
    assert [cell for _, cell in command.stages()][:4] == ["bn-seed0"] * 2 + ["bn-seed1"] * 2
    assert "Stopped after 3: decided. So that" in (tmp_path / "report.md").read_text()


def test_what_fails_on_our_side_is_that_cells_failure_alone(command, tmp_path):
    nowhere = Place(cores=frozenset({1000}))  # no such core
    assert run(STUDY, tmp_path, command=command, places=[nowhere]) == 3
    failure = json.loads((tmp_path / "cells/gn-nb4-seed0/failure.json").read_text())
    assert failure["kind"] == "crashed"
    assert "Invalid argument" in failure["reason"]
    assert run(STUDY, tmp_path, command=command) == 0


def test_importing_the_part_is_cheap_and_reaches_no_other_part():
    probe = "import sys, videogn.ablation.running.launcher; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "lightning", "matplotlib", "numpy", "ray"} & set(modules)
    loaded = {name for name in modules if name.startswith("videogn.data.")}
    assert loaded == {"videogn.data.views", "videogn.data.views.protocols"}
    assert not {name.split(".")[1] for name in modules if name.startswith("videogn.")} & {"models", "cli"}
