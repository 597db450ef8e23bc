"""The file that --json names: one rule in every command."""

import os
import resource
from pathlib import Path

import pytest

from videogn.cli import main
from videogn.commands.usage import UsageError, check_json

# Each would do its work, or fail at it with another message: what it is to work on is there.
COMMANDS = {
    "bench": ["bench", "data", "{root}"],
    "data prepare": ["data", "prepare", "--root", "{root}", "--out", "out", "--num_workers", "0"],
    "models": ["models", "--norm", "gn", "--depth", "14"],
    "weights show": ["weights", "show", "a.pth"],
    "weights import": ["weights", "import", "a.pth", "--out", "a.safetensors"],
    "predict": ["predict", "--config", "i3d_gn.yaml", "--ckpt_path", "a.ckpt", "--videos", "{root}"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a folder and a file that are in the way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    (tmp_path / "taken").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_one_that_cannot_be_written_is_refused_before_work(folder, data_root, command, capsys):
    words = [word.format(root=data_root) for word in COMMANDS[command]]
    for path, reason in (
        ("none/x.json", "no such folder"),
        ("taken", "it is a folder; expected a file"),
        ("pipe", "it is no file; expected a file"),
    ):
        assert main([*words, "--json", path]) == 2
        printed = capsys.readouterr()
        assert printed.err == f"videogn {words[0]}: error: --json {path}: {reason}\n"
        assert printed.out == ""
    assert sorted(path.name for path in folder.iterdir()) == ["pipe", "taken"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files, even of root's")
def test_a_folder_that_takes_no_files_is_seen_before_work():
    with pytest.raises(UsageError, match=r"--json /proc/x\.json can't be written: "):
        check_json("/proc/x.json")


def test_one_that_can_be_written_is_left_as_it_is(folder):
    check_json(None)
    for path in ("new.json", str(folder / "old.json")):
        (folder / "old.json").write_text("old")
        check_json(path)
    assert (folder / "old.json").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["old.json", "pipe", "taken"]


def test_a_write_that_fails_after_the_work_is_a_failure(folder, capsys):
    (folder / "x.json").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))  # as on a disk that is nearly full
    try:
        status = main(["models", "--norm", "gn", "--depth", "14", "--width", "32", "--json", "x.json"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1
    printed = capsys.readouterr()
    assert "gn, depth 14" in printed.out
    assert printed.err == "videogn models: error: --json x.json can't be written: File too large\n"
    assert (folder / "x.json").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["pipe", "taken", "x.json"]
