"""What is told of a running cell, from a metrics.csv such as the command leaves."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videogn.ablation.plans import CellPlan
from videogn.ablation.running.watch import read_progress, steps_saved
from videogn.training.batch_sizes import BatchSizes

PLAN = CellPlan(learning_rate=0.1, num_steps=560, num_epochs=7, sizes=BatchSizes(2, 16), num_workers=1)
# Lightning's columns; a run ends its lines with \r\n where it went on.
HEAD = (
    "clips_per_second,epoch,step,train/loss_epoch,train/loss_step,train/skipped_videos,train/top1_epoch,"
    "train/top1_step,train/top5_epoch,train/top5_step,val/loss,val/top1,val/top5\r\n"
)
ROWS = (
    "176.3,1,149,,2.25,,,0.0,,0.75,,,\r\n",
    ",1,159,,,,,,,,2.125,0.25,0.5\r\n",
    ",1,159,2.5,,0.0,0.125,,0.625,,,,\r\n",
    "181.0,2,169,,2.0,,,0.25,,0.75,,,\r\n",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_record(tmp_path, stage="fit", since=1000.0, first_step=0)
    return tmp_path


def write_record(folder: Path, **fields) -> None:
    (folder / "cell.json").write_text(json.dumps(fields))


def write_metrics(folder: Path, text: str, *, at: float) -> None:
    path = folder / "metrics.csv"
    path.write_bytes(text.encode())
    os.utime(path, (at, at))


def test_a_fit_at_work(folder):
    write_metrics(folder, HEAD + "".join(ROWS), at=1340.0)
    progress = read_progress(folder, plan=PLAN, now=1350.0)
    assert progress is not None
    assert (progress.stage, progress.seconds, progress.epoch) == ("fit", 350.0, 3)
    assert (progress.num_steps, progress.num_steps_planned) == (170, 560)
    assert (progress.loss, progress.train_top1, progress.val_top1) == (2.0, 12.5, 25.0)
    assert progress.seconds_per_step == 2.0
    assert progress.seconds_left == 390 * 2.0 - 10.0


def test_a_part_that_goes_on_counts_from_where_it_does(folder):
    write_metrics(folder, HEAD + "".join(ROWS), at=1020.0)
    write_record(folder, stage="fit", since=1000.0, first_step=160)
    progress = read_progress(folder, plan=PLAN, now=1020.0)
    assert progress is not None
    assert progress.num_steps_before == 160
    assert progress.seconds_left == 390 * 2.0
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/last.json").write_text('{"steps": 160}')
    assert steps_saved(folder) == 160
    (folder / "checkpoints/last.json").write_text("[]")
    assert steps_saved(folder) == 0


def test_before_the_first_row_of_this_part_there_is_no_estimate(folder):
    write_metrics(folder, HEAD + "".join(ROWS), at=900.0)
    progress = read_progress(folder, plan=PLAN, now=1010.0)
    assert progress is not None
    assert progress.seconds_left is None
    (folder / "metrics.csv").unlink()
    progress = read_progress(folder, now=1010.0)
    assert progress is not None
    assert (progress.num_steps, progress.epoch, progress.loss, progress.seconds_left) == (0, None, None, None)
    assert steps_saved(folder) == 0


@pytest.mark.parametrize("half", ["181.0,2,17", "181.0,2,179,,1.0,,,0.25,,0.75,,,", "nonsense\r\n", ",,,\r\n"])
def test_rows_that_are_half_written_are_left_out(folder, half):
    write_metrics(folder, HEAD + "".join(ROWS) + half, at=1340.0)
    progress = read_progress(folder, plan=PLAN, now=1340.0)
    assert progress is not None
    assert (progress.num_steps, progress.loss) == (170, 2.0)


def test_only_the_end_of_a_long_file_is_read(folder):
    rows = "".join(f"180.0,0,{step},,3.0,,,0.0,,0.0,,,\r\n" for step in range(5000))
    write_metrics(folder, HEAD + rows + "".join(row.replace(",159", ",5009") for row in ROWS[1:3]), at=1340.0)
    progress = read_progress(folder, now=1340.0)
    assert progress is not None
    assert (progress.num_steps, progress.loss, progress.val_top1) == (5010, 2.5, 25.0)


def test_a_test_has_a_clock_alone(folder):
    write_metrics(folder, HEAD + "".join(ROWS), at=900.0)
    write_record(folder, stage="test", since=1000.0, first_step=0)
    progress = read_progress(folder, plan=PLAN, now=1005.0)
    assert progress is not None
    assert (progress.stage, progress.seconds, progress.seconds_left) == ("test", 5.0, None)


@pytest.mark.parametrize("record", [{}, {"stage": None, "since": 3.0}, {"stage": "fit", "since": None}])
def test_where_nothing_is_at_work_there_is_no_progress(tmp_path, record):
    assert read_progress(tmp_path) is None
    write_record(tmp_path, **record)
    assert read_progress(tmp_path) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(since=st.floats(0, 3000), written=st.floats(0, 3000), now=st.floats(0, 3000), first_step=st.integers(0, 400))
def test_no_time_is_negative_whatever_the_clocks_of_machines_say(folder, since, written, now, first_step):
    """A cell's start, its last row and who looks at it may be of three machines, and clocks are set in between."""
    write_record(folder, stage="fit", since=since, first_step=first_step)
    write_metrics(folder, HEAD + "".join(ROWS), at=written)
    progress = read_progress(folder, plan=PLAN, now=now)
    assert progress is not None
    assert progress.seconds >= 0
    assert progress.seconds_per_step is None or progress.seconds_per_step > 0
    assert progress.seconds_left is None or progress.seconds_left >= 0
