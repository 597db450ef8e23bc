"""Where a run lies: its folder, the settings that it was made with, its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch

from videogn.cli import UsageError


def with_run_config(words: list[str]) -> list[str]:
    """Names the run's folder, and puts its own config.yaml in where none is given."""
    if {"-h", "--help"} & set(words) or any(word.startswith("--help") for word in words):
        return words
    configs = values(words, "--config") + values(words, "-c")
    run_dirs = values(words, "--run_dir")
    if not run_dirs and not configs:
        raise UsageError("give --config FILE (e.g. motions.yaml) or --run_dir of a run")
    run_dir = run_dirs[-1] if run_dirs else str(Path("runs") / Path(configs[-1]).stem)
    own = Path(run_dir) / "config.yaml"
    if not configs and not own.is_file():
        raise UsageError(f"{run_dir} holds no run (no config.yaml): give --config FILE, or --run_dir of a run")
    start = words[:1] + ([] if configs else ["--config", str(own)])
    return [*start, *words[1:], "--run_dir", run_dir]


def find_checkpoint(given: str | None, *, run_dir: Path, default: str | None) -> str | None:
    """The path of a checkpoint: "best" and "last" of the run, or a file.

    Args:
        given: What the user named, if anything.
        run_dir: The run's folder.
        default: Which one where nothing was named.

    Raises:
        UsageError: It does not exist.
    """
    wanted = given or default
    if wanted is None:
        return None
    if wanted not in {"best", "last"}:
        if not Path(wanted).is_file():
            raise UsageError(f"--ckpt_path {wanted}: no such file")
        return wanted
    path = run_dir / "checkpoints" / f"{wanted}.ckpt"
    if not path.is_file():
        raise UsageError(f"{path}: no such checkpoint; train first (videogn fit), or name another by --ckpt_path")
    return str(path)


def check_resumable(path: str) -> None:
    """Raises UsageError for a checkpoint from within an epoch: its order of videos can't be taken up where it was."""
    try:
        loops = torch.load(path, weights_only=True, map_location="cpu", mmap=True)["loops"]["fit_loop"]
        counts = loops["epoch_progress"]["current"]
    except Exception as error:
        raise UsageError(f"--ckpt_path {path}: no checkpoint of a training run ({type(error).__name__})") from error
    if counts["processed"] != counts["ready"]:
        raise UsageError(f"--ckpt_path {path} was written before its epoch ended; a run goes on by --ckpt_path last")


def values(words: Sequence[str], flag: str) -> list[str]:
    """What is given behind a flag, in order: `--flag VALUE` and `--flag=VALUE`."""
    behind = [after for word, after in pairwise(words) if word == flag]
    return behind + [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
