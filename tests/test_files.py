"""A file is the old or the new one, whoever writes it or reads it, and whatever stops the writer."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.small_disks import largest_file
from tests.videos import write_video
from videogn.files import is_partial, replacing, walk, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as partial:
        with partial.open("w") as file:
            file.write("half")
            file.flush()
            assert target.read_text() == "old"
            file.write(" and half")
        assert target.read_text() == "old"
        assert names(tmp_path) == sorted(["a.txt", partial.name])
        assert is_partial(partial.name)
        assert not is_partial("a.txt")
    assert target.read_text() == "half and half"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_goes_wrong_leaves_the_old_file_and_nothing_beside_it(tmp_path, there, error):
    target = tmp_path / "a.txt"
    if there:
        target.write_text("old")

    def write() -> None:
        with replacing(target) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == ["a.txt"] * there
    assert not there or target.read_text() == "old"


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    write_json(tmp_path / "a.json", "old")
    with pytest.raises(OSError, match=r"too large: .*/a\.json'$"), largest_file(100):
        write_json(tmp_path / "a.json", "new" * 100)
    assert names(tmp_path) == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == "old"


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match=r"a\.json"):
        write_json(tmp_path / "a.json", "new")
    assert names(tmp_path) == ["a.json"]
    for missing in (tmp_path / "none" / "a.json", tmp_path / "b.txt" / "a.json"):
        (tmp_path / "b.txt").touch()
        with pytest.raises(OSError, match=r"No such file|Not a directory"):
            write_json(missing, "new")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_writer_that_is_killed_leaves_the_old_file_and_is_in_nobodys_way(tmp_path, how):
    target = tmp_path / "a.json"
    write_json(target, "old")
    code = (
        "import signal, sys, time\nfrom videogn.files import replacing\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started with\n"
        "with replacing(sys.argv[1]) as partial, partial.open('w') as file:\n"
        "    file.write('ha')\n    file.flush()\n    print(flush=True)\n    time.sleep(60)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with writer:
        assert writer.stdout.readline() == "\n"
        writer.send_signal(how)
    assert writer.returncode == -how
    left = [name for name in names(tmp_path) if name != "a.json"]
    assert len(left) == (how == signal.SIGKILL)
    assert all(map(is_partial, left))
    assert json.loads(target.read_text()) == "old"
    write_json(target, "new")
    assert json.loads(target.read_text()) == "new"
    assert names(tmp_path) == sorted([*left, "a.json"])


def test_writers_of_one_number_on_several_machines_never_share_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)
    with replacing(tmp_path / "a.txt") as one, replacing(tmp_path / "a.txt") as two:
        one.write_text("one")
        two.write_text("two")
    assert one != two
    assert (tmp_path / "a.txt").read_text() == "one"  # which ended last
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("is_there", [True, False])
def test_the_disk_has_the_file_before_its_name_and_then_the_name(tmp_path, monkeypatch, is_there):
    target = tmp_path / "a.txt"
    if is_there:
        target.write_text("old")
    seen = []
    fsync = os.fsync

    def record(handle: int) -> None:
        fsync(handle)
        seen.append((os.fstat(handle).st_ino, os.fstat(handle).st_size, target.exists() and target.read_text()))

    monkeypatch.setattr(os, "fsync", record)
    with replacing(target) as partial:
        partial.write_text("new one")
    assert seen[0] == (target.stat().st_ino, 7, is_there and "old")
    assert [(inode, content) for inode, _, content in seen[1:]] == [(tmp_path.stat().st_ino, "new one")]
    with pytest.raises(ValueError, match="half"), replacing(target) as partial:
        raise ValueError("half")
    assert len(seen) == 2


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_it_may_be_read_by_whom_a_new_file_may(tmp_path, umask):
    def in_place(partial: Path) -> None:
        partial.write_text("new")

    def anew(partial: Path) -> None:
        partial.unlink()
        partial.touch(mode=0o600)

    before = os.umask(umask)
    try:
        (tmp_path / "plain").touch()
        for write in (in_place, anew):
            with replacing(tmp_path / write.__name__) as partial:
                write(partial)
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == dict.fromkeys(["plain", "in_place", "anew"], 0o666 & ~umask)


def test_the_suffix_tells_the_format(tmp_path, monkeypatch):
    for name, kind in (("a.b.mkv", "matroska"), ("c.mp4", "mp4")):
        with replacing(tmp_path / name) as partial:
            write_video(partial, num_frames=4)
        with av.open(tmp_path / name) as container:
            assert kind in container.format.name
    monkeypatch.chdir(tmp_path)
    for name in ("no_suffix", ".hidden"):
        with replacing(name) as partial:
            assert partial.suffix == ""
            partial.touch()
    assert names(tmp_path) == [".hidden", "a.b.mkv", "c.mp4", "no_suffix"]


def test_json_is_written_for_people_and_for_other_programs(tmp_path):
    content = {"ü": [1, None, 0.5], "b": "→"}
    write_json(tmp_path / "a.json", content)
    assert (tmp_path / "a.json").read_bytes().decode() == (
        '{\n  "ü": [\n    1,\n    null,\n    0.5\n  ],\n  "b": "→"\n}\n'
    )
    write_json(str(tmp_path / "a.json"), content, ensure_ascii=True)
    assert b'"\\u00fc": [' in (tmp_path / "a.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_bytes()) == content
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_bytes()) == content


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_names_of_files_that_are_no_utf8_come_back_from_json(tmp_path, ensure_ascii):
    name = os.fsdecode(b"\xff\xfe/\xc3\xbc \xc3.mp4")
    write_json(tmp_path / "a.json", [name], ensure_ascii=ensure_ascii)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_a_walk_follows_links_to_folders_but_none_that_leads_back(tmp_path):
    for name in ("a/deep/1.txt", "a/2.txt", "b/3.txt", "elsewhere/4.txt", "a/.partial-0.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "up").symlink_to("..")  # above where the walk begins
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")  # each in the other
    (tmp_path / "a" / "gone").symlink_to("nowhere")
    (tmp_path / "a" / "loop").symlink_to("loop")
    (tmp_path / "a" / "root").symlink_to("/")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "elsewhere")
    names = [name for name, _ in walk(tmp_path / "a")]
    assert names == ["2.txt", "deep/1.txt", "gone", "loop", "to_b/3.txt", "to_b/other/4.txt"]
    assert [name for name, _ in walk(tmp_path / "b", prefix="x/")][:2] == ["x/3.txt", "x/other/4.txt"]
    with pytest.raises(OSError, match="nowhere"):
        list(walk(tmp_path / "nowhere"))
