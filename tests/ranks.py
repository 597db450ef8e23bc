"""Runs of several processes: started by Lightning, by torchrun, or as SLURM starts them; and what each video got."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from lightning import Callback

SECONDS = 240


class Scores(Callback):
    """Writes what each video got in a test, and which videos and figures a validation had, for each process.

    Args:
        file: Its name, before the process's number.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.validated: list[int] = []

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, *_) -> None:
        self.validated += batch["indices"].tolist()

    def _write(self, trainer, found: dict) -> None:
        found["metrics"] = {name: float(value) for name, value in trainer.callback_metrics.items()}
        Path(f"{self.file}.{trainer.global_rank}").write_text(json.dumps(found))

    def on_validation_end(self, trainer, pl_module) -> None:
        if not trainer.sanity_checking:
            self._write(trainer, {"validated": self.validated})

    def on_test_end(self, trainer, pl_module) -> None:
        scored = [[video.index, video.label, video.rank, video.loss] for video in pl_module.scored]
        self._write(trainer, {"scored": scored})


def start(*words: str, by: str, number: int, cwd: Path) -> list[subprocess.Popen]:
    """Starts a run on so many processes; each one that it starts here writes to log.N."""
    more = ["--trainer.accelerator", "cpu", "--trainer.devices", str(number), "--trainer.strategy", "ddp"]
    command = ["-m", "videogn", *words, *more]
    environments: list[dict[str, str]] = [{}]
    if by == "torchrun":
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(number), *command]
    if by == "slurm":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        job = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "fit", "SLURM_NTASKS": str(number), "SLURM_NNODES": "1"}
        job |= {"SLURM_NTASKS_PER_NODE": str(number), "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1"}
        job["MASTER_PORT"] = str(port)
        environments = [{**job, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(number)]
    runs = []
    for rank, environment in enumerate(environments):
        with (cwd / f"log.{rank}").open("w") as log:
            run = subprocess.Popen(
                [sys.executable, *command],
                cwd=cwd,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        runs.append(run)
    return runs


def wait(runs: list[subprocess.Popen], cwd: Path, *, seconds: float = SECONDS) -> tuple[list[int], str]:
    """Waits for the processes; returns their statuses and what they said."""
    deadline = time.monotonic() + seconds
    try:
        statuses = [run.wait(max(0.1, deadline - time.monotonic())) for run in runs]
    finally:
        for run in runs:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    return statuses, "".join((cwd / f"log.{rank}").read_text() for rank in range(len(runs)))


def said(cwd: Path, text: str, runs: list[subprocess.Popen]) -> None:
    """Waits until a run has said something."""
    deadline = time.monotonic() + SECONDS
    while text not in (log := (cwd / "log.0").read_text()):
        assert time.monotonic() < deadline, log
        assert all(run.poll() is None for run in runs), log
        time.sleep(0.1)
