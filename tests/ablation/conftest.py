"""A small real command in videogn's place: it takes the words that a study gives it, and leaves what a run leaves."""

import json
import signal
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys, time
from pathlib import Path

home = Path(__file__).parent
behaviour = json.loads((home / "behaviour.json").read_text())
with (home / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")

words, given = sys.argv[2:], {}
while words:
    word = words.pop(0)
    name, equals, value = word.removeprefix("--").partition("=")
    given[name] = value if equals else words.pop(0)

stage, folder = sys.argv[1], Path(given["run_dir"])
if stage == "fit":
    if (folder / "config.yaml").exists():
        sys.exit("error: the folder holds a run")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(json.dumps(given))
else:
    given = {**json.loads((folder / "config.yaml").read_text()), **given}

norm, batch, seed = given["model.norm"], int(given["data.batch_size"]), int(given["seed_everything"])
batch = int(given.get("model.norm_batch_size", batch))
print(f"{stage} of {norm} begins")
print(f"on stderr: {stage}", file=sys.stderr)
what = behaviour.get(f"{stage} {folder.name}")
if what == "fail":
    print("epoch 1 \\repoch 2 ")
    sys.exit("\\x1b[31mRuntimeError: out of [bold]memory[/bold] | loss <nan>\\x1b[0m")
if what == "kill":
    os.kill(os.getpid(), 9)
if what == "hang":
    (home / "hanging").write_text(str(os.getpid()))
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        (home / "interrupted").write_text("")
        raise
if stage == "test" and what != "nothing":
    top1 = 90.0 - (20.0 / batch if norm == "bn" else 0) - seed
    result = {
        "norm": norm, "norm_batch_size": batch if norm == "bn" else None, "seed": seed,
        "device_batch_size": int(given["data.batch_size"]), "total_batch_size": int(given["total_batch_size"]),
        "protocol": given.get("data.protocol", "1x1"), "top1": top1, "top5": 99.0, "loss": 0.5,
        "num_videos_expected": 40, "num_videos_scored": 40, "dataset_fingerprint": "abc",
        "steps": 100, "train_seconds": 61.25, "test_seconds": None,
    }
    text = "{" if what == "garbage" else json.dumps({**result, **behaviour.get(f"result {folder.name}", {})})
    (folder / "result.json").write_text(text)
"""


class Command:
    """The stand-in for `python -m videogn`: what it is told to do, and with which words it was called."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.words = (sys.executable, str(home / "command.py"))
        (home / "command.py").write_text(SCRIPT)
        self.behave({})

    def behave(self, behaviour: dict) -> None:
        """Say what it does by "STAGE CELL" (fail, kill, hang, nothing, garbage), and fields by "result CELL"."""
        (self.home / "behaviour.json").write_text(json.dumps(behaviour))

    def calls(self) -> list[list[str]]:
        """Return the words of every call since the last time this was asked."""
        path = self.home / "calls.jsonl"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return calls


@pytest.fixture
def command(tmp_path: Path) -> Command:
    home = tmp_path / "command"
    home.mkdir()
    return Command(home)


@pytest.fixture(autouse=True)
def heed_interrupts():
    """SIGINT as in a terminal: what a shell starts in the background inherits that it is ignored."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
