"""Where a run lies: its folder, the settings that it was made with, its checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only

from videogn.commands.usage import UsageError
from videogn.files import is_partial
from videogn.locks import OF_RUNS, Locked, holder, locked
from videogn.settings_file import read_settings
from videogn.training import checkpoint_file
from videogn.training.checkpoint import CHECKPOINT_KEY
from videogn.training.checkpoint_file import checkpoint_of, damage_in
from videogn.training.errors import CheckpointError


def with_run_config(words: list[str]) -> list[str]:
    """Return the words, with the run's own config.yaml put in where --run_dir names a run and no config is given.

    Raises:
        UsageError: Neither is given, or the folder holds no run.
    """
    if any(word in {"-h", "--help"} or word.startswith("--help=") for word in words):
        return words
    if values(words, "--config", "-c"):
        return words
    run_dirs = values(words, "--run_dir")
    if not run_dirs:
        raise UsageError("give --config FILE (e.g. motions.yaml) or --run_dir of a run")
    own = Path(run_dirs[-1]) / "config.yaml"
    if not own.is_file():
        raise UsageError(f"{run_dirs[-1]} holds no run (no config.yaml): give --config FILE, or --run_dir of a run")
    return [*words[:1], "--config", str(own), *words[1:]]


def default_run_dir(words: Sequence[str]) -> Path:
    """Return runs/NAME, by the last config of the command line."""
    return Path("runs") / Path(values(words, "--config", "-c")[-1]).stem


def find_checkpoint(given: str | None, *, run_dir: Path, default: str | None) -> str | None:
    """Return the path of a checkpoint: "best" and "last" of the run, or a file.

    Raises:
        UsageError: It does not exist.
    """
    wanted = given or default
    try:
        return wanted and checkpoint_of(run_dir, wanted)
    except CheckpointError as error:
        raise UsageError(f"--ckpt_path {error}") from error


def going_on(given: str | None, *, run_dir: Path, resume: str) -> str | None:
    """Return the checkpoint that a training goes on from, "last" where the run's is named so; None to begin.

    Args:
        resume: "auto": with the run that is there; "never": a run that is there is refused.

    Raises:
        UsageError: The run is not to be gone on with.
    """
    if given is None and checkpoints_in(run_dir):
        check_alone(run_dir)
        if resume == "never":
            raise UsageError(f"{run_dir} already holds a run: leave out --resume never, or give another --run_dir")
        found = to_go_on_from(run_dir)
        if found is None:
            _check_hardly_begun(run_dir)
            print(f"{run_dir}: stopped before its first epoch was over: it begins anew", flush=True)
        return found
    if given == "last":
        return to_go_on_from(run_dir) or "last"
    if given is not None and resume == "auto" and is_of_another(given, run_dir=run_dir):
        own = to_go_on_from(run_dir)
        if own is not None and steps_of(own) >= steps_of(given):
            print(f"{run_dir} holds a run, of {steps_of(own):,} updates: going on with that", flush=True)
            return own
    return given


def to_go_on_from(run_dir: Path) -> str | None:
    """Return a run's last checkpoint, or the one before it where that is damaged or gone; None where there is none."""
    last, previous = (run_dir / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    if previous.is_file() and (not last.is_file() or damage_in(last) is not None) and damage_in(previous) is None:
        return str(previous)
    return str(last) if last.is_file() else None


def steps_of(path: str) -> int:
    """Return how many optimiser steps a checkpoint holds."""
    return int(read_checkpoint(path)[CHECKPOINT_KEY]["training"]["steps"])


def checkpoints_in(run_dir: Path) -> list[Path]:
    """Return a run's checkpoints, without files that are being written, or whose writer was killed."""
    return [path for path in (run_dir / "checkpoints").glob("*.ckpt") if not is_partial(path.name)]


def _check_hardly_begun(run_dir: Path) -> None:
    """Refuse to begin anew over a run whose last checkpoint is gone, but where it was stopped in its first epoch.

    Raises:
        UsageError: There is more than that to lose.
    """
    for path in checkpoints_in(run_dir):
        training = read_checkpoint(str(path))[CHECKPOINT_KEY]["training"]
        if training["epochs"] > 1:
            raise UsageError(f"{run_dir} holds a run without last.ckpt: bring it back, or give another --run_dir")


def is_of_another(path: str | None, *, run_dir: Path) -> bool:
    """Return whether a checkpoint lies in another folder than a run's, which has checkpoints of its own."""
    is_file = path is not None and Path(path).is_file()
    return bool(is_file and checkpoints_in(run_dir) and run_dir.resolve() not in Path(str(path)).resolve().parents)


def check_own(path: str, *, run_dir: Path) -> None:
    """Refuse to go on from a checkpoint of another folder's run.

    Raises:
        UsageError: It is of another folder's run.
    """
    if is_of_another(path, run_dir=run_dir):
        raise UsageError(f"--ckpt_path {path} is of another run, and {run_dir} holds one: give another --run_dir")


def check_weights(given: str, theirs: Mapping[str, str] | None) -> None:
    """Refuse to go on with a run under weights to start from that it did not start from.

    Args:
        theirs: What the checkpoint says that the run started from; None: from scratch.

    Raises:
        UsageError: The run started from something else.
    """
    start = "from scratch"
    if theirs is not None:
        start = f"from {theirs['file']} (SHA-256 {theirs['sha256'][:16]})"
        path = Path(given)
        if path.name == theirs["file"] and (not path.is_file() or _sha256(path) == theirs["sha256"]):
            return
    raise UsageError(
        f"--model.weights {given} is not what the run started from ({start}): leave it out to go on with the run, or "
        f"give another --run_dir and no --ckpt_path to begin a new one"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@rank_zero_only  # it has the lock itself when other devices ask
def check_alone(run_dir: Path) -> None:
    """Refuse to go on with a run that another process trains.

    Raises:
        UsageError: One does.
    """
    if (who := holder(run_dir / OF_RUNS["fit"])) is not None:
        raise UsageError(_at_work(run_dir, who, command="fit"))


@contextmanager
def alone(run_dir: Path, name: str, *, command: str) -> Iterator[None]:
    """Keep another process of a command out of a run's folder, which is made, and can be written to, then.

    Raises:
        UsageError: Another one is at work there, or the folder can't be written to.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = ExitStack()
        lock.enter_context(locked(run_dir / name))
    except Locked as error:
        raise UsageError(_at_work(run_dir, str(error), command=command)) from error
    except OSError as error:
        raise UsageError(f"--run_dir {run_dir} can't be written to ({error.strerror}): give another") from error
    with lock:
        yield


def _at_work(run_dir: Path, who: str, *, command: str) -> str:
    return f"{run_dir}: another `videogn {command}` is at work there ({who}): wait for it, or give another --run_dir"


def weights_of(run_dir: Path) -> str | None:
    """Return the file that a run's config.yaml says that it started from."""
    path = run_dir / "config.yaml"
    try:
        model = read_settings(path.read_bytes()).get("model") if path.is_file() else None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    return model.get("weights") if isinstance(model, dict) else None


def read_checkpoint(path: str) -> dict[str, Any]:
    """Return a checkpoint's content, on the CPU; plain types alone are accepted.

    Raises:
        UsageError: It is no checkpoint of videogn's, or a damaged one: none is taken in its place.
    """
    try:
        return checkpoint_file.read_checkpoint(path)
    except CheckpointError as error:
        raise UsageError(f"--ckpt_path {error}") from error


def values(words: Sequence[str], *flags: str) -> list[str]:
    """Return what is given behind any of the flags, in order: `--flag VALUE` and `--flag=VALUE`."""
    found = []
    for word, after in pairwise([*words, ""]):
        flag, equals, value = word.partition("=")
        if flag in flags:
            found.append(value if equals else after)
    return found
