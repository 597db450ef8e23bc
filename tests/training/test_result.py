"""result.json, per_class.csv, metrics.csv."""

import csv
import json
from dataclasses import fields

import pytest

from videogn.training.loggers import MetricsCSV
from videogn.training.result import Result, ScoredVideo, write_per_class, write_result


def result(**values) -> Result:
    base = {field.name: None for field in fields(Result)}
    base |= {"protocol": "10x3", "clip_policy": "nonlocal", "top1": 50.0, "top5": 75.0}
    base |= {"num_videos_expected": 5, "num_videos_scored": 4, "failed_videos": [{"video": "ü.mp4", "reason": "cut"}]}
    return Result(**{**base, **values})


def test_result_is_written_whole_and_says_what_was_scored(tmp_path):
    path = write_result(result(), tmp_path)
    assert json.loads(path.read_text())["failed_videos"] == [{"video": "ü.mp4", "reason": "cut"}]
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    summary = result().summary()
    assert summary.startswith("10x3 (nonlocal): top-1 50.00 %, top-5 75.00 %, 4 of 5 videos scored")
    assert "1 could not be decoded" in summary
    assert "could not" not in result(num_videos_scored=5).summary()


def test_per_class_shares(tmp_path):
    videos = [
        ScoredVideo(0, 0, 0, 0.1),
        ScoredVideo(1, 0, 3, 0.1),
        ScoredVideo(2, 0, 9, 0.1),
        ScoredVideo(3, 2, 0, 0.1),
    ]
    path = write_per_class(videos, ["a", "b, c", "d", "e", "f"], tmp_path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "videos", "top1", "top5"],
        ["a", "3", "33.33", "66.67"],
        ["b, c", "0", "", ""],
        ["d", "1", "100.00", "100.00"],
        ["e", "0", "", ""],
        ["f", "0", "", ""],
    ]
    rows = write_per_class(videos[:1], ["a", "b", "c", "d"], tmp_path).read_text().splitlines()
    assert rows[:2] == ["class,videos,top1,top5", "a,1,100.00,"]  # top-5 of four classes says nothing


@pytest.mark.filterwarnings("error")
def test_metrics_of_a_resumed_run_are_kept_up_to_where_it_goes_on(tmp_path):
    first = MetricsCSV(tmp_path)
    for step in (0, 10, 20):
        first.log_metrics({"loss": 1.0 - step / 100}, step)
        first.save()
    before = (tmp_path / "metrics.csv").read_text()
    idle = MetricsCSV(tmp_path, first_step=21)  # a run that has nothing left to do
    assert idle.experiment is not None
    idle.save()
    assert (tmp_path / "metrics.csv").read_text() == before
    second = MetricsCSV(tmp_path, first_step=11)
    assert second.experiment is second.experiment
    second.log_metrics({"loss": 0.5, "val": 3.0}, 20)
    second.save()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["step"]), float(row["loss"])) for row in rows] == [(0, 1.0), (10, 0.9), (20, 0.5)]
    assert [row["val"] for row in rows] == ["", "", "3.0"]
