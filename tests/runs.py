"""The command as a process of its own, and the settings of a run of seconds."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch.multiprocessing

from videogn.cli import main

TINY = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, base_lr: 0.4}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 4,
       num_workers: 1, protocol: 10x3}
trainer: {max_epochs: 2, log_every_n_steps: 1}
"""
SECONDS = 600


def videogn(*words: str, cwd: Path, status: int = 0, interpreter: bool = False) -> str:
    """Runs the command in a process of its own; its output, both streams together.

    The process is forked from one that has imported what the trainer needs (see conftest.py), which saves seconds.
    `interpreter`: starts Python anew, for what reads the environment as it is imported.
    """
    with tempfile.NamedTemporaryFile("r") as output:
        if interpreter:
            with open(output.name, "w") as streams:
                found = subprocess.run(
                    [sys.executable, "-m", "videogn", *words], cwd=cwd, stdout=streams, stderr=streams, timeout=SECONDS
                ).returncode
        else:
            process = multiprocessing.get_context("forkserver").Process(
                target=_command, args=(words, cwd, output.name, dict(os.environ))
            )
            process.start()
            process.join(SECONDS)
            process.kill()
            process.join()
            found = process.exitcode
        text = output.read()
    assert found == status, text
    return text


def on_two_devices(work: Callable[..., None], *args: object) -> None:
    """Does `work(rank, *args)` in two processes, forked likewise."""
    torch.multiprocessing.start_processes(work, args=args, nprocs=2, start_method="forkserver")


def _command(words: tuple[str, ...], cwd: Path, output: str, environment: dict[str, str]) -> None:
    multiprocessing.set_start_method(None, force=True)  # as in a process that a shell starts
    streams = os.open(output, os.O_WRONLY)
    os.dup2(streams, 1)
    os.dup2(streams, 2)
    os.environ.update(environment)
    if "PYTHONIOENCODING" in environment:  # what Python does as it starts
        encoding, errors = environment["PYTHONIOENCODING"].split(":")
        sys.stdout.reconfigure(encoding=encoding, errors=errors)
        sys.stderr.reconfigure(encoding=encoding, errors="backslashreplace")
    # By these, the processes of other devices are started.
    sys.argv[1:], sys.modules["__main__"].__spec__ = words, find_spec("videogn.__main__")
    os.chdir(cwd)
    raise SystemExit(main(words))
