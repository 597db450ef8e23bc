"""A checkpoint's file is the old or the new one, and whole: for a killed writer, a full disk, a bit that is turned."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch

from tests.small_disks import largest_file, with_a_small_disk
from videogn.files import is_partial
from videogn.training.checkpoint_file import WholeFiles, damage_in

KEPT = "; the one before it is whole: the same command goes on from it"


def checkpoint(step: int) -> dict[str, Any]:
    return {"global_step": step, "state_dict": {name: torch.full((5000,), float(step)) for name in "abc"}}


def save(step: int, path: Path) -> None:
    WholeFiles().save_checkpoint(checkpoint(step), path)


def step_of(path: Path) -> int:
    """The step of a checkpoint all of whose tensors are that step's."""
    assert damage_in(path) is None
    found = torch.load(path, weights_only=True)
    assert all((tensor == found["global_step"]).all() for tensor in found["state_dict"].values())
    return found["global_step"]


class Broken:
    """A file that takes so many bytes, and then does something else."""

    def __init__(self, file: Any, num_bytes: int, then: Callable[[], Any]) -> None:
        self._file, self._left, self._then = file, num_bytes, then

    def write(self, data: Any) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            self._file.flush()
            self._then()
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _save_and_be_killed(path: Path, at: str) -> None:
    """Saves step 2, and is killed at a point of it."""
    patch = pytest.MonkeyPatch()
    torch_save, fsync, testzip, replace = torch.save, os.fsync, ZipFile.testzip, os.replace
    if at.startswith("byte"):
        num_bytes = int(at.split()[1])
        patch.setattr(torch, "save", lambda content, file: torch_save(content, Broken(file, num_bytes, _kill)))
    elif at == "before it is on the disk":
        patch.setattr(os, "fsync", lambda handle: _kill())
    elif at == "before it is read back":
        patch.setattr(ZipFile, "testzip", lambda file: _kill())
    elif at == "after it was read back":
        patch.setattr(ZipFile, "testzip", lambda file: (testzip(file), _kill()))
    elif at == "before its name":
        patch.setattr(os, "replace", lambda *paths: _kill())
    elif at == "after its name":
        patch.setattr(os, "replace", lambda *paths: (replace(*paths), _kill()))
    elif at == "before its name is on the disk":
        is_folder = lambda handle: os.path.samestat(os.fstat(handle), path.parent.stat())  # noqa: E731
        patch.setattr(os, "fsync", lambda handle: _kill() if is_folder(handle) else fsync(handle))
    save(2, path)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        *((f"byte {num_bytes}", 1) for num_bytes in (0, 1000, 30_000, 60_000)),
        ("before it is on the disk", 1),
        ("before it is read back", 1),
        ("after it was read back", 1),
        ("before its name", 1),
        ("after its name", 2),
        ("before its name is on the disk", 2),
    ],
)
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path, at, found):
    path = tmp_path / "checkpoints" / "last.ckpt"
    save(1, path)
    assert path.stat().st_size > 60_000
    process = multiprocessing.get_context("forkserver").Process(target=_save_and_be_killed, args=(path, at))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert step_of(path) == found
    others = [each.name for each in path.parent.iterdir() if each != path]
    assert all(map(is_partial, others))
    assert len(others) == (found == 1)
    save(3, path)
    assert step_of(path) == 3


def test_it_is_read_back_from_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    done = []
    for owner, name in ((os, "fsync"), (os, "posix_fadvise"), (ZipFile, "testzip"), (os, "replace")):
        call = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, call=call, name=name: (call(*args), done.append(name))[0])
    save(1, tmp_path / "last.ckpt")
    # The second and the last are of what writes all files: there is nothing left to bring to the disk but the name.
    assert done == ["fsync", "posix_fadvise", "testzip", "fsync", "replace", "fsync"]


def test_no_folder_for_temporary_files_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    save(1, tmp_path / "last.ckpt")
    assert step_of(tmp_path / "last.ckpt") == 1
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_a_file_that_is_too_large_leaves_the_one_before(tmp_path):
    path = tmp_path / "last.ckpt"
    with pytest.raises(OSError, match=r"last\.ckpt can't be written: File too large$"), largest_file(30_000):
        save(1, path)
    assert os.listdir(tmp_path) == []
    save(1, path)
    with pytest.raises(OSError, match=r"last\.ckpt can't be written: File too large" + KEPT), largest_file(30_000):
        save(2, path)
    assert os.listdir(tmp_path) == ["last.ckpt"]
    assert step_of(path) == 1


def test_a_full_disk_leaves_the_one_before_and_no_other_file(tmp_path):
    code = (
        "import os, sys, torch\nfrom videogn.training.checkpoint_file import WholeFiles\n"
        "for floats in (10_000, 20_000, 40_000):\n"
        "    try:\n"
        "        WholeFiles().save_checkpoint({'a': torch.ones(floats)}, sys.argv[1] + '/last.ckpt')\n"
        "    except OSError as error:\n        print(error)\n"
        "print(os.listdir(sys.argv[1]), len(torch.load(sys.argv[1] + '/last.ckpt', weights_only=True)['a']))\n"
    )
    run = with_a_small_disk([sys.executable, "-c", code, tmp_path], at=tmp_path, num_bytes=160 * 1024)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        f"{tmp_path}/last.ckpt can't be written: No space left on device{KEPT}",
        "['last.ckpt'] 20000",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_interrupts_a_save_is_heard(tmp_path, monkeypatch, error):
    def interrupt() -> None:
        raise error

    save(1, tmp_path / "last.ckpt")
    torch_save = torch.save
    monkeypatch.setattr(torch, "save", lambda content, file: torch_save(content, Broken(file, 30_000, interrupt)))
    with pytest.raises(error):
        save(2, tmp_path / "last.ckpt")
    assert os.listdir(tmp_path) == ["last.ckpt"]
    assert step_of(tmp_path / "last.ckpt") == 1


@pytest.mark.parametrize("fault", ["a bit", "its end"])
def test_what_the_disk_did_not_keep_takes_no_name(tmp_path, monkeypatch, fault):
    def save_with_a_fault(content: Any, file: Any) -> None:
        torch_save(content, file)
        if fault == "its end":
            file.truncate(40_000)
        else:
            file.seek(40_000)
            file.write(b"\x01")

    save(1, tmp_path / "last.ckpt")
    torch_save = torch.save
    monkeypatch.setattr(torch, "save", save_with_a_fault)
    with pytest.raises(OSError, match="can't be written: what was read back is not what was written"):
        save(2, tmp_path / "last.ckpt")
    assert os.listdir(tmp_path) == ["last.ckpt"]
    assert step_of(tmp_path / "last.ckpt") == 1


def test_no_damage_changes_a_number_unseen(tmp_path):
    """Each byte of the file in turn: the check, or torch, refuses it, or it was of no account."""
    path = tmp_path / "a.ckpt"
    content = {"a": torch.arange(40, dtype=torch.float32), "b": [1, "c", None], "d": torch.arange(5)}
    torch.save(content, path)
    assert damage_in(path) is None
    whole = path.read_bytes()
    seen = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        if damage_in(path) is not None:
            seen += 1
            continue
        try:
            found = torch.load(path, weights_only=True)
        except Exception:
            continue
        assert torch.equal(found["a"], content["a"])
        assert (found["b"], found["d"].tolist()) == (content["b"], content["d"].tolist())
    assert seen > 160 + 40  # all bytes of the tensors, and more
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert damage_in(path) is not None


def test_a_store_that_is_no_folder_is_written_to_as_before():
    WholeFiles().save_checkpoint(checkpoint(4), "memory://run/last.ckpt")
    found = WholeFiles().load_checkpoint("memory://run/last.ckpt", weights_only=True)
    assert found["global_step"] == 4
