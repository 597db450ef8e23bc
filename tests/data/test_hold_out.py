"""Holding out: the same videos each time, of each class alike, groups whole, and no other list is read."""

from collections import Counter
from pathlib import Path

import pytest

from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.entries import ListError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names(data: KineticsDataModule, split: str) -> list[str]:
    return [record.name for record in data.catalog.records(split)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One training list, of two classes: 40 videos of jump and 20 of run, in no groups; no list to validate on."""
    files = [f"jump/{n:02d}.mp4" for n in range(40)] + [f"run/{n:02d}.mp4" for n in range(20)]
    touch(tmp_path, *files)
    (tmp_path / "train.csv").write_text("".join(f"{name} {name.split('/')[0]}\n" for name in files))
    return tmp_path


def test_a_share_of_each_class_validates_and_tests_and_the_rest_trains(root):
    data = KineticsDataModule(str(root), hold_out=0.2)
    held = names(data, "val")
    assert Counter(name.split("/")[0] for name in held) == {"jump": 8, "run": 4}
    assert names(data, "test") == held
    whole = names(KineticsDataModule(str(root)), "train")
    assert names(data, "train") == [name for name in whole if name not in held]
    assert data.catalog.fingerprint("test") == data.catalog.fingerprint("val") != data.catalog.fingerprint("train")
    assert data.test_extras == {"data.hold_out": 0.2}
    assert data.doubts() == []


def test_the_same_are_held_out_whatever_the_seed_and_the_order_of_the_list(root):
    held = set(names(KineticsDataModule(str(root), hold_out=0.2, seed=1), "val"))
    lines = (root / "train.csv").read_text().splitlines(keepends=True)
    (root / "train.csv").write_text("".join(reversed(lines)))
    assert set(names(KineticsDataModule(str(root), hold_out=0.2, seed=2), "val")) == held


def test_videos_keep_the_places_that_their_clips_are_drawn_by(root):
    places = {record.name: record.index for record in KineticsDataModule(str(root)).catalog.records("train")}
    data = KineticsDataModule(str(root), hold_out=0.2)
    for split in ("train", "val"):
        assert all(places[record.name] == record.index for record in data.catalog.records(split))


def test_other_lists_are_not_read(root):
    (root / "test.csv").write_text("no such line\n")
    data = KineticsDataModule(str(root), hold_out=0.2, val_list="none.csv", test_list="test.csv")
    assert len(names(data, "test")) == 12
    data.catalog.check_test_list()
    assert data.catalog.settings()["val_list"].endswith("none.csv")


def test_numbered_cuts_of_one_source_stay_together(tmp_path):
    files = [f"{name}/v_{name}_g{n // 4:02d}_c{n % 4:02d}.mp4" for name in ("jump", "run") for n in range(40)]
    touch(tmp_path, *files)
    (tmp_path / "train.csv").write_text("".join(f"{name} {name.split('/')[0]}\n" for name in files))
    data = KineticsDataModule(str(tmp_path), hold_out=0.2)
    held, rest = ({name[:-8] for name in names(data, split)} for split in ("val", "train"))
    assert len(held) == 4
    assert not held & rest


@pytest.mark.parametrize("suffix", ["", ".mp4"])
def test_a_lists_own_groups_stay_together(tmp_path, suffix):
    """By the column, where names would say something else, and also where the list leaves suffixes out."""
    rows = [(f"{n:02d}", ("jump", "run")[n % 2], f"person {n % 10}") for n in range(40)]
    touch(tmp_path, *(f"{name}.mp4" for name, _, _ in rows))
    lines = ["# a comment", "path,label,group", *(f"{name}{suffix},{label},{person}" for name, label, person in rows)]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    data = KineticsDataModule(str(tmp_path), hold_out=0.2)
    person = {name: of for name, _, of in rows}
    held, rest = ({person[Path(name).stem] for name in names(data, split)} for split in ("val", "train"))
    assert len(held) == 2
    assert not held & rest


def test_groups_are_read_beside_columns_that_the_user_names(tmp_path):
    rows = [(f"{n:02d}.mp4", ("jump", "run")[n % 2], f"person {n % 10}") for n in range(40)]
    touch(tmp_path, *(name for name, _, _ in rows))
    lines = ["where,what,group", *(",".join(row) for row in rows)]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    data = KineticsDataModule(str(tmp_path), hold_out=0.2, list_columns=("where", "what"))
    person = {name: of for name, _, of in rows}
    assert not {person[name] for name in names(data, "val")} & {person[name] for name in names(data, "train")}


def test_a_part_without_videos_is_refused(tmp_path):
    touch(tmp_path, *(f"{n}.mp4" for n in range(6)))
    (tmp_path / "train.csv").write_text("path,label,group\n" + "".join(f"{n}.mp4,{n % 2},one\n" for n in range(6)))
    with pytest.raises(ListError, match=r"hold_out is 0\.2, and of 6 videos in 1 groups.*none would be held out"):
        names(KineticsDataModule(str(tmp_path), hold_out=0.2), "val")


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(ValueError, match=r"hold_out is .*; expected a share"):
        KineticsDataModule("data", hold_out=share)


def test_a_test_list_that_is_not_there_is_refused_before_the_training(root):
    data = KineticsDataModule(str(root), test_list="test.csv")
    with pytest.raises(ListError, match=r"data\.test_list test\.csv: there is no such list.*name another, or give nul"):
        data.catalog.check_test_list()
    (root / "motions.json").touch()
    with pytest.raises(ListError, match="remove the folder, it is then made again with test videos"):
        data.catalog.check_test_list()
    (root / "test.csv").touch()
    data.catalog.check_test_list()
