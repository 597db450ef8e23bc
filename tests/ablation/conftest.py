"""A small real command in videogn's place: it takes the words that a study gives it, and leaves what a run leaves."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cells_of
from videogn.ablation.outcome import read_outcomes
from videogn.ablation.running.child import Place
from videogn.ablation.running.launcher import run_study
from videogn.ablation.running.local_executor import LocalExecutor
from videogn.ablation.study import Study

BASE = b"model: {norm: gn}\ndata: {batch_size: 4}\ntotal_batch_size: 8\n"

# Two epochs of two updates each; where an earlier part ended, it goes on.
SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path

home = Path(__file__).parent
behaviour = json.loads((home / "behaviour.json").read_text())
call = {
    "words": sys.argv[1:], "cores": sorted(os.sched_getaffinity(0)), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "folder": os.getcwd(), "begin": time.time(),
}

words, given = sys.argv[2:], {}
while words:
    word = words.pop(0)
    name, equals, value = word.removeprefix("--").partition("=")
    given[name] = value if equals else words.pop(0) if words and not words[0].startswith("--") else True

stage, folder = sys.argv[1], Path(given["run_dir"])
what = behaviour.get(f"{stage} {folder.name}")
checkpoint = folder / "checkpoints" / "last.ckpt"
call["goes_on"] = checkpoint.exists()
signal.signal(signal.SIGTERM, signal.default_int_handler)


def log_call():
    with (home / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({**call, "end": time.time()}) + "\\n")


def fail(status, message):
    log_call()
    print(f"videogn {stage}: error: {message}", file=sys.stderr)
    sys.exit(status)


def misbehave():
    if what == "crash":
        log_call()
        print("epoch 1 \\repoch 2 ")
        sys.exit("\\x1b[31mRuntimeError: [bold]odd[/bold] | <thing>\\x1b[0m")
    if what == "refuse":
        fail(2, "no such setting")
    if what == "memory":
        fail(3, "CUDA out of memory")
    if what == "nan":
        fail(4, "the loss is nan")
    if what == "kill":
        log_call()
        os.kill(os.getpid(), 9)
    if what == "hang":
        log_call()
        (home / f"hanging.{folder.name}").write_text(str(os.getpid()))
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            (home / f"interrupted.{folder.name}").write_text("")
            raise
    if isinstance(what, float):
        time.sleep(what)


if stage == "fit":
    epoch = 0
    if checkpoint.exists():
        if what == "unreadable":
            fail(2, f"--ckpt_path {checkpoint}: not a checkpoint (OSError)")
        epoch = int(checkpoint.read_text()) + 1
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(json.dumps(given))
else:
    given = {**json.loads((folder / "config.yaml").read_text()), **given}

norm, batch, seed = given["model.norm"], int(given["data.batch_size"]), int(given["seed_everything"])
batch = int(given.get("model.norm_batch_size", batch))
print(f"{stage} of {norm} begins")
print(f"on stderr: {stage}", file=sys.stderr)
if stage == "fit":
    if epoch == 0:
        (folder / "metrics.csv").write_text("epoch,step,train/loss_epoch,train/loss_step,train/top1_epoch,val/top1\\n")
    while epoch < 2:
        if epoch:
            misbehave()
        with (folder / "metrics.csv").open("a") as metrics:
            metrics.write(f"{epoch},{2 * epoch},,{1.5 - epoch},,\\n{epoch},{2 * epoch + 1},,{1.25 - epoch},,\\n")
            metrics.write(f"{epoch},{2 * epoch + 1},,,,0.5\\n{epoch},{2 * epoch + 1},1.125,,0.25,\\n")
        checkpoint.write_text(str(epoch))
        checkpoint.with_suffix(".json").write_text(json.dumps({"steps": 2 * epoch + 2}))
        epoch += 1
else:
    misbehave()
if stage == "test" and what != "nothing":
    top1 = 90.0 - (20.0 / batch if norm == "bn" else 0) - seed
    result = {
        "norm": norm, "norm_batch_size": batch if norm == "bn" else None, "seed": seed,
        "device_batch_size": int(given["data.batch_size"]), "total_batch_size": int(given["total_batch_size"]),
        "protocol": given.get("data.protocol", "1x1"), "top1": top1, "top5": 99.0, "loss": 0.5,
        "num_videos_expected": 40, "num_videos_scored": 40, "dataset_fingerprint": "abc",
        "steps": 4, "train_seconds": 61.25, "test_seconds": 1.5,
    }
    text = "{" if what == "garbage" else json.dumps({**result, **behaviour.get(f"result {folder.name}", {})})
    (folder / "result.json").write_text(text)
log_call()
"""


class Command:
    """The stand-in for `python -m videogn`: what it is told to do, and how it was called."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.words = (sys.executable, str(home / "command.py"))
        (home / "command.py").write_text(SCRIPT)
        self.behave({})

    def behave(self, behaviour: dict) -> None:
        """Say what it does by "STAGE CELL", and fields by "result CELL".

        crash, refuse (exit status 2), memory (3), nan (4), kill, hang, a float (seconds that it takes): in a fit, all
        these after the first epoch. "unreadable": in a fit that goes on. nothing, garbage: in a test.
        """
        (self.home / "behaviour.json").write_text(json.dumps(behaviour))

    def calls(self) -> list[dict]:
        """Return every call since the last time this was asked: words, cores, gpus, folder, begin, end."""
        path = self.home / "calls.jsonl"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return calls

    def stages(self) -> list[tuple[str, str]]:
        """Return stage and cell of every call since the last time."""
        return [stage_of(call) for call in self.calls()]


def stage_of(call: dict) -> tuple[str, str]:
    """Return the stage and the cell of a call; "fit on" where it goes on from a checkpoint."""
    words = call["words"]
    stage = "fit on" if words[0] == "fit" and call["goes_on"] else words[0]
    return stage, Path(words[words.index("--run_dir") + 1]).name


def cells(study: Study, *, base: bytes = BASE) -> list[Cell]:
    """Return a study's cells."""
    return cells_of(study, base_settings(base, name="b.yaml"))


def run(study: Study, out: Path, *, command: Command, base: bytes = BASE, places: Sequence[Place] = (Place(),), **more):
    """Run a study with the stand-in; return the number of failed cells."""
    return run_study(
        study, cells(study, base=base), base=base, out=out, prepare=lambda to_run: (LocalExecutor(list(places)), {}),
        command=command.words, **more,
    )  # fmt: skip


def states(study: Study, out: Path) -> dict[str, str]:
    """Return each cell's state by its name."""
    return {outcome.cell.name: outcome.state for outcome in read_outcomes(cells(study), out=out)}


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def command(tmp_path: Path) -> Command:
    home = tmp_path / "command"
    home.mkdir()
    return Command(home)


def wait_for(path: Path) -> int:
    """Wait for a child that hangs, and return its id."""
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, "the child never came there"
        time.sleep(0.05)
    return int(path.read_text())
