"""Splitting: groups never lie on both sides, shares are met as far as they can be, and the lists read back."""

import csv
import json
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.cli import main
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.assign import assign
from videogn.data.lists.entries import ListError
from videogn.data.lists.groups import by_pattern, joined, look_like_cuts, same_bytes
from videogn.tools.split.lists import split

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)  # no two of the same bytes
    return root


def rows(file: Path) -> list[tuple[str, str]]:
    with file.open(newline="") as lines:
        return [(row["path"], row["label"]) for row in csv.DictReader(lines)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 20 videos, in groups of four."""
    return touch(
        tmp_path / "videos", *(f"{name}/v_g{n // 4:02d}_c{n % 4}.mp4" for name in ("jump", "run") for n in range(20))
    )


# Who goes where


@st.composite
def grouped(draw) -> dict[str, Counter[str]]:
    """Groups of videos of one class or of two."""
    classes = [str(number) for number in range(draw(st.integers(1, 4)))]
    groups = {}
    for number in range(draw(st.integers(3, 40))):
        chosen = draw(st.lists(st.sampled_from(classes), min_size=1, max_size=2))
        groups[f"g{number}"] = Counter({name: draw(st.integers(1, 9)) for name in chosen})
    return groups


def counted(groups: dict[str, Counter[str]], part_of: dict[str, str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, part in part_of.items():
        found[part].update(groups[name])
    return found


@given(grouped(), st.sampled_from([SHARES, {"train": 0.8, "val": 0.2}]), st.integers(0, 5))
def test_every_group_goes_to_one_part_and_classes_to_all_where_they_can(groups, shares, seed):
    part_of = assign(groups, shares, seed=seed)
    assert part_of.keys() == groups.keys()
    found = counted(groups, part_of)
    pure = all(len(group) == 1 for group in groups.values())
    for name in {name for group in groups.values() for name in group}:
        of_class = [group for group in groups.values() if name in group]
        there = [part for part in shares if found[part][name]]
        if pure:
            assert len(there) == min(len(of_class), len(shares))
            assert "train" in there
        elif len(of_class) == 1:
            assert len(there) == 1
    shuffled = dict(random.Random(seed).sample(sorted(groups.items()), len(groups)))
    assert assign(shuffled, shares, seed=seed) == part_of


@given(st.lists(st.integers(4, 60), min_size=1, max_size=8), st.integers(0, 5))
def test_shares_of_single_videos_are_met_to_a_video_or_two(sizes, seed):
    groups = {f"{name}/{n}": Counter({str(name): 1}) for name, size in enumerate(sizes) for n in range(size)}
    found = counted(groups, assign(groups, SHARES, seed=seed))
    for part, share in SHARES.items():
        for name, size in enumerate(sizes):
            assert abs(found[part][str(name)] - share * size) < 2
        assert abs(found[part].total() - share * sum(sizes)) <= 1 + 0.5 * len(sizes)


@given(st.lists(st.integers(1, 12), min_size=12, max_size=60), st.integers(0, 5))
def test_shares_of_groups_are_off_by_less_than_the_largest_group(sizes, seed):
    groups = {f"g{number}": Counter({"a": size}) for number, size in enumerate(sizes)}
    found = counted(groups, assign(groups, SHARES, seed=seed))
    for part, share in SHARES.items():
        assert abs(found[part]["a"] - share * sum(sizes)) <= max(sizes)


def test_the_same_seed_gives_the_same_split_on_any_machine():
    groups = {f"{name}/{n}.mp4": Counter({name: 1}) for name in "ab" for n in range(10)}
    part_of = assign(groups, SHARES, seed=0)
    assert sorted(name for name, part in part_of.items() if part == "test") == ["a/0.mp4", "b/0.mp4", "b/7.mp4"]
    assert assign(groups, SHARES, seed=1) != part_of


def test_shares_are_no_further_off_than_scikit_learns():
    model_selection = pytest.importorskip("sklearn.model_selection")
    rng = random.Random(0)
    groups = {f"g{n}": Counter({rng.choice("abc"): rng.randint(1, 9)}) for n in range(60)}
    videos = [(name, label) for name, group in groups.items() for label in group.elements()]
    labels, names = [label for _, label in videos], [name for name, _ in videos]
    theirs = model_selection.StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=0).split(names, labels, names)
    of_theirs = max(abs(len(val) / len(videos) - 0.2) for _, val in theirs)
    found = counted(groups, assign(groups, {"train": 0.8, "val": 0.2}, seed=0))
    assert abs(found["val"].total() / len(videos) - 0.2) <= of_theirs + 0.01


# Groups


def test_groups_by_a_pattern():
    names = ["jump/v_g01_c01.avi", "run/v_g01_c02.avi", "run/other.avi"]
    assert by_pattern(names, "_g([0-9]+)_") == ["01", "01", None]
    assert by_pattern(names, "^[a-z]+/v_g[0-9]+") == ["jump/v_g01", "run/v_g01", None]
    with pytest.raises(ValueError, match="no regular expression"):
        by_pattern(names, "(")


def test_names_of_cuts_are_recognised_and_others_are_not():
    def are_cuts(*names):
        return look_like_cuts([f"c/{name}.mp4" for name in names], ["c"] * len(names))

    assert are_cuts("v_g01_c01", "v_g01_c02", "v_g02_c01", "v_g02_c02")
    assert are_cuts("Jump_1_1", "Jump_1_2", "Jump_2_1", "Jump_2_2")
    assert not are_cuts("jump_1", "jump_2", "jump_3", "jump_4")  # numbered videos of a class
    assert not are_cuts("abc_000001_000011", "def_000002_000012", "ghi_000003_000013")
    assert not are_cuts("1", "2", "3")


def test_same_bytes_and_what_joins_groups(tmp_path):
    touch(tmp_path, "a", "b", "longer")
    (tmp_path / "c").write_text("a")
    assert same_bytes([str(tmp_path / name) for name in ("b", "a", "longer", "c", "none")]) == [[1, 3]]
    assert joined(["x", "y", "z", "y"], [[0, 1], [3, 2]]) == ["x"] * 4


# Folders and lists


def test_a_folder_becomes_lists_that_fit_reads(root, tmp_path):
    summary = split(root, groups="(.+)_c")
    lists = {part: rows(root / f"{part}.csv") for part in SHARES}
    assert sum(map(len, lists.values())) == summary.num_videos == 40
    assert summary.num_groups == 10
    groups = {part: {name.rpartition("_c")[0] for name, _ in own} for part, own in lists.items()}
    assert not groups["train"] & groups["val"]
    assert not (groups["train"] | groups["val"]) & groups["test"]
    assert all({label for _, label in own} == {"jump", "run"} for own in lists.values())
    assert (root / "classes.txt").read_text() == "jump\nrun\n"
    catalog = KineticsDataModule(str(root), test_list="test.csv").catalog
    assert [len(catalog.present(part)) for part in SHARES] == [len(own) for own in lists.values()]
    assert list(catalog.test_groups) == [name.rpartition("_c")[0] for name, _ in lists["test"]]
    before = (root / "train.csv").read_bytes()
    with pytest.raises(ListError, match=r"nothing is overwritten \(.*/train\.csv .*/val\.csv .*/test\.csv\)"):
        split(root)
    assert (root / "train.csv").read_bytes() == before


def test_lists_may_lie_elsewhere_and_be_of_two_parts(root, tmp_path):
    summary = split(root, out=tmp_path / "lists/0", shares=(0.75, 0.25, 0), groups="none")
    assert list(summary.parts) == ["train", "val"]
    assert summary.leads_out
    assert not (tmp_path / "lists/0/test.csv").exists()
    catalog = KineticsDataModule(str(tmp_path / "lists/0"), allow_outside=True).catalog
    assert [len(catalog.present(part)) for part in ("train", "val")] == [30, 10]
    assert sorted(path.name for path in root.iterdir()) == ["jump", "run"]


def test_a_list_is_split_by_a_table_of_groups(root, tmp_path):
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.mp4"))
    (tmp_path / "all.csv").write_text("".join(f"{name} {int('run' in name)}\n" for name in names))
    lines = "".join(f"{name},x,{Path(name).name[:5]}\n" for name in names[:-1])
    (tmp_path / "groups.csv").write_text(f"Path,class,Group\n{lines}")
    summary = split(tmp_path / "all.csv", root=root, out=tmp_path, groups=str(tmp_path / "groups.csv"))
    assert summary.num_groups == 6  # of both classes; and the video that the table does not name
    assert "1 video of no group" in summary.notes[0]
    assert {label for _, label in rows(tmp_path / "train.csv")} == {"0", "1"}
    assert not (tmp_path / "classes.txt").exists()  # they are numbers
    (tmp_path / "groups.csv").write_text("path,score\na.mp4,1\n")
    with pytest.raises(ListError, match="one of groups"):
        split(tmp_path / "all.csv", root=root, out=tmp_path / "new", groups=str(tmp_path / "groups.csv"))


def test_odd_names_read_back_and_what_cannot_is_refused(tmp_path):
    odd = ["a, b.mp4", 'quo"te.mp4', "späce \u2028.mp4", "#1.mp4"]
    root = touch(tmp_path / "v", *(f"{label}/{name}" for label in ("x, y", "z") for name in odd))
    split(root, shares=(0.5, 0.25, 0.25))
    catalog = KineticsDataModule(str(root), test_list="test.csv").catalog
    found = {record.name for part in SHARES for record in catalog.present(part)}
    assert found == {f"{label}/{name}" for label in ("x, y", "z") for name in odd}
    other = touch(tmp_path / "w", *(f"{label}/{n}.mp4" for label in "ab" for n in range(3)), "a/line\nbreak.mp4")
    with pytest.raises(ListError, match=r"line\\nbreak"):
        split(other, shares=(0.5, 0.25, 0.25))
    assert sorted(path.name for path in other.iterdir()) == ["a", "b"]


def test_too_few_groups_are_said(tmp_path):
    root = touch(tmp_path / "v", "a/1.mp4", *(f"b/{n}.mp4" for n in range(9)))
    notes = split(root).notes
    assert notes[:2] == ["val has no video of 1 class: a (1 group)", "test has no video of 1 class: a (1 group)"]
    assert notes[2].endswith("more videos of these classes, of other sources")
    few = touch(tmp_path / "w", "a/1.mp4", "b/1.mp4")
    with pytest.raises(ValueError, match="2 groups for 3 parts: val would get no video"):
        split(few)


def test_copies_stay_together_whatever_they_are_called(root):
    for n in range(4):
        (root / f"jump/v_g0{n}_c0.mp4").write_text("the same")
    summary = split(root, groups="none")
    assert "4 videos have the same bytes" in " ".join(summary.notes)
    parts = [part for part in SHARES for name, _ in rows(root / f"{part}.csv") if "jump" in name and name[-5] == "0"]
    assert len(set(parts[:4])) == 1 or Counter(parts).most_common(1)[0][1] >= 4


def test_a_list_that_is_split_already_is_refused(root, tmp_path):
    for splits in ("train val", "train test", "train train train train val"):
        parts = splits.split()
        lines = "".join(f"jump/v_g0{n}_c0.mp4,{n // 2 % 2},{parts[n % len(parts)]}\n" for n in range(5))
        (tmp_path / "all.csv").write_text(f"path,label,split\n{lines}")
        with pytest.raises(ListError, match="says itself which videos are for training"):
            split(tmp_path / "all.csv", root=root, out=tmp_path)


def test_the_command_says_what_it_did(root, tmp_path, capsys):
    assert main(["data", "split", str(root), "--json", str(tmp_path / "s.json")]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == (
        "40 videos, 10 groups by numbered names of cuts, as jump/v_g00_c0.mp4 of jump/v_g00 (--groups none: each video "
        "by itself), 2 classes; seed 0"
    )
    assert "train       24 videos  60.0%        6 groups" in said.out
    fit = f"videogn fit --config own_videos.yaml --data.root {root} --data.test_list test.csv"
    next_ones = [line.split()[1:3] for line in said.out.partition("next:\n")[2].splitlines()[:3]]
    assert next_ones == [["data", "check"], ["doctor", "--config"], ["fit", "--config"]]
    assert f"{fit} --data.exclude check/exclude.txt" in said.out
    assert json.loads((tmp_path / "s.json").read_text())["parts"]["val"]["num_videos"] == 8
    assert main(["data", "split", str(root)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    again = ["data", "split", str(root), "--groups", "none", "--out", str(tmp_path / "alone")]
    assert main(again) == 0  # beside the lists that are there
    said = capsys.readouterr().out
    assert said.startswith("40 videos, 2 classes; seed 0")
    assert "train       28 videos  70.0%" in said


def sources(folder: Path) -> dict[str, set[str]]:
    return {part: {name.rpartition("_c")[0] for name, _ in rows(folder / f"{part}.csv")} for part in SHARES}


def test_numbered_cuts_stay_together_without_a_word(root, tmp_path):
    assert "numbered names" in split(root, out=tmp_path / "by_names").grouped_by
    parts = sources(tmp_path / "by_names")
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 10
    assert split(root, out=tmp_path / "alone", groups="none").grouped_by == ""
    parts = sources(tmp_path / "alone")
    assert parts["train"] & parts["test"]


def test_a_lists_own_groups_stay_together(tmp_path):
    root = touch(tmp_path, *(f"{n}.mp4" for n in range(40)))
    lines = "".join(f"{n}.mp4,{n % 2},person {n % 8}\n" for n in range(40))
    (root / "all.csv").write_text(f"path,label,group\n{lines}")
    summary = split(root / "all.csv", root=root)
    assert summary.num_groups == 8
    assert summary.grouped_by == "the list's column of groups, as 0.mp4 of person 0"
    parts = [{int(Path(name).stem) % 8 for name, _ in rows(root / f"{part}.csv")} for part in SHARES]
    assert sum(map(len, parts)) == 8


def test_where_groups_leave_classes_out_the_way_on_is_said(tmp_path):
    """Two sources of each of three classes: no third part can have all of them."""
    root = touch(tmp_path / "v", *(f"{of}/s{n % 2}_{n}.mp4" for of in "abc" for n in range(12)))
    summary = split(root)
    assert summary.parts["test"].lacks
    assert "fewer parts (--shares 0.8 0.2 0); or --groups none, and then" in summary.notes[-2]
    assert not split(root, out=tmp_path / "two", shares=(0.8, 0.2, 0)).parts["val"].lacks
    assert not split(root, out=tmp_path / "alone", groups="none").parts["test"].lacks


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shares", "0.5", "0.2", "0.2"], "they add up to 1"),
        (["--shares", "1", "0", "0"], "only test may be 0"),
        (["--groups", "nothing"], "matches no name"),
        (["--groups", "("], "no regular expression"),
        (["--list_columns", "a"], "--list_columns"),
        (["--frame_folders", "x"], "--frame_folders"),
    ],
)
def test_refusals_are_one_line(root, capsys, more, message):
    assert main(["data", "split", str(root), *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(path.name for path in root.iterdir()) == ["jump", "run"]


def test_settings_of_lists_are_those_of_fit(tmp_path, capsys):
    for name in ("a", "b"):
        for number in range(6):
            touch(tmp_path / "frames", f"{name}/v{number}/0.jpg", f"{name}/v{number}/1.jpg")
    assert main(["data", "split", str(tmp_path / "frames")]) == 2
    assert "--data.frame_folders true" in capsys.readouterr().err
    assert main(["data", "split", str(tmp_path / "frames"), "--data.frame_folders", "true"]) == 0
    assert "12 videos, 2 classes" in capsys.readouterr().out
    assert len(KineticsDataModule(str(tmp_path / "frames")).catalog.present("train")) == 8
    lines = "".join(f"frames/{name}/v{number},{name}\n" for name in "ab" for number in range(6))
    (tmp_path / "all.csv").write_text(f"where,what\n{lines}")
    assert main(["data", "split", str(tmp_path / "all.csv"), "--list_columns", "[where,what]"]) == 0
    assert "12 videos, 2 classes" in capsys.readouterr().out


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["data", "split", "--help"])
    said = capsys.readouterr().out
    for words in ("videogn fit", "--groups '_g([0-9]+)_'", "No video is moved", "The same seed"):
        assert words in said


def test_fit_names_the_command(root):
    with pytest.raises(ListError, match="videogn data split DIR"):
        KineticsDataModule(str(root)).catalog.records("train")
