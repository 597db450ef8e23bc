"""videogn doctor: verdict, evidence and advice for each question; and of sets whose answers are known."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

from tests.runs import TINY
from videogn.cli import main
from videogn.commands import examination
from videogn.commands.configs import find_config
from videogn.commands.examination import _bottleneck
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.catalog import Catalog
from videogn.tools.doctor.finding import Finding
from videogn.tools.doctor.motion import PROBE, PROBE_LR
from videogn.tools.doctor.subject import SMALL, SMALL_FRAMES, SMALL_SIZE
from videogn.tools.doctor.videos import labels_and_splits
from videogn.tools.sources import seen_sources

pytestmark = pytest.mark.slow


def doctor(*words: str, folder: Path, status: int = 0) -> dict[str, dict]:
    """Findings of a run by the last words of their questions."""
    assert main(["doctor", *words, "--json", str(folder / "doctor.json")]) == status
    findings = json.loads((folder / "doctor.json").read_text())["findings"]
    return {finding["question"].rstrip("?").rpartition(" ")[2]: finding for finding in findings}


@pytest.fixture
def tiny(tmp_path, data_root, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    Path("tiny.yaml").write_text(TINY)
    return ["--config", "tiny.yaml", "--data.root", str(data_root), "--minutes", "0.1"]


def test_every_question_has_an_answer_and_nothing_is_left(tiny, tmp_path, capsys):
    found = doctor(*tiny, folder=tmp_path)
    assert list(found) == ["classes", "test", "decoded", "bottleneck", "heart", "range", "order"]
    assert all(finding["verdict"] in {"fine", "look"} and finding["evidence"] for finding in found.values())
    printed = capsys.readouterr().out
    assert json.loads((tmp_path / "doctor.json").read_text())["complete"]
    assert all(finding["evidence"] in printed and finding["advice"] in printed for finding in found.values())
    assert found["classes"]["verdict"] == "look"  # 6 videos of a class
    assert found["bottleneck"]["figures"]["decode_seconds"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doctor.json", "tiny.yaml"]


def test_one_that_is_stopped_leaves_its_answers(tiny, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(examination, "by_heart", interrupted)
    found = doctor(*tiny, folder=tmp_path, status=130)
    assert list(found) == ["classes", "test", "decoded", "bottleneck"]
    assert not json.loads((tmp_path / "doctor.json").read_text())["complete"]
    assert "the other questions were not asked" in capsys.readouterr().out


def test_it_ends_when_it_should_and_names_what_there_was_no_time_for(tiny, tmp_path, capsys):
    found = doctor(*tiny[:4], "--minutes", "0.001", folder=tmp_path)
    assert list(found) == ["classes", "test", "decoded", "bottleneck", "heart", "range", "order"]
    assert {name: finding["advice"] for name, finding in found.items() if name in ("heart", "range", "order")} == {
        "heart": "give more --minutes", "range": "give more --minutes", "order": "give more --minutes",
    }  # fmt: skip
    assert found["range"]["not_tried"][:2] == ["as configured", "bn"]
    assert "no time for: as configured; bn" in capsys.readouterr().out


def test_a_video_that_would_stop_the_training_is_named(tiny, tmp_path, data_root, capsys):
    for name in ("train", "val"):
        lines = (data_root / f"{name}.csv").read_text().splitlines()
        (tmp_path / f"{name}.csv").write_text("".join(f"{data_root}/{line}\n" for line in lines))
    (tmp_path / "broken.mp4").write_bytes(b"none")
    with (tmp_path / "train.csv").open("a") as file:
        file.write("broken.mp4 run\n")
    words = [*tiny[:2], "--data.root", str(tmp_path), *tiny[4:], "--data.allow_outside", "true"]
    found = doctor(*words, folder=tmp_path, status=1)["decoded"]
    assert found["verdict"] == "stop"
    assert found["figures"] == {"videos": 13, "failed": 1}
    assert "broken.mp4" in found["evidence"]


def test_an_error_on_the_way_is_the_last_answer(tiny, tmp_path, data_root):
    (tmp_path / "broken.mp4").write_bytes(b"none")
    (tmp_path / "val.csv").write_text(f"{tmp_path}/broken.mp4 run\n")
    words = [*tiny[:4], "--data.val_list", str(tmp_path / "val.csv"), "--data.allow_outside", "true"]
    found = doctor(*words, folder=tmp_path, status=1)
    assert list(found)[-1] == "asked"
    assert found["asked"]["evidence"] == "no validation video could be decoded"


def test_the_small_network_is_that_of_the_packaged_recipe():
    config = yaml.safe_load(Path(find_config("own_videos.yaml")).read_text())
    model, data = config["model"], config["data"]
    assert {name: model[name] for name in ("depth", "width")} == {
        name: SMALL["i3d"][name] for name in ("depth", "width")
    }
    assert {name: value for name, value in PROBE.items() if value is not None} == {
        name: model[name] for name in ("norm", "channels_per_group", "weight_standardization", "input")
    }
    assert (model["base_lr"], data["num_frames"], data["crop_size"]) == (PROBE_LR, SMALL_FRAMES, SMALL_SIZE)


def test_images_have_no_motion_to_ask_for(tiny, tmp_path):
    found = doctor(*tiny, "--data.num_frames", "1", "--model.layout", "image", folder=tmp_path)
    assert list(found)[-1] == "range"


def test_a_norm_that_needs_weights_is_not_asked_about(tiny, data_root, capsys):
    bn = ["--model.norm", "bn", "--model.channels_per_group", "null"]
    fit = ["fit", *tiny[:4], "--trainer.max_epochs", "1"]
    assert main([*fit, *bn, "--run_dir", "runs/bn"]) == 0
    frozen = ["--model.norm", "frozen_bn", *bn[2:], "--model.weights", "runs/bn/checkpoints/last.ckpt"]
    assert main(["doctor", *tiny, *frozen]) == 2
    assert "from scratch, where frozen_bn has nothing to normalise by" in capsys.readouterr().err


@pytest.mark.parametrize(("decode", "clip", "verdict"), [(0.2, 0.05, "look"), (0.09, 0.05, "fine")])
def test_decoding_is_the_bottleneck_where_its_processes_are_slower_than_the_network(decode, clip, verdict):
    found = _bottleneck(decode, clip, data=KineticsDataModule(num_workers=2), device=torch.device("cuda"))
    assert found.verdict == verdict
    if verdict == "look":
        assert "about 4 processes" in found.advice
        assert "10.0 clips/s" in found.evidence


def test_validation_videos_are_taken_evenly(data_root):
    lines = (data_root / "val.csv").read_text().splitlines()
    data = KineticsDataModule(
        str(data_root), num_frames=4, crop_size=32, scale_size=32, test_scale_size=32, test_crop_size=32, num_workers=0
    )
    found = [int(place) for batch in data.val_batches(most=3) for place in batch["indices"]]
    assert found == [0, 2, len(lines) - 1]


def test_labels_and_splits(tmp_path):
    for name, content in (("a", b"1"), ("b", b"22"), ("c", b"33"), ("d", b"22"), ("e", b"5")):
        (tmp_path / f"{name}.mp4").write_bytes(content)
    (tmp_path / "train.csv").write_text("a.mp4 0\nb.mp4 1\n")
    (tmp_path / "val.csv").write_text("c.mp4 1\nd.mp4 0\n")

    def verdicts(**lists: str) -> list[tuple[str, str]]:
        catalog = Catalog(str(tmp_path), lists={"train": None, "val": None, "test": None, **lists}, classes=None)
        return [(finding.verdict, finding.evidence) for finding in labels_and_splits(catalog)]

    [labels, splits] = verdicts()
    assert labels == ("look", "2 training videos of 2 classes, 1 ('0') to 1 ('1') each; 2 for validation")
    assert splits == ("stop", "1 of these are training videos, too, by their bytes (the first is 'd.mp4')")
    (tmp_path / "apart.csv").write_text("c.mp4 1\ne.mp4 0\n")
    assert [verdict for verdict, _ in verdicts(val="apart.csv", test="apart.csv")] == ["look", "fine"]
    assert verdicts(val="apart.csv", test="val.csv")[1][0] == "stop"
    (tmp_path / "gap.csv").write_text("a.mp4 0\nb.mp4 2\n")
    assert verdicts(train="gap.csv", val="apart.csv")[0][0] == "stop"


@pytest.mark.parametrize("by", ["names", "list"])
def test_cuts_of_a_source_on_both_sides_are_said(tmp_path, by):
    def file(source: int, cut: int) -> str:
        return f"s{source}_c{cut}.mp4" if by == "names" else f"{'abcd'[source]}{'abc'[cut]}.mp4"

    lists = {"train": [], "val": [], "test": []}
    for source, cut in [(source, cut) for source in range(4) for cut in range(3)]:
        (tmp_path / file(source, cut)).write_text(f"{source} {cut}")
        split = "val" if source == 3 else ("train", "train", "test")[cut]
        lists[split].append((file(source, cut), source % 2, source))
    for split, rows in lists.items():
        header, width = ("path,label,group\n", 3) if by == "list" else ("path,label\n", 2)
        lines = "".join(f"{','.join(map(str, row[:width]))}\n" for row in rows)
        (tmp_path / f"{split}.csv").write_text(header + lines)

    def splits(test: str | None, hold_out: float | None = None) -> Finding:
        lists = {"train": None, "val": None, "test": test}
        return list(labels_and_splits(Catalog(str(tmp_path), lists=lists, classes=None, hold_out=hold_out)))[1]

    found = splits("test.csv")
    assert (found.verdict, found.figures["seen_sources"]) == ("look" if by == "names" else "stop", {"test": 3})
    assert found.evidence.startswith("3 of 3 of test are cuts of sources that training has cuts of")
    assert repr(file(0, 2)) in found.evidence
    assert "videogn data split" in found.advice
    assert splits(None).verdict == "fine"
    assert splits(None, hold_out=0.3).verdict == "fine"


@pytest.mark.parametrize("split", ["seen_groups", "regrouped"])
def test_sources_and_labels_of_real_clips(shared_data, split):
    """What is said of them is so, by the table of groups that was made by eye."""
    root = shared_data / "actions"
    with (root / "groups.csv").open() as file:
        group_of = {row["path"]: row["group"] for row in csv.DictReader(file)}
    lists = {part: str(root / "splits" / split / f"{part}.csv") for part in ("train", "val")}
    catalog = Catalog(str(root), lists={**lists, "test": None}, classes=None)
    labels, splits = labels_and_splits(catalog)
    assert (labels.verdict, labels.figures["classes"]) == ("fine", 6)
    assert splits.verdict == ("look" if split == "seen_groups" else "fine")
    assert set(splits.figures["seen_sources"]) <= {"val"}  # which tests, too: said once
    train = {group_of[record.name] for record in catalog.present("train")}
    said = list(seen_sources(catalog, {part: catalog.present(part) for part in ("train", "val")}))
    assert all(group_of[seen.video.name] in train for seen in said)
    assert len(said) > 20 or split == "regrouped"


def test_what_fit_refuses_is_refused(tiny, tmp_path, capsys):
    assert main(["doctor", *tiny, "--model.norm", "xn"]) == 2
    assert "expected one of gn" in capsys.readouterr().err
    assert main(["doctor", *tiny[:4], "--minutes", "0"]) == 2
    assert main(["doctor", *tiny, "--json", str(tmp_path / "none" / "doctor.json")]) == 2


@pytest.mark.filterwarnings("ignore:.*videos looked at are shorter than a clip")
def test_real_dark_clips(shared_data, tmp_path, monkeypatch, pytestconfig):
    """GN from scratch can't learn them as the usual input shows them; standardised, it can."""
    if not pytestconfig.getoption("--full"):
        pytest.skip("minutes: with --full")
    monkeypatch.chdir(tmp_path)
    lists = shared_data / "actions" / "splits" / "seen_groups"
    words = ["--data.root", str(shared_data / "actions"), "--data.train_list", str(lists / "train.csv")]
    words += ["--data.val_list", str(lists / "val.csv"), "--minutes", "6", "--config", "own_videos.yaml"]
    found = doctor(*words, "--model.input", "rgb", "--model.weight_standardization", "false", folder=tmp_path)
    assert found["heart"]["verdict"] == "look"
    assert "--model.input standardized" in found["heart"]["advice"]
    found = doctor(*words, folder=tmp_path)
    assert (found["classes"]["verdict"], found["test"]["verdict"], found["heart"]["verdict"]) == (
        "fine",
        "look",
        "fine",
    )


def test_the_built_in_videos(tmp_path, monkeypatch, pytestconfig):
    """Made so that one frame says nothing, and their network learns them."""
    if not pytestconfig.getoption("--full"):
        pytest.skip("minutes: with --full")
    monkeypatch.chdir(tmp_path)
    found = doctor("--config", "motions.yaml", "--minutes", "6", folder=tmp_path)
    assert {name: found[name]["verdict"] for name in ("classes", "test", "heart", "order")} == {
        "classes": "fine", "test": "fine", "heart": "fine", "order": "fine",
    }  # fmt: skip
