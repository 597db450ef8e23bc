"""metrics.csv and TensorBoard's events: kept by a run that goes on, and whole where the disk is full."""

import csv
import re
from pathlib import Path

import pytest

from tests.small_disks import largest_file
from videogn.training.loggers import Events, MetricsCSV


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def log(logger: MetricsCSV | Events, steps: range, *names: str) -> None:
    for step in steps:
        logger.log_metrics(dict.fromkeys(names, 1.0 / 3 + step), step)
        logger.save()


@pytest.mark.parametrize("names", [["loss"], ["loss", "top1"]])
def test_rows_that_have_no_room_leave_those_before_them_whole(tmp_path, names):
    """Of the same columns, which are added to the file, and of a new one, for which it is written anew."""
    logger = MetricsCSV(tmp_path)
    log(logger, range(3), "loss")
    before = (tmp_path / "metrics.csv").read_bytes()
    with pytest.raises(OSError, match="too large") as caught, largest_file(len(before) + 8):
        log(logger, range(3, 4), *names)
    path = tmp_path / "metrics.csv"
    assert str(caught.value) == f"{path} can't be written: File too large; its rows up to here are whole"
    assert path.read_bytes() == before
    with largest_file(len(before) + 8):
        logger.finalize("failed")  # as Lightning does then: no second error takes the place of the first
    second = MetricsCSV(tmp_path, first_step=3)
    log(second, range(3, 5), *names)
    assert [row["step"] for row in rows(tmp_path)] == list("01234")


def test_what_can_not_be_written_after_another_failure_is_a_warning(tmp_path):
    logger = MetricsCSV(tmp_path)
    logger.log_metrics({"loss": 1.0}, 0)
    with largest_file(2), pytest.warns(UserWarning, match=r"metrics\.csv can't be written: File too large"):
        logger.finalize("failed")
    logger.log_metrics({"loss": 1.0}, 0)
    with largest_file(2), pytest.raises(OSError, match=r"metrics\.csv can't be written: File too large"):
        logger.finalize("success")


@pytest.mark.parametrize("lost", range(1, 12))
def test_a_row_that_a_crash_left_in_part_is_written_anew(tmp_path, lost):
    log(MetricsCSV(tmp_path), range(3), "loss")
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-lost])
    log(MetricsCSV(tmp_path, first_step=2), range(2, 4), "loss", "top1")
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [(str(k), str(1 / 3 + k)) for k in range(4)]
    assert [row["top1"] for row in rows(tmp_path)] == ["", "", str(1 / 3 + 2), str(1 / 3 + 3)]


def test_events_that_have_no_room_are_no_number_that_can_not_be_logged(tmp_path, capsys):
    logger = Events(tmp_path)
    log(logger, range(2), "loss")
    (file,) = tmp_path.glob("events.*")
    with largest_file(file.stat().st_size + 20), pytest.raises(OSError, match="too large") as caught:
        log(logger, range(2, 100), "loss")
    assert str(caught.value) == f"{file} can't be written: File too large"
    with pytest.warns(UserWarning, match=f"{re.escape(str(file))} can't be written"):
        logger.finalize("failed")
    assert capsys.readouterr().err == ""  # of the thread that writes
    with pytest.raises(ValueError, match="not supported"):
        Events(tmp_path / "other").log_metrics({"loss": "text"}, 0)
