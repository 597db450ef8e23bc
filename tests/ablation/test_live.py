"""What is shown while a study runs: a table in a terminal, whole lines elsewhere."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.ablation.conftest import cells
from videogn.ablation.outcome import Failure, Outcome
from videogn.ablation.running import live
from videogn.ablation.running.live import CellStatus, Display, status_table, totals_text
from videogn.ablation.running.watch import Progress
from videogn.ablation.study import Study

STUDY = Study(base="b.yaml", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [4, 2]}, seeds=[0, 1])
FAILURE = Failure("out of memory", "fit", 3, "no [bold]memory[/bold] for 8 clips", [f"line {n}" for n in range(9)])
FIT = Progress(
    stage="fit", seconds=130.0, epoch=2, num_steps=170, num_steps_planned=560, loss=1.25, train_top1=41.5,
    val_top1=38.25, seconds_per_step=0.5, seconds_left=195.0,
)  # fmt: skip


@pytest.fixture
def statuses() -> list[CellStatus]:
    found = [
        CellStatus(cell, "waiting", Path("out/cells") / (cell.same_as or cell.name), num_steps=560)
        for cell in cells(STUDY)
    ]
    found[0] = replace(found[0], state="running", progress=FIT)
    found[2] = replace(found[2], state="failed", outcome=Outcome(found[2].cell, "failed", failure=FAILURE), seconds=9.0)
    return found


def text_of(renderable: object, *, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def test_the_table_has_a_row_for_each_cell(statuses):
    lines = text_of(status_table(statuses, num_rows=50, width=140)).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if "seed" in line}
    assert list(rows) == [status.cell.name for status in statuses]
    assert rows["gn-nb4-seed0"] == ["fit", "2", "170/560", "1.250", "41.5", "38.2", "3.2", "min"]
    assert rows["gn-nb2-seed0"] == ["=", "gn-nb4-seed0"]
    assert " ".join(rows["bn-nb4-seed0"]).startswith("failed: out of memory: no [bold]memory")


def test_in_eighty_columns_no_figure_is_lost(statuses):
    text = text_of(status_table(statuses, num_rows=50, width=80), width=80)
    assert "170/560" in text
    assert "3.2 min" in text
    assert "failed: " in text
    assert len(text.splitlines()) == 1 + 8 + 1


def test_where_rows_are_too_many_what_runs_and_failed_is_shown(statuses):
    text = text_of(status_table(statuses, num_rows=4, width=140))
    assert "gn-nb4-seed0 " in text
    assert "bn-nb4-seed0 " in text
    assert "... and 5 more" in text
    assert len([line for line in text.splitlines() if "seed" in line]) == 3


def test_totals_count_runs_and_say_what_is_left(statuses):
    text = totals_text(statuses, seconds=4000.0, num_at_once=2)
    assert text.startswith("6 runs: 1 failed, 1 running, 4 waiting; 2 more the same as one of these (=)")
    assert "67 min so far" in text
    # 195 s of the one that runs, 4 x 560 updates of half a second, two at once
    assert text.endswith("about 11 min of training left")


def test_without_a_terminal_there_are_lines(statuses, monkeypatch):
    file = io.StringIO()
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    with Display(num_at_once=1, console=Console(file=file, width=80)) as display:
        display.update([replace(status, state="waiting", progress=None, outcome=None) for status in statuses])
        for now[0] in (1.0, 30.0, 61.5, 90.0):
            display.update(statuses)
        display.update([replace(statuses[0], progress=Progress("test", 0.0)), *statuses[1:]])
    lines = file.getvalue().splitlines()
    head = "[1/6] gn, normalisation batch 4, seed 0: "
    assert [line.removeprefix(head) for line in lines if line.startswith(head)] == [
        "fit ...",
        "fit, epoch 2, update 170/560, loss 1.250, train top-1 41.5, val top-1 38.2, "
        "about 3.2 min left, 2.2 min so far",
        "test ...",
    ]
    assert (
        "[2/6] bn, normalisation batch 4, seed 0: failed in fit after 9 s: out of memory: no [bold]memory[/bold] for "
        "8 clips" in lines
    )
    assert [line for line in lines if line.startswith("    line")] == [f"    line {n}" for n in range(4, 9)]
    assert "    (all of it: out/cells/bn-nb4-seed0/log.txt)" in lines


def test_in_a_terminal_there_is_a_table_that_fits_it(statuses):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, height=12)
    with Display(num_at_once=1, console=console) as display:
        display.update(statuses)
    text = file.getvalue()
    assert "170/560" in text
    assert "... and 5 more" in text
    assert "6 runs: 1 failed, 1 running, 4 waiting" in text
    assert "failed in fit after 9 s" in text
    assert ": fit ..." not in text
