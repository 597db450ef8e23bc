"""Which files are there: what a look at each would say, for far fewer looks."""

import os
import pickle
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.presence import FEW, are_files


def looked_at(paths: list[str], folder: Path) -> list[bool]:
    files = [Path(folder, path) for path in paths]
    return [os.path.isfile(file) or os.path.isdir(file) for file in files]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files, and what may stand in their place."""
    root = tmp_path_factory.mktemp("tree")
    touch(root, "x.mp4", "a/x.mp4", "a/y.mp4", "a/b/x.mp4", "a/b/...", "a/b/x.mp4. ", "a/b/\\x.mp4", "e/\u00e9.mp4")
    os.close(os.open(os.fsencode(root / "a") + b"/\xff.mp4", os.O_CREAT | os.O_WRONLY))
    (root / "a" / "folder.mp4").mkdir()
    for name, target in {
        "a/dead.mp4": "nowhere",
        "a/link.mp4": "y.mp4",
        "a/to_folder.mp4": "b",
        "a/round.mp4": "round.mp4",
        "other": "a",
        "gone": "nowhere",
    }.items():
        (root / name).symlink_to(target)
    return root


PARTS = ["a", "b", "e", "other", "gone", "x.mp4", "y.mp4", "link.mp4", "dead.mp4", "to_folder.mp4", "round.mp4"]
ODD = ["", ".", "..", "...", "folder.mp4", "X.MP4", "x.mp4.", "x.mp4. ", "\\x.mp4", "\0", "\xe9.mp4", "e\u0301.mp4"]
PATHS = st.lists(st.sampled_from([*PARTS, *ODD, "\udcff.mp4", "\ud800"]), min_size=1, max_size=4).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(PATHS, max_size=30), st.sampled_from([1, FEW]), st.booleans())
@example(
    ["a/x.mp4/", "/x.mp4", "a//x.mp4", "./a/x.mp4", "a/../x.mp4", "a/x.mp4/.", "other/x.mp4", "gone/x.mp4"], 8, True
)
@example(["a/x.mp4", "a/dead.mp4", "a/link.mp4", "a/to_folder.mp4", "a/folder.mp4", "a/round.mp4", "a/X.mp4"], 8, False)
def test_any_path_is_what_a_look_says(tree, paths, times, absolute):
    paths = [*paths, *(f"{tree}/{path}" for path in paths if absolute)] * times
    assert are_files(paths, folder=str(tree)).tolist() == looked_at(paths, tree)


def test_relative_folders_and_none(tree, monkeypatch):
    monkeypatch.chdir(tree)
    paths = ["x.mp4", "a/x.mp4", None] * FEW
    for folder in ("", ".", "a/.."):
        assert are_files(paths, folder=folder).tolist() == [True, True, False] * FEW


@contextmanager
def nobody():
    """Runs as a user to whom modes of files matter."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_closed_folders():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        paths = [f"{folder}/{place}.mp4" for folder in ("listed", "entered", "closed") for place in range(2 * FEW)]
        touch(root, *paths)
        paths += [f"{folder}/gone.mp4" for folder in ("listed", "entered", "closed")]
        for folder, mode in {"listed": 0o744, "entered": 0o711, "closed": 0o700}.items():
            (root / folder).chmod(mode)
        with nobody():
            told, expected = are_files(paths, folder=name).tolist(), looked_at(paths, root)
        assert told == expected
        if os.geteuid() == 0:
            assert expected == [place in range(2 * FEW, 4 * FEW) for place in range(len(paths))]


def test_a_file_system_that_takes_other_names_for_the_same_is_asked(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{place}.mp4" for place in range(FEW)), "Straße.mp4", "\xe9.mp4")
    asked = []

    def is_file(path: str | Path) -> bool:
        asked.append(Path(path).name)
        return True

    monkeypatch.setattr(os.path, "isfile", is_file)
    same = ["STRASSE.MP4", "e\u0301.mp4", "1.MP4", "2.mp4.", "3.mp4 "]
    paths = [*(f"{place}.mp4" for place in range(FEW)), *same, "gone.mp4"]
    assert are_files(paths, folder=str(tmp_path)).tolist() == [True] * (len(paths) - 1) + [False]
    assert asked == ["0.mp4", *same]


def write_lists(root: Path, count: int) -> dict[str, str]:
    """One list of each format, of `count` files in each of three folders and one that is missing."""
    files = [(label, f"{label}_id{place:05d}") for label in ("jump", "run", "swim") for place in range(count)]
    touch(root, *(f"{label}/{name}.mp4" for label, name in files))
    files.append(("swim", "gone"))
    (root / "lines.txt").write_text("".join(f"{label}/{name}.mp4 {label}\n" for label, name in files))
    (root / "classInd.txt").write_text("1 jump\n2 run\n3 swim\n")
    (root / "trainlist01.txt").write_text("".join(f"{label}/{name}.mp4 1\n" for label, name in files))
    rows = "".join(f"{label},{name},0,10,train\n" for label, name in files)
    (root / "kinetics.csv").write_text(f"label,youtube_id,time_start,time_end,split\n{rows}")
    for label in ("jump", "run", "swim"):
        lines = "".join(f"{name}.mp4 1\n" for of, name in files if of == label)
        (root / f"{label}_test_split1.txt").write_text(lines)
    touch(root, *(f"folders/{label}/{name}.mp4" for label, name in files[:-1]))
    (root / "folders" / "swim" / "gone.mp4").symlink_to("nowhere")
    return {
        "lines": "lines.txt",
        "kinetics": "kinetics.csv",
        "ucf101": "trainlist01.txt",
        "hmdb51": f"{root}/*_test_split1.txt",
        "folders": "folders",
    }


KINDS = ["lines", "kinetics", "ucf101", "hmdb51", "folders"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_catalog_goes_to_another_process_read_or_not(tmp_path, kind):
    listing = write_lists(tmp_path, 10)[kind]
    catalog = Catalog(str(tmp_path), lists={"train": listing, "val": None, "test": None}, classes=None)
    assert catalog.classes == ["jump", "run", "swim"]
    sent = pickle.loads(pickle.dumps(catalog))
    assert sent.records("train") == catalog.records("train")
    assert pickle.loads(pickle.dumps(catalog)).present("train") == sent.present("train")


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_list_takes_no_more_looks(tmp_path, kind, monkeypatch, capsys):
    looks = Counter()
    for name in ("stat", "lstat"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *given, name=name, real=real, **more: (looks.update([name]), real(*given, **more))[1]
        )
    needed = []
    for count in (10, 100):
        root = tmp_path / str(count)
        listing = write_lists(root, count)[kind]
        looks.clear()
        catalog = Catalog(str(root), lists={"train": listing, "val": None, "test": None}, classes=None)
        assert len(catalog.records("train")) == 3 * count + 1
        needed.append(looks.total())
        assert len(catalog.present("train")) == 3 * count
        assert [record.index for record in catalog.present("train")] == [
            record.index for record in catalog.records("train") if record.path and os.path.exists(record.path)
        ]
        assert f"1 of {3 * count + 1} videos are missing on disk" in capsys.readouterr().err
    assert needed[0] == needed[1], "looks grow with the list"
