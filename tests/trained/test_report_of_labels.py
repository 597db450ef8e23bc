"""The page on a run of several labels a video: its figures again by NumPy from videos.csv, and what it says."""

from itertools import combinations

import numpy as np
import pytest

from tests.several_labels import average_precision, mean_average_precision
from tests.trained.reports import rows_of, write_run, write_run_of_labels
from videogn.cli import main
from videogn.intervals import error_over_groups
from videogn.trained.report.answer import answer_notes, answer_text
from videogn.trained.report.gather import gather
from videogn.trained.report.scores_of_labels import average_precision as with_adds
from videogn.trained.report.write import write_report


def draw(num: int = 60, num_classes: int = 5, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, bool [n, K], of which the last class has none, and probabilities in 64ths, so that there are ties."""
    rng = np.random.default_rng(seed)
    is_labelled = rng.random((num, num_classes)) < np.linspace(0.5, 0, num_classes)
    scores = rng.normal(size=(num, num_classes)) + 1.5 * is_labelled - 0.5
    return is_labelled, np.round(64 / (1 + np.exp(-scores))) / 64


def write(folder, is_labelled, probabilities, **more):
    mean = 100 * mean_average_precision(probabilities, is_labelled)
    return write_run_of_labels(folder, mean=mean, is_labelled=is_labelled, probabilities=probabilities, **more)


def test_figures_are_those_of_videos_csv(tmp_path):
    run = write(tmp_path / "run", *draw(), failed=["bad.mp4"])
    rows = rows_of(run / "videos.csv")
    own = np.array([[str(label) in row["labels"].split() for label in range(5)] for row in rows])
    shares = np.array([[float(share) for share in row["probabilities"].split()] for row in rows])
    gathered = gather(run)
    files = write_report(gathered, tmp_path / "page")
    assert sorted(files) == [
        "calibration.csv", "calibration.png", "calibration.svg", "classes.csv", "curves.png", "curves.svg",
        "report.html",
    ]  # fmt: skip
    page = files["report.html"].read_text(encoding="utf-8").replace("\xa0", " ")
    mean = 100 * mean_average_precision(shares, own)
    assert gathered.scores.mean.mean == pytest.approx(mean)
    low, high = gathered.scores.mean.low, gathered.scores.mean.high
    answer = (
        f"mAP {mean:.1f} % ({low:.1f}–{high:.1f}) over 4 of 5 classes and 60 test videos, protocol 1x1 (nonlocal), "
    )
    assert answer_text(gathered) == f"{answer}last checkpoint; 1 more video failed."
    assert answer in page
    assert f"With the 1 video that failed counted as never found, mAP is {mean / 2:.1f} %." in page
    assert "1 class had no video in the test" in page
    assert "mAP in percent" in page
    assert "validation 62.5" in page  # where the curve ends

    false, in_place_of = np.zeros(5, int), np.zeros((5, 5), int)
    for labels, probabilities in zip(own, shares, strict=True):
        best = sorted(range(5), key=lambda label: -probabilities[label])[: labels.sum()]  # of ties the first
        for label in best:
            if not labels[label]:
                false[label] += 1
                in_place_of[label] += labels & ~np.isin(range(5), best)
    classes = rows_of(files["classes.csv"])
    for row in classes:
        label = int(row["label"])
        is_own, is_high = own[:, label], shares[:, label] >= 0.5
        assert int(row["videos"]) == is_own.sum()
        assert int(row["predicted_as"]) == is_high.sum()
        assert float(row["precision"]) == pytest.approx(100 * is_own[is_high].mean(), abs=0.006)
        assert int(row["taken_for_a_label"]) == false[label]
        assert int(row["times"] or 0) == in_place_of[label].max()
        if is_own.any():
            average = average_precision(shares[:, label], is_own)
            assert float(row["average_precision"]) == pytest.approx(100 * average, abs=0.006)
            assert float(row["recall"]) == pytest.approx(100 * is_high[is_own].mean(), abs=0.006)
    assert false.sum() > 0
    averages = [float(row["average_precision"]) for row in classes[:4]]
    assert averages == sorted(averages)
    assert (classes[4]["class"], classes[4]["average_precision"], classes[4]["recall"]) == ("class 4", "", "")

    places = np.minimum((15 * shares).astype(int), 14)
    gaps = [abs((shares - own)[places == place].sum()) for place in range(15)]
    assert f"Expected calibration error: {100 * sum(gaps) / own.size:.1f} points, over 300 pairs" in page
    assert sum(int(row["videos"]) for row in rows_of(files["calibration.csv"])) == 300
    losses = -(own * np.log(shares) + ~own * np.log(1 - shares)).mean(1)
    said = [page.index(f": {place:04d}.mp4") for place in np.argsort(-losses)[:24]]
    assert said == sorted(said)
    worst = int(losses.argmax())
    best = int(shares[worst].argmax())
    assert f"most probable: class {best} (" in page[said[0] - 300 : said[0]]


def test_what_a_video_adds_is_the_derivative_by_its_weight():
    own, shares = draw(40, 1, seed=1)

    def weighted(weights: np.ndarray) -> float:
        """Average precision of videos of which there are so many each."""
        total = 0.0
        for place in np.flatnonzero(own[:, 0]):
            above = weights * (shares[:, 0] >= shares[place, 0])
            total += weights[place] * above[own[:, 0]].sum() / above.sum()
        return total / weights[own[:, 0]].sum()

    mean, adds = with_adds(shares[:, 0], own[:, 0])
    assert mean == pytest.approx(weighted(np.ones(40)))
    steps = 1e-5 * np.eye(40)
    expected = [(weighted(1 + step) - weighted(1 - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(adds, expected, atol=1e-8)


def test_the_interval_is_that_of_a_bootstrap(tmp_path):
    own, shares = draw(200, 6, seed=2)
    claim = gather(write(tmp_path, own, shares)).scores.mean
    rng = np.random.default_rng(3)
    means = []
    for _ in range(300):
        drawn = rng.integers(0, 200, 200)
        means.append(100 * mean_average_precision(shares[drawn], own[drawn]))
    assert claim.high - claim.low == pytest.approx(2 * 1.96 * np.std(means), rel=0.2)
    assert claim.low < claim.mean < claim.high


def test_copies_of_one_source_are_no_more_videos(tmp_path):
    own, shares = draw(50, 4, seed=4)
    alone = gather(write(tmp_path / "a", own, shares)).scores.mean
    groups = [f"source {place}" for place in range(50) for _ in range(3)]
    gathered = gather(write(tmp_path / "b", own.repeat(3, axis=0), shares.repeat(3, axis=0), groups=groups))
    together = gathered.scores.mean
    assert (together.mean, together.low, together.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert "Cuts of one source count as one." in " ".join(answer_notes(gathered))
    error, num = error_over_groups(np.array([[1.0, 0.0, 1.0]]), None)  # what it is told: means, not sums
    assert (error, num) == (pytest.approx(1 / 3), 3)


def test_chance_is_the_mean_over_all_orders(tmp_path):
    shares = np.arange(7)[::-1] / 7
    orders = [np.isin(range(7), places) for places in combinations(range(7), 3)]
    own = np.array(orders).T  # any order: chance knows their number alone
    expected = 100 * np.mean([average_precision(shares, order) for order in orders])
    scores = gather(write(tmp_path, own, np.tile(shares[:, None], len(orders)))).scores
    assert scores.by_chance == pytest.approx(expected)
    assert scores.mean.mean == pytest.approx(expected)  # each order is there once


def test_labels_that_are_always_found_and_videos_of_none(tmp_path):
    own = np.array([[True, False, False], [True, True, False], [False, False, False]])
    run = write(tmp_path / "run", own, np.where(own, 0.9, 0.05))
    assert main(["report", str(run)]) == 0
    page = (run / "report/report.html").read_text(encoding="utf-8").replace("\xa0", " ")
    assert "In no video is another class more probable than one of its labels." in page
    assert "Is of no class; most probable: class 0 (5.0 %), class 1 (5.0 %), class 2 (5.0 %): 0002.mp4" in page
    assert "Is class 0 (90 %), class 1 (90 %); most probable: " in page


def test_videos_are_found_by_a_list_of_several_labels(tmp_path, data_root):
    (tmp_path / "list.txt").write_text("train/00,a,b\ntrain/01,b\n")  # without their suffixes
    data = {"test_list": str(tmp_path / "list.txt")}
    own = np.array([[True, True], [False, True]])
    run = write(tmp_path / "run", own, np.full((2, 2), 0.5), root=data_root, names=["train/00", "train/01"], data=data)
    assert main(["report", str(run)]) == 0
    assert (run / "report/report.html").read_text(encoding="utf-8").count("data:image/jpeg") == 2


def test_a_run_before_its_test_and_files_that_are_damaged(tmp_path):
    run = write_run(tmp_path / "run", data={"multi_label": True})
    assert main(["report", str(run)]) == 0
    assert "NOT TESTED" in (run / "report/report.html").read_text(encoding="utf-8")
    own, shares = draw(8, 2)
    run = write(run, own, 1 - shares)
    whole = (run / "videos.csv").read_text()
    for wrong, said in (
        (whole.replace("labels", "label"), "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,0,0.5\n", "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,2,0.5 0.5\n", "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,-1,0.5 0.5\n", "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,0,0.5 1.5\n", "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,0,0.5 nan\n", "videos.csv cannot be read"),
        (f"{whole}8,x.mp4,0,0.5 0.5\n", "it has 9 videos, and probabilities of 2 classes, and that says 8 and 2"),
        ("\n".join(["index,video,labels,probabilities", *8 * ["0,x.mp4,0,0.5 0.5"]]), "mean average precision is 100"),
        ("index,video,labels,probabilities\n", "videos.csv cannot be read"),
    ):
        (run / "videos.csv").write_text(wrong)
        gathered = gather(run)
        assert gathered.scores is None
        assert any(said in problem for problem in gathered.problems), (wrong, gathered.problems)
        assert answer_text(gathered).startswith("mAP ")
    (run / "videos.csv").unlink()
    assert gather(run).problems == []
