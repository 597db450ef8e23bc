"""Confusion, classes and calibration of a run's page, from its videos.csv, against torchmetrics, SciPy and NumPy."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassPrecision,
)

from tests.trained.reports import draw_scores, rows_of, write_run
from videogn.trained.report.calibration import calibration_of
from videogn.trained.report.confusion import class_rows, most_confused, pairs_of
from videogn.trained.report.gather import gather
from videogn.trained.report.scores import share
from videogn.trained.report.write import write_report


@pytest.mark.parametrize(("num", "num_classes", "seen"), [(300, 6, 5), (90, 2, None), (900, 40, None)])
def test_confusion_and_classes_equal_torchmetrics(tmp_path, num, num_classes, seen):
    labels, probabilities = draw_scores(num, num_classes, seen=seen)
    run = write_run(tmp_path / "run", labels=labels, probabilities=probabilities)
    files = write_report(gather(run), tmp_path / "page")
    rows = rows_of(run / "videos.csv")
    target, predicted = (torch.tensor([int(row[name]) for row in rows]) for name in ("label", "predicted"))
    counts = MulticlassConfusionMatrix(num_classes)(predicted, target)
    found = rows_of(files["confusion.csv"])
    assert [[int(row[f"class {k}"]) for k in range(num_classes)] for row in found] == counts.tolist()
    classes = rows_of(files["classes.csv"])
    recall = MulticlassAccuracy(num_classes, average=None)(predicted, target)
    precision = MulticlassPrecision(num_classes, average=None)(predicted, target)
    assert len(classes) == num_classes
    for row in classes:
        label = int(row["label"])
        assert int(row["videos"]) == (labels == label).sum()
        assert int(row["predicted_as"]) == counts[:, label].sum()
        if row["error"]:
            assert 100 - float(row["error"]) == pytest.approx(100 * float(recall[label]), abs=0.006)
            assert float(row["error_low"]) <= float(row["error"]) <= float(row["error_high"])
        if row["precision"]:
            assert float(row["precision"]) == pytest.approx(100 * float(precision[label]), abs=0.006)
    errors = [float(row["error"]) for row in classes if row["error"]]
    assert errors == sorted(errors, reverse=True)
    assert [row["videos"] for row in classes[len(errors) :]] == ["0"] * (num_classes - (seen or num_classes))


def test_the_most_confused_pairs_are_those_of_a_count(tmp_path):
    labels, probabilities = draw_scores(2000, 30, seed=1)
    scores = gather(write_run(tmp_path, labels=labels, probabilities=probabilities)).scores
    pairs = Counter(zip(labels.tolist(), probabilities.argmax(1).tolist(), strict=True))
    wrong = {pair: num for pair, num in pairs.items() if pair[0] != pair[1]}
    found = most_confused(pairs_of(scores), most=1000)
    assert {(pair.label, pair.predicted): pair.num for pair in found} == wrong
    assert [pair.num for pair in found] == sorted(wrong.values(), reverse=True)
    assert most_confused(pairs_of(scores), most=7) == found[:7]
    for row in class_rows(scores, pairs_of(scores)):
        own = {other: num for (label, other), num in wrong.items() if label == row.label}
        assert (row.taken_for is None) == (not own)
        assert row.taken_for is None or row.taken_for[1] == max(own.values()) == own[row.taken_for[0]]


@pytest.mark.parametrize(("num", "num_classes", "seed"), [(50, 2, 0), (400, 8, 1), (3000, 400, 2)])
def test_the_calibration_error_is_torchmetrics(tmp_path, num, num_classes, seed):
    labels, probabilities = draw_scores(num, num_classes, seed=seed)
    scores = gather(write_run(tmp_path, labels=labels, probabilities=probabilities)).scores
    oracle = MulticlassCalibrationError(num_classes, n_bins=15, norm="l1")
    expected = oracle(torch.from_numpy(probabilities), torch.from_numpy(labels))
    found = calibration_of(scores)
    assert found.error == pytest.approx(100 * float(expected), abs=1e-3)
    assert sum(each.num for each in found.bins) == num
    assert found.accuracy == pytest.approx(100 * (probabilities.argmax(1) == labels).mean())
    assert found.confidence == pytest.approx(100 * probabilities.max(1).mean(), abs=1e-3)


@pytest.mark.parametrize("num", [100, 1000])
def test_a_calibrated_network_shows_the_error_that_is_said_of_chance(tmp_path, num):
    rng = np.random.default_rng(3)
    _, probabilities = draw_scores(num, 5, seed=4)
    confidence = probabilities.max(1)
    scores = gather(write_run(tmp_path, labels=probabilities.argmax(1), probabilities=probabilities)).scores
    said = calibration_of(scores).by_chance
    places = np.minimum((confidence * 15).astype(int), 14)
    errors = []
    for _ in range(2000):
        gaps = (rng.random(num) < confidence) - confidence
        errors.append(100 * np.abs(np.bincount(places, weights=gaps)).sum() / num)
    assert said == pytest.approx(np.mean(errors), rel=0.1)


@given(st.integers(2, 60), st.data())
def test_an_interval_is_the_roots_of_wilsons_equation(num, data):
    right = data.draw(st.integers(0, num))
    claim = share(np.arange(num) < right)
    mean, t = right / num, stats.t.ppf(0.975, num - 1)
    size = num - 1 if 0 < right < num else num

    def distance(p: float) -> float:
        return (mean - p) ** 2 - t**2 * p * (1 - p) / size

    low = 0.0 if right == 0 else optimize.brentq(distance, 1e-12, mean - 1e-9)
    high = 1.0 if right == num else optimize.brentq(distance, mean + 1e-9, 1 - 1e-12)
    assert (claim.mean, claim.low, claim.high) == pytest.approx((100 * mean, 100 * low, 100 * high), abs=1e-4)


def test_intervals_hold_the_truth_also_where_videos_are_cut_from_one_source():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 5)
    held = {"alone": 0, "together": 0}
    for _ in range(2000):
        is_right = np.repeat(rng.random(40) < 0.8, 5)  # cuts of a source are right together
        for name, of in (("alone", None), ("together", groups)):
            claim = share(is_right, of)
            held[name] += claim.low <= 80 <= claim.high
    assert held["together"] > 0.94 * 2000
    assert held["alone"] < 0.75 * 2000


def test_one_video_and_one_source_claim_nearly_nothing():
    for claim in (share(np.array([True])), share(np.array([True, False]), np.array([7, 7]))):
        assert claim.low < 2
        assert claim.high > 98
    assert share(np.array([], bool)) is None
