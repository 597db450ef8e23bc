"""Files to write that would take the place of one another, or of a video; and output that nobody reads."""

import subprocess
import sys

import pytest

from videogn.cli import main
from videogn.commands.usage import UsageError, check_places


def test_files_are_told_apart_by_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"video")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    (tmp_path / "folder").mkdir()
    check_places([("--csv", "b.csv"), ("--json", "b.json"), ("--timeline", None)], read=["a.mp4", "link.mp4"])
    check_places([], read=["a.mp4"])
    for written, read, said in (
        ([("--csv", "b"), ("--json", tmp_path / "b")], [], f"--json {tmp_path / 'b'}: --csv writes that file, too"),
        ([("--csv", "folder/../a.mp4")], ["a.mp4"], "--csv would take the place of a video that is read, a.mp4"),
        ([("--csv", "a.mp4")], ["link.mp4"], "--csv would take the place of a video that is read, link.mp4"),
        ([("--json", "link.mp4")], [tmp_path / "a.mp4"], "--json would take the place of a video that is read"),
    ):
        with pytest.raises(UsageError, match="name another") as raised:
            check_places(written, read=read)
        assert said in str(raised.value)


def test_commands_refuse_it_before_they_read_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "run", "--out", "x.pt2", "--json", "x.pt2.md"]) == 2
    assert "--json x.pt2.md: --out writes that file, too" in capsys.readouterr().err


BROKEN = """
import os, sys
from videogn.commands.usage import until_nobody_reads
reads, writes = os.pipe()
os.close(reads)
with until_nobody_reads():
    if sys.argv[1] == "another":
        os.write(writes, b"x")
    for number in range(100_000):
        print(number)
sys.exit(9)
"""


@pytest.mark.parametrize(("which", "status"), [("output", 9), ("another", 1)])
def test_only_output_that_nobody_reads_ends_work_without_a_word(which, status):
    command = [sys.executable, "-c", BROKEN, which]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if which == "output":
            assert process.stdout.readline() == "0\n"
            process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) == status
    assert ("BrokenPipeError" in errors) == (which == "another")
