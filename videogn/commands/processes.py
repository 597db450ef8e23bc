"""The processes of a run, its devices' and its loaders': where one is lost the run ends, and says which and how."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from subprocess import Popen
from typing import Any

import lightning.pytorch.strategies.launchers.subprocess_script as launching
from lightning import Trainer
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from videogn.commands.beats import MEMORY, Beats, meeting
from videogn.commands.usage import ExchangeFailed, RunError, UsageError
from videogn.data.loader import MOST_DEATHS, WorkersDied

# How long a process whose run has lost another one may take to end by itself.
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.5
# What a process that Lightning started leaves with where an exchange failed: it is not the one that caused it.
_IS_EFFECT = 76
_EXCHANGE = re.compile("gloo|NCCL|c10d|[Cc]onnection (reset|closed|refused)|Broken pipe")


def check_number(trainer: Trainer) -> None:
    """Refuse to work as one process where torchrun or srun has started several: each would do all of it.

    Raises:
        UsageError: It is so.
    """
    for by, variable in {"torchrun": "WORLD_SIZE", "srun": "SLURM_STEP_NUM_TASKS"}.items():
        if by == "torchrun" and not TorchElasticEnvironment.detect():
            continue
        started = int(os.environ.get(variable, 1))
        if trainer.world_size == 1 < started:
            raise UsageError(
                f"{by} has started {started} processes, and the run is of one: say how many there are on each machine, "
                f"by --trainer.devices, and on how many machines, by --trainer.num_nodes"
            )


def watched(trainer: Trainer, *, command: str) -> AbstractContextManager[Beats | None]:
    """Have this process end where the run loses another one that it can't do without, even within an exchange.

    The first process watches those that it starts, instead of Lightning, which kills it without a word; they watch it.
    Where something else started them, or others on other machines, each gives signs of life.

    Returns:
        What the work is to be done in.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if trainer.world_size == 1 or environment is None:
        return nullcontext()
    if isinstance(environment, LightningEnvironment):
        _watch_family(environment, command)
        if trainer.num_nodes == 1:
            return nullcontext()
    meet = meeting(environment.main_address, environment.main_port)
    return Beats(meet, rank=trainer.global_rank, size=trainer.world_size, command=command)


def _watch_family(environment: LightningEnvironment, command: str) -> None:
    def observe(children: list[Popen[Any]]) -> None:
        threading.Thread(target=_watch_children, args=(children, command), daemon=True).start()

    launching._launch_process_observer = observe  # type: ignore[assignment]
    if environment.local_rank() > 0:
        threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()


def lost(error: Exception, *, trainer: Trainer, beats: Beats | None = None) -> RunError | None:
    """Return what an error of torch's means, where it is that a process was lost; None for any other."""
    if isinstance(error, WorkersDied):
        more = f" ({MEMORY})" if any(status == -signal.SIGKILL for _, status, _ in error.workers) else ""
        return RunError(
            f"{error}{more}, the last of more than {MOST_DEATHS} that no video caused: where it was memory, fewer "
            f"--data.num_workers need less"
        )
    if trainer.world_size == 1 or not _EXCHANGE.search(str(error)):
        return None
    children = getattr(trainer.strategy.launcher, "procs", [])
    deadline = time.monotonic() + _GRACE_SECONDS
    while children and time.monotonic() < deadline:
        if (ended := _ended(children)) is not None and ended[2] != _IS_EFFECT:
            return _error(*ended)
        time.sleep(_POLL_SECONDS / 5)
    if (ended := _ended(children)) is not None:
        return _error(*ended)
    if beats is not None and (loss := beats.loss()) is not None:
        return loss
    reason = _EXCHANGE.search(str(error).partition("] ")[2] or str(error))
    failed = ExchangeFailed(
        f"the exchange with another process of this run failed ({reason[0] if reason else error}): it ended, and what "
        f"it said, or what killed it, is the cause"
    )
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(environment, LightningEnvironment) and environment.local_rank():
        failed.status = _IS_EFFECT
    return failed


def _ended(children: Sequence[Popen[Any]]) -> tuple[int, int, int] | None:
    """Return rank, process and status of the first child that ended otherwise than well, by a cause if one did."""
    ended = [(rank, child.pid, status) for rank, child in enumerate(children, start=1) if (status := child.poll())]
    return min(ended, key=lambda each: each[2] == _IS_EFFECT, default=None)


def _error(rank: int, process: int, status: int) -> RunError:
    if status < 0:
        how = f"ended by signal {-status} ({signal.strsignal(-status)})"
        how += f", {MEMORY}" if status == -signal.SIGKILL else ""
    else:
        how = f"ended with status {status}: what it said is the cause"
    error = RunError(f"the process of device {rank} ({process}) {how}")
    error.status = RunError.status if status == _IS_EFFECT else max(status, 1)
    return error


def _watch_children(children: list[Popen[Any]], command: str) -> None:
    while any(child.poll() is None for child in children) or _ended(children):
        time.sleep(_POLL_SECONDS)
        if (ended := _ended(children)) is None:
            continue
        time.sleep(2 * _GRACE_SECONDS)  # where an exchange fails by it, the run ends in its own way
        error = _error(*ended)
        print(f"videogn {command}: error: {error}", file=sys.stderr, flush=True)
        for child in children:
            child.kill()
        os._exit(error.status)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    time.sleep(2 * _GRACE_SECONDS)
    os._exit(1)
