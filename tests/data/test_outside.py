"""Paths of lists that lead out of the data root are refused by file and line, unless they are allowed."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.videos import write_video
from videogn.cli import main
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.entries import ListError
from videogn.data.lists.formats import read_list


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root beside which a file lies, and which holds links to that and to a folder beside it."""
    top = tmp_path_factory.mktemp("top")
    (top / "root/a/b").mkdir(parents=True)
    (top / "disk/c").mkdir(parents=True)
    for path in ("root/x.mp4", "root/a/x.mp4", "disk/c/x.mp4", "disk/x.mp4", "secret.mp4", "root2.mp4"):
        (top / path).touch()
    (top / "root/to_disk").symlink_to(top / "disk/c")
    (top / "root/to_file.mp4").symlink_to(top / "secret.mp4")
    (top / "alias").symlink_to(top / "root")
    return top / "root"


FORMATS = {
    "l.txt": "{} 1\n",
    "l.csv": "path,label\n{},run\n",
    "l.jsonl": '{{"path": "{}", "label": "run"}}\n',
    "trainlist01.txt": "{} 1\n",
    "metadata.csv": "file_name,label\n{},run\n",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("path", ["../secret.mp4", "a/../../secret.mp4", "{top}/secret.mp4", "to_disk/../x.mp4"])
def test_paths_that_lead_out_are_refused_by_file_and_line(root, tmp_path, name, path):
    path = path.replace("{top}", str(root.parent))
    text = FORMATS[name].format("a/x.mp4") + FORMATS[name].format(path).splitlines()[-1] + "\n"
    (tmp_path / name).write_text(text)
    (tmp_path / "classInd.txt").write_text("1 a\n")
    # A folder with metadata has paths that are relative to it: to the data root, here.
    given, reads = (root, root) if name == "metadata.csv" else (tmp_path / name, root)
    if name == "metadata.csv":
        (root / name).write_text(text)
    try:
        number = len(text.splitlines())
        with pytest.raises(ListError, match=rf"{name}:{number}: .* lies outside of the data root .*--data.allow_out"):
            read_list(given, root=reads, split="train")
        assert read_list(given, root=reads, split="train", allow_outside=True)[1].name == path
    finally:
        (root / "metadata.csv").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "path", ["a/../x.mp4", "{root}/x.mp4", "{alias}/x.mp4", "./a/x.mp4", "to_disk/x.mp4", "to_file.mp4", "a..b/x.mp4"]
)
def test_paths_below_the_root_and_links_in_it_are_taken(root, tmp_path, path):
    path = path.format(root=root, alias=root.parent / "alias")
    (tmp_path / "l.txt").write_text(f"{path} 1\n")
    for top in (root, root.parent / "alias"):  # the data root itself may be a link
        (entry,) = read_list(tmp_path / "l.txt", root=top, split="train")
        assert entry.name == path


PARTS = st.sampled_from(["a", "b", "..", ".", "", "to_disk", "x.mp4", "to_file.mp4", "{top}", "..\\..", "\0"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(parts=st.lists(PARTS, min_size=1, max_size=6), start=st.sampled_from(["", "/", "{top}/", "{top}/root/"]))
def test_what_is_taken_lies_below_the_root_or_a_link_in_it(root, tmp_path, parts, start):
    path = (start + "/".join(parts)).replace("{top}", str(root.parent))
    (tmp_path / "l.csv").write_text(f'path,label\n"{path}",1\n')
    try:
        (entry,) = read_list(tmp_path / "l.csv", root=root, split="train")
    except ListError:
        return
    real = os.path.realpath(str(entry.path).replace("\0", ""))
    there = [os.path.realpath(root), *(os.path.realpath(root / link) for link in ("to_disk", "to_file.mp4"))]
    assert any(real == place or real.startswith(place + os.sep) for place in there), path


def test_a_folder_of_class_folders_may_lie_elsewhere(root, tmp_path):
    """It was named by the user, and so was a list."""
    for label in ("run", "jump"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "x.mp4").touch()
    assert len(read_list(tmp_path / "train", root=root, split="train")) == 2


def test_commands_refuse_and_allow(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        write_video(tmp_path / f"videos/{number}.mp4", num_frames=8, seed=number)
    lines = [f"../videos/{number}.mp4 {number % 2}\n" for number in range(8)]
    Path("root").mkdir()
    Path("root/train.csv").write_text("".join(lines))
    Path("root/all.csv").write_text("".join(lines))
    says = f"root/train.csv:1: '../videos/0.mp4' lies outside of the data root {Path('root')}"
    with pytest.raises(ListError, match=says):
        KineticsDataModule("root").catalog.present("train")
    assert len(KineticsDataModule("root", allow_outside=True).catalog.present("train")) == 8

    assert main(["data", "check", "root", "--num_workers", "0"]) == 1
    assert says in capsys.readouterr().out
    assert main(["data", "check", "root", "--num_workers", "0", "--data.allow_outside", "true"]) != 2
    assert "8 train videos in 8 files" in capsys.readouterr().out

    words = ["data", "split", "root/all.csv", "--out", "lists", "--shares", "0.5", "0.5", "0"]
    assert main(words) == 2
    assert "root/all.csv:1: '../videos/0.mp4' lies outside" in capsys.readouterr().err
    assert main([*words, "--allow_outside", "true"]) == 0
    said = capsys.readouterr().out
    assert "videogn fit --config own_videos.yaml --data.root lists --data.allow_outside true --data.exclude" in said
    assert len(KineticsDataModule("lists", allow_outside=True).catalog.present("train")) == 4
