"""result.json, per_class.csv, videos.csv, metrics.csv."""

import csv
import json
import math
import random
from dataclasses import fields

import pytest

from videogn.training.loggers import MetricsCSV
from videogn.training.result import Result, ScoredVideo, top_k, write_per_class, write_result
from videogn.training.video_scores import VideoScores, read_videos, write_videos


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
        ScoredVideo(0, 0, 0, 0.1, 0),
        ScoredVideo(1, 0, 3, 0.1, 2),
        ScoredVideo(2, 0, 9, 0.1, 2),
        ScoredVideo(3, 2, 0, 0.1, 2),
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


def test_every_accuracy_can_be_computed_again_from_the_videos(tmp_path):
    rng = random.Random(0)
    videos = [ScoredVideo(2 * place, 3, rng.randrange(8), rng.expovariate(1.0), 1) for place in range(60)]
    names = [f'a, "b"/ü {place}.mp4' for place in range(60)]
    path = write_videos(videos, names, None, tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == names
    assert [(int(row["index"]), int(row["label"]), int(row["predicted"])) for row in rows] == [
        (video.index, video.label, video.predicted) for video in videos
    ]
    for k in (1, 5):
        assert sum(int(row["rank"]) < k for row in rows) / 60 == top_k(videos, k)
    losses = [-math.log(float(row["probability"])) for row in rows]
    assert losses == pytest.approx([video.loss for video in videos], abs=1e-5)
    known = result(num_videos_scored=60, top1=100 * top_k(videos, 1))
    found = read_videos(tmp_path, known)
    assert found == VideoScores(tuple(v.index for v in videos), tuple(v.rank for v in videos), None)
    groups = ["x", "", *["y, z"] * 58]
    write_videos(videos, names, groups, tmp_path)
    assert read_videos(tmp_path, known).groups == tuple(groups)


def test_videos_of_another_test_are_refused_and_those_of_none_are_none(tmp_path):
    assert read_videos(tmp_path, result()) is None
    write_videos([ScoredVideo(0, 0, 0, 0.1, 0), ScoredVideo(1, 0, 2, 0.1, 1)], ["a", "b"], None, tmp_path)
    assert read_videos(tmp_path, result(num_videos_scored=2)) is not None
    for other in (result(num_videos_scored=4), result(num_videos_scored=2, top1=100.0)):
        with pytest.raises(ValueError, match=r"is not of its result\.json: it has 1 of 2 videos right"):
            read_videos(tmp_path, other)
    for text in ("index,rank\n0,x\n", "index\n0\n", "index,rank\n0\n", "\xff"):
        (tmp_path / "videos.csv").write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=r"videos\.csv cannot be read"):
            read_videos(tmp_path, result(num_videos_scored=1))


def test_the_videos_of_a_large_test_stay_small(tmp_path):
    """20,000 videos with names as long as Kinetics': a hundredth of a checkpoint."""
    videos = [ScoredVideo(place, 399, 12, 1 / 3, 399) for place in range(20_000)]
    names = [f"val/playing_kickball/{place:011d}_000010_000020.mp4" for place in range(20_000)]
    assert write_videos(videos, names, None, tmp_path).stat().st_size < 2e6


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
