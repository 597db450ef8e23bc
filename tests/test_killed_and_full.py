"""A run that is killed while it writes, or whose disk or memory is full, has lost an epoch at most, and says why."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import torch

from tests.interrupting import same_state
from tests.runs import TINY, videogn
from tests.small_disks import largest_file, with_a_small_disk
from videogn.cli import main
from videogn.files import is_partial
from videogn.training.checkpoint_file import damage_in

pytestmark = pytest.mark.slow

# The command, in a process that is killed while it reads the third checkpoint back: the first of the second epoch.
KILLED = """
import os, signal, sys
from videogn.cli import main
from videogn.training import checkpoint_file

calls, damage_in = [], checkpoint_file.damage_in

def count(path):
    calls.append(path)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return damage_in(path)

checkpoint_file.damage_in = count
raise SystemExit(main(sys.argv[1:]))
"""


def fit(run_dir: str, data_root: Path) -> list[str]:
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--run_dir", run_dir]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    return tmp_path


def test_a_run_that_is_killed_in_a_save_goes_on_as_if_it_had_not_been(folder, data_root):
    other_file_system = {"TMPDIR": "/dev/shm"} if os.path.isdir("/dev/shm") else {}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *fit("killed", data_root)],
        env={**os.environ, **other_file_system},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    names = os.listdir("killed/checkpoints")
    assert sum(map(is_partial, names)) == 1
    assert torch.load("killed/checkpoints/last.ckpt", weights_only=True)["global_step"] == 3

    text = videogn("fit", "--run_dir", "killed", "--ckpt_path", "last", cwd=folder)
    assert "the run was stopped while it wrote a checkpoint: that one is lost, and removed\n" in text
    assert "goes on after update 3" in text
    assert sorted(os.listdir("killed/checkpoints")) == ["best.ckpt", "last.ckpt", "last.json", "previous.ckpt"]
    text = videogn(*fit("whole", data_root), cwd=folder)
    assert "that one is lost" not in text
    for name in ("last", "best"):
        one, two = (torch.load(f"{run}/checkpoints/{name}.ckpt", weights_only=True) for run in ("killed", "whole"))
        torch.testing.assert_close(
            [one[key] for key in ("global_step", "state_dict", "optimizer_states", "lr_schedulers")],
            [two[key] for key in ("global_step", "state_dict", "optimizer_states", "lr_schedulers")],
            rtol=0,
            atol=0,
        )


def test_a_run_that_was_killed_in_its_first_save_can_be_begun_again(folder, data_root):
    Path("run/checkpoints").mkdir(parents=True)
    Path("run/checkpoints/.partial-0123456789abcdef.ckpt").write_bytes(bytes(1000))
    assert main([*fit("run", data_root), "--trainer.max_epochs", "1", "--data.num_workers", "0"]) == 0
    assert sorted(os.listdir("run/checkpoints")) == ["best.ckpt", "last.ckpt", "last.json"]


def test_a_full_disk_ends_the_run_with_a_line_and_its_last_checkpoint(folder, data_root):
    assert main([*fit("whole", data_root), "--trainer.max_epochs", "1", "--data.num_workers", "0"]) == 0
    room = int(2.5 * Path("whole/checkpoints/last.ckpt").stat().st_size)  # for the first epoch's
    script = '"$@"; echo status $? >&2; ls -A full/checkpoints >&2; cp full/checkpoints/last.ckpt kept.ckpt'
    Path("full/checkpoints").mkdir(parents=True)
    words = ["sh", "-c", script, "sh", sys.executable, "-m", "videogn", *fit("full", data_root)]
    run = with_a_small_disk(words, at=folder / "full" / "checkpoints", num_bytes=room)
    errors = run.stderr.splitlines()
    line = errors.index("status 1") - 1
    assert errors[line].startswith("videogn fit: error: full/checkpoints/")
    assert errors[line].endswith(
        "can't be written: No space left on device; the one before it is whole: the same command goes on from it"
    )
    assert errors[line + 2 :] == ["best.ckpt", "last.ckpt", "last.json", "previous.ckpt"]
    assert not any("Traceback" in text for text in errors)
    assert damage_in("kept.ckpt") is None
    assert torch.load("kept.ckpt", weights_only=True)["global_step"] == 3


def test_a_full_disk_is_said_with_the_file_that_it_had_no_room_for(folder, data_root, capsys):
    one = [*fit("run", data_root), "--trainer.max_epochs", "1", "--data.num_workers", "0"]
    for num_bytes, name in ((50, ".fit.lock"), (1500, "config.yaml")):
        with largest_file(num_bytes):
            assert main(one) == (2 if "lock" in name else 1)
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("videogn fit: error: ")
        assert "File too large" in error
        assert ("--run_dir run can't be written to" if "lock" in name else name) in error
    assert main(one) == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    capsys.readouterr()
    with largest_file(1000):
        assert main(["test", "--run_dir", "run"]) == 1
    streams = capsys.readouterr()
    assert re.search(r"^10x3 .*: top-1 \d", streams.out, re.MULTILINE)  # what was found is not lost
    *notes, last = streams.err.splitlines()
    assert last == "videogn test: error: [Errno 27] File too large: 'run/result.json'"
    assert all(line.startswith("note: ") for line in notes)
    assert {path: path.read_bytes() for path in before} == before


def test_a_torn_checkpoint_is_refused_and_none_is_taken_in_its_place(folder, data_root, capsys):
    assert main([*fit("run", data_root), "--trainer.max_epochs", "1", "--data.num_workers", "0"]) == 0
    last = Path("run/checkpoints/last.ckpt")
    whole = last.read_bytes()
    turned = bytearray(whole)
    turned[len(whole) // 2] ^= 1  # of a weight
    for torn in (bytes(turned), b"", whole[: len(whole) // 2], whole[:-100]):
        last.write_bytes(torn)
        for words in (["fit", "--ckpt_path", "last"], ["test"], ["validate"], ["predict", "--videos", str(data_root)]):
            assert main([*words, "--run_dir", "run"]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"videogn {words[0]}: error: --ckpt_path run/checkpoints/last.ckpt: not a checkpo")
            assert "bring back a whole copy; run/checkpoints/best.ckpt is whole: score it by --ckpt_path, or" in error
            assert error.count("\n") == 1
    assert not Path("run/result.json").exists()
    assert (
        main(["test", "--no_report", "--run_dir", "run", "--ckpt_path", "best"]) == 0
    )  # which asks the last one about validations
    assert json.loads(Path("run/result.json").read_text())["chosen"] is None
    Path("run/checkpoints/best.ckpt").write_bytes(whole[:1000])
    assert main(["test", "--run_dir", "run"]) == 2
    assert capsys.readouterr().err.endswith(": bring back a whole copy\n")
    last.write_bytes(whole)
    assert main(["test", "--no_report", "--run_dir", "run"]) == 0


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before_it(folder, data_root, capsys):
    words = [*fit("run", data_root), "--data.num_workers", "0"]
    assert main(words) == 0
    assert main([*fit("whole", data_root), "--data.num_workers", "0"]) == 0
    last = Path("run/checkpoints/last.ckpt")
    last.write_bytes(last.read_bytes()[:-100])
    assert main(["test", "--run_dir", "run"]) == 2  # another network would be scored
    assert "ckpt is whole: score it by --ckpt_path" in capsys.readouterr().err
    assert main(words) == 0
    said = capsys.readouterr().out
    assert (
        "run/checkpoints/last.ckpt is damaged: going on from run/checkpoints/previous.ckpt, the one before it" in said
    )
    assert "goes on after update 3" in said
    for name in ("last", "previous"):
        same_state(Path(f"run/checkpoints/{name}.ckpt"), Path(f"whole/checkpoints/{name}.ckpt"))


def test_a_shm_without_room_for_a_semaphore_is_said(folder, data_root):
    words = [sys.executable, "-m", "videogn", *fit("run", data_root)]
    script = 'head -c 64k /dev/zero > /dev/shm/other; exec "$@"'
    run = with_a_small_disk(["sh", "-c", script, "sh", *words], at=Path("/dev/shm"), num_bytes=64 * 1024)
    assert run.returncode == 1
    line = "videogn fit: error: [Errno 28] No space left on device: /dev/shm has 0 of 65,536 bytes free: remove what "
    line += "ended programs left there, or give the container more (docker run --shm-size=1g)"
    assert line in run.stderr.splitlines()  # behind it is what torch says of a loader that was never made


def test_a_shm_without_room_for_a_batch_is_said_where_there_is_no_other_memory(folder, data_root):
    code = "import os, sys\nfrom videogn.cli import main\ndel os.memfd_create\nraise SystemExit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, *fit("run", data_root)]
    run = with_a_small_disk(words, at=Path("/dev/shm"), num_bytes=96 * 1024)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert re.fullmatch(
        r"videogn fit: error: RuntimeError: unable to allocate shared memory\(shm\) for file </torch_\w+>: No space "
        r"left on device \(28\): /dev/shm has [\d,]+ of 98,304 bytes free: remove what .*",
        run.stderr.splitlines()[-1],
    )


def test_a_worker_without_memory_is_said_in_a_line(folder, data_root, monkeypatch, capsys):
    def refuse(*args: int) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert main(fit("run", data_root)) == 3
    error = capsys.readouterr().err
    assert re.fullmatch(
        r"videogn fit: error: MemoryError: no memory for a batch's part of \d+ bytes: Cannot allocate memory: each "
        r"worker takes memory: fewer --data.num_workers \(now 1\); or --data.batch_size 2 --total_batch_size 4 is .*"
        r"; or `videogn fits` with the same settings says which device batch fits\n",
        error,
    )


class NoMemory(lightning.Callback):
    """Does as a GPU without memory for a forward; a CPU says so in words of its own."""

    def on_train_batch_start(self, *_: object) -> None:
        if os.environ["NO_MEMORY"] == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        torch.empty(2**60)

    on_test_batch_start = on_train_batch_start


def test_memory_that_does_not_suffice_ends_in_flags_that_leave_the_experiment_as_it_is(
    folder, data_root, monkeypatch, capsys
):
    bn = ["--model.norm", "bn", "--model.channels_per_group", "null", "--total_batch_size", "8"]
    callback = ["--data.num_workers", "0", "--trainer.callbacks", "tests.test_killed_and_full.NoMemory"]
    norms = {
        "gn": ([], "--data.batch_size 2 --total_batch_size 4 is the same experiment"),
        "bn": ([*bn, "--model.norm_batch_size", "2"], "--data.batch_size 2 --model.norm_batch_size 2 is the same"),
    }
    for device in ("cuda", "cpu"):
        monkeypatch.setenv("NO_MEMORY", device)
        for norm, (more, says) in norms.items():
            assert main([*fit(norm, data_root), *more, *callback]) == 3
            error = capsys.readouterr().err.splitlines()[-1]
            assert says in error
            assert "; or --model.activation_checkpointing [stem,res2] computes more of the activations again" in error
            assert ("Tried to allocate 2.00 GiB: " if device == "cuda" else "allocate memory") in error
    flags = re.search(r"(--data.batch_size \d+ --model.norm_batch_size \d+) is", error)[1].split()
    words = [*fit("bn", data_root), *bn, *flags, "--data.num_workers", "0"]
    assert main([*words, "--trainer.max_epochs", "1"]) == 0
    assert re.search(
        r"batch +2 clips.*\n.*batch +2 clips\n.*batch +8 clips = 2 x 1 device x 4", capsys.readouterr().out
    )
    assert main(["test", "--run_dir", "bn", *callback[2:]]) == 3
    assert "fewer views at once, by --data.batch_size (now 2), score the same" in capsys.readouterr().err
