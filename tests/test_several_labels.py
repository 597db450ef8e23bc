"""Videos of any number of labels from a list to a page: trained, tested, predicted, exported; and what is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import videogn as library
from tests.ranks import Scores, start, wait
from tests.several_labels import CLASSES, SETTINGS, average_precision, mean_average_precision, write_root
from tests.videos import write_video
from videogn.cli import main
from videogn.training.checkpoint import read_own_part

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with several.yaml, videos in root, and a run of five epochs."""
    folder = tmp_path_factory.mktemp("several")
    write_root(folder / "root")
    (folder / "several.yaml").write_text(SETTINGS.replace("data: {", f"data: {{root: {folder / 'root'}, "))
    assert ask("fit", "--config", folder / "several.yaml", "--run_dir", folder / "run") == 0
    return folder


def ask(*words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["videogn"])
        return main(list(map(str, words)))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def scores_and_targets(run: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = rows_of(run / "videos.csv")
    targets = np.array([[str(label) in row["labels"].split() for label in range(3)] for row in rows])
    return np.array([[float(share) for share in row["probabilities"].split()] for row in rows]), targets


def test_classes_that_come_together_are_learnt_each(trained, capsys):
    run = trained / "run"
    assert ask("test", "--run_dir", run, "--no_report") == 0
    assert not (run / "report").exists()
    capsys.readouterr()
    assert ask("test", "--run_dir", run) == 0
    said = capsys.readouterr().out
    result = json.loads((run / "result.json").read_text())
    scores, targets = scores_and_targets(run)
    assert targets.tolist() == [[bool(place >> label & 1) for label in range(3)] for place in range(12)]
    assert result["mean_average_precision"] == pytest.approx(100 * mean_average_precision(scores, targets), abs=1e-3)
    assert result["mean_average_precision"] == result["mean_average_precision_of_expected"]
    assert result["mean_average_precision"] > 85  # by chance about 50
    assert f"10x1 (nonlocal): mAP {result['mean_average_precision']:.2f} % over 3 of 3 classes, 12 of 12" in said
    assert not {"top1", "top5"} & result.keys()
    assert result["extras"]["data.multi_label"] is True
    assert result["num_classes_scored"] == 3
    for label, row in enumerate(rows_of(run / "per_class.csv")):
        own = average_precision(scores[:, label], targets[:, label])
        assert (row["class"], row["videos"]) == (CLASSES[label], str(targets[:, label].sum()))
        assert float(row["average_precision"]) == pytest.approx(100 * own, abs=0.01)
    page = (run / "report/report.html").read_text(encoding="utf-8")
    assert f"mAP {result['mean_average_precision']:.1f}" in page
    assert page.count("data:image/jpeg") == 12
    of_page = {row["class"]: row for row in rows_of(run / "report/classes.csv")}
    for row in rows_of(run / "per_class.csv"):
        assert of_page[row["class"]]["videos"] == row["videos"]
        average = float(of_page[row["class"]]["average_precision"])
        assert average == pytest.approx(float(row["average_precision"]), abs=0.011)


def test_the_best_checkpoint_is_that_of_the_highest_score(trained, capsys):
    rows = rows_of(trained / "run" / "metrics.csv")
    found = [(float(row["val/map"]), int(row["step"]) + 1) for row in rows if row.get("val/map")]
    assert len(found) == 5
    best = max(found, key=lambda pair: (pair[0], -pair[1]))
    training = read_own_part(trained / "run/checkpoints/best.ckpt")["training"]
    assert (training["best"]["map"], training["best"]["step"]) == (pytest.approx(best[0]), best[1])
    assert not any(name.startswith("train/top") for name in rows[0])
    assert ask("validate", "--run_dir", trained / "run") == 0
    assert "val/map" in capsys.readouterr().out


def test_two_devices_say_what_one_says(trained):
    run, name = trained / "run", "two"
    assert ask("test", "--run_dir", run, "--no_report") == 0
    one = json.loads((run / "result.json").read_text())
    callback = f"[{{class_path: tests.ranks.{Scores.__name__}, init_args: {{file: {name}}}}}]"
    words = ["test", "--run_dir", str(run), "--no_report", "--trainer.callbacks", callback]
    statuses, text = wait(start(*words, by="lightning", number=2, cwd=trained), trained)
    assert set(statuses) == {0}, text
    two = json.loads((run / "result.json").read_text())
    for figure in ("mean_average_precision", "loss"):
        assert two[figure] == pytest.approx(one[figure], rel=1e-5)
    metrics = json.loads((trained / f"{name}.1").read_text())["metrics"]
    assert 100 * metrics["test/map"] == pytest.approx(one["mean_average_precision"], rel=1e-5)


def test_videos_are_answered_with_a_probability_for_each_class(trained, tmp_path, capsys):
    run, videos = trained / "run", trained / "root" / "val"
    assert ask("test", "--run_dir", run, "--no_report") == 0
    assert ask("predict", "--run_dir", run, "--videos", videos, "--json", tmp_path / "p.json") == 0
    scores, _ = scores_and_targets(run)
    answers = json.loads((tmp_path / "p.json").read_text())["videos"]
    for answer, row in zip(answers, scores, strict=True):
        found = {one["class"]: one["probability"] for one in answer["predictions"]}
        np.testing.assert_allclose([found[name] for name in CLASSES], row, atol=1e-5)
    model = library.load(run)
    found = model(videos / "07.mp4")
    np.testing.assert_allclose([found[name] for name in CLASSES], scores[7], atol=1e-5)
    assert ask("export", run, "--out", tmp_path / "x.pt2", "--videos", videos) == 0
    program = torch.export.load(tmp_path / "x.pt2").module()
    views = model.data.views_of(videos / "07.mp4")
    shares = program(torch.stack(list(views))).mean(dim=0).detach()
    np.testing.assert_allclose(shares, scores[7], atol=1e-5)
    card = (tmp_path / "x.pt2.md").read_text()
    assert "probabilities, of each class by itself" in card
    assert "| accuracy | of the run, by videogn: 10x1 (nonlocal): mAP " in card


def test_labels_are_the_classes_above_a_threshold(trained, tmp_path, capsys):
    run, videos = trained / "run", trained / "root" / "val"
    model = library.load(run)
    shares = [model(videos / f"{place:02d}.mp4") for place in range(12)]
    threshold = float(np.median([share for found in shares for share in found.values()])) + 1e-4
    labels = [{name: share for name, share in found.items() if share >= threshold} for found in shares]
    assert {len(found) for found in labels} >= {0, 1, 2}
    asked = ["predict", "--run_dir", run, "--videos", videos, "--json", tmp_path / "p.json", "--threshold", threshold]
    assert ask(*asked) == 0
    answers = json.loads((tmp_path / "p.json").read_text())["videos"]
    for answer, expected in zip(answers, labels, strict=True):
        assert [one["class"] for one in answer["predictions"]] == list(expected)
        assert [one["probability"] for one in answer["predictions"]] == pytest.approx([*expected.values()], abs=1e-5)
    names = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [name for name in names if name] == [answer["video"] for answer in answers]  # those without a class, too


def test_segments_of_classes_that_are_seen_together_overlap(trained, tmp_path):
    run, seven = trained / "run", trained / "root/val/07.mp4"  # all three squares
    windows = list(library.load(run).slide(seven, every_seconds=0.04))
    shares = {name: [window.probabilities[name] for window in windows] for name in CLASSES}
    *_, threshold, _ = sorted(map(min, shares.values()))  # two classes have it in all windows
    asked = ["predict", "--run_dir", run, "--videos", seven, "--every_seconds", 0.04, "--json", tmp_path / "p.json"]
    assert ask(*asked, "--threshold", threshold - 1e-4) == 0
    (found,) = json.loads((tmp_path / "p.json").read_text())["videos"]
    whole = (windows[0].start, windows[-1].end)
    over = [one for one in found["segments"] if (one["start_seconds"], one["end_seconds"]) == whole]
    assert {name for name in CLASSES if min(shares[name]) >= threshold} <= {one["class"] for one in over}
    assert len(over) >= 2
    for one in over:
        assert one["highest_probability"] == pytest.approx(max(shares[one["class"]]), abs=1e-5)


def test_a_video_that_can_not_be_scored_lowers_what_is_expected(trained, tmp_path, capsys):
    root, run = trained / "root", trained / "run"
    (root / "broken.mp4").write_bytes(b"no video")
    (root / "more.csv").write_text((root / "val.csv").read_text() + "broken.mp4,red\n")
    words = ["--no_report", "--data.test_list", "more.csv", "--data.skip_undecodable", "0.2"]
    assert ask("test", "--run_dir", run, *words) == 0
    result = json.loads((run / "result.json").read_text())
    scores, targets = scores_and_targets(run)
    own = [average_precision(scores[:, label], targets[:, label]) for label in range(3)]
    expected = 100 * np.mean([own[0], own[1], own[2] * 4 / 5])  # four red videos, and the broken one
    assert result["mean_average_precision_of_expected"] == pytest.approx(expected, abs=1e-3)
    assert f"as wrong ones, mAP {expected:.2f} %" in capsys.readouterr().out


def test_lists_are_checked_and_what_knows_one_class_a_video_is_refused(trained, tmp_path, capsys):
    config, root = trained / "several.yaml", trained / "root"
    again = write_video(root / "train" / "again.mp4", num_frames=12, height=32, width=32)
    (root / "val" / "again.mp4").write_bytes(again.read_bytes())
    for split, labels in (("train", "red;blue"), ("val", "red")):
        text = (root / f"{split}.csv").read_text()
        (tmp_path / f"{split}.csv").write_text(f"{text}{split}/again.mp4,{labels}\n")
    lists = [word for split in ("train", "val") for word in (f"--data.{split}_list", tmp_path / f"{split}.csv")]
    assert ask("data", "check", root, "--config", config, *lists, "--out", tmp_path / "out", "--num_workers", 0) == 1
    assert "copy in another split" in (tmp_path / "out" / "check.md").read_text()
    assert ask("fit", "--config", config, "--run_dir", trained / "other", "--data.balanced_sampling", "true") == 2
    assert ask("fit", "--config", config, "--run_dir", trained / "other", "--model.label_smoothing", "0.1") == 2
    assert ask("fit", "--run_dir", trained / "run", "--data.multi_label", "false") == 2
    assert ask("doctor", "--config", config) == 2
    (tmp_path / "study.yaml").write_text("{base: several.yaml, axes: {model.norm: [gn, bn]}, seeds: [0]}")
    (tmp_path / "several.yaml").write_text(config.read_text() + "total_batch_size: 8\n")
    assert ask("ablate", "--config", tmp_path / "study.yaml", "--dry_run") == 2
    said = capsys.readouterr().err
    for words in (
        "videos of any number of labels: --data.multi_label true",
        "balanced_sampling goes by the one class of each video",
        "label_smoothing is for videos of one class each",
        "the doctor's own trainings are of one class a video",
        "a study compares top-1 accuracies",
    ):
        assert words in said
