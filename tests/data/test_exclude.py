"""What a run goes without: names as lists have them, counted, and the classes as they were."""

import json
from pathlib import Path

import pytest

from tests.runs import TINY, videogn
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.entries import ListError


def names(data: KineticsDataModule, split: str = "train") -> list[str]:
    return [record.name for record in data.catalog.present(split)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/1.mp4", "a/2.mp4", "b/é.mp4", "c/4.mp4", "val/a/1.mp4", "val/b/2.mp4", "val/b/3.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "train.csv").write_text("a/1.mp4 a\na/2.mp4 a\nb/é.mp4 b\nc/4.mp4 c\n", encoding="utf-8")
    return tmp_path


def test_videos_are_left_out_and_the_classes_stay(root, capsys):
    (root / "out.txt").write_text(f"# why\n./a/2.mp4\n{root}/c/4.mp4\nval/b/3.mp4\nb/e\u0301.mp4\n", encoding="utf-8")
    data = KineticsDataModule(str(root), exclude="out.txt")
    assert names(data) == ["a/1.mp4"]
    assert names(data, "val") == ["a/1.mp4", "b/2.mp4"]  # relative to the folder val
    assert data.classes == ["a", "b", "c"]
    assert data.catalog.num_excluded == {"train": 3, "val": 1}
    assert "train.csv: 3 of 4 videos are left out" in capsys.readouterr().err
    assert [record.index for record in data.catalog.records("val")] == [0, 1]
    whole = KineticsDataModule(str(root)).catalog
    assert whole.fingerprint("train") != data.catalog.fingerprint("train")
    assert data.catalog.settings()["exclude"] == str(root / "out.txt")
    assert whole.settings()["exclude"] is None


def test_names_that_are_no_paths_are_those_of_the_list(root, tmp_path):
    (root / "train.csv").write_text("label,youtube_id,time_start,time_end,split\na,1,0,10,train\nb,2,0,10,train\n")
    (root / "out.txt").write_text("2_000000_000010\n")
    (root / "classes.txt").write_text("a\nb\n")
    data = KineticsDataModule(str(root), exclude="out.txt")
    assert [record.name for record in data.catalog.records("train")] == ["1_000000_000010"]
    (root / "train.csv").write_text("a/1 a\nb/é b\n", encoding="utf-8")
    for name in ("b/é", "b/é.mp4"):
        (root / "out.txt").write_text(f"{name}\n", encoding="utf-8")
        assert names(KineticsDataModule(str(root), exclude="out.txt")) == ["a/1"]


def test_a_name_that_no_list_has_is_said(root):
    (root / "out.txt").write_text("a/1.mp4\nval/b/2.mp4\nb/2.mp4\nnothing.mp4\n")
    with pytest.warns(UserWarning, match=r"out\.txt: 2 of its names are in no list \(the first is 'b/2\.mp4'\)"):
        names(KineticsDataModule(str(root), exclude="out.txt"))


def test_what_can_not_be_is_refused(root):
    with pytest.raises(ListError, match=r"none\.txt: no such file of videos to leave out"):
        names(KineticsDataModule(str(root), exclude="none.txt"))
    (root / "out.txt").write_text("val/a/1.mp4\nval/b/2.mp4\nval/b/3.mp4\n")
    with pytest.raises(ListError, match=r"out\.txt names all 3 videos"):
        names(KineticsDataModule(str(root), exclude="out.txt"), "val")


@pytest.mark.slow
def test_runs_say_and_record_it(data_root, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "out.txt").write_text("train/00.mp4\nval/01.mp4\nval/02.mp4\n")
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--data.exclude", "out.txt"]
    plan = videogn("plan", *words, cwd=tmp_path)
    assert "11 videos (1 more left out by data.exclude)" in plan
    videogn("fit", *words, "--run_dir", "run", cwd=tmp_path)
    said = videogn("test", "--no_report", "--run_dir", "run", cwd=tmp_path)
    assert "3 of 3 videos scored; 2 more left out by data.exclude" in said
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["num_videos_expected"], result["num_videos_excluded"]) == (3, 2)
    everything = ["--data.exclude", "null"]
    assert "5 of 5 videos scored" in videogn("test", "--no_report", "--run_dir", "run", *everything, cwd=tmp_path)
