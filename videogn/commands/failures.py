"""What became of a run that failed, as its user is told: the cause, and what can be done about it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch._dynamo.exc import TorchDynamoException

from videogn.commands import processes
from videogn.commands.beats import Beats
from videogn.commands.usage import NotFinite, OutOfMemory, RunAgain, RunError, UsageError, in_a_line
from videogn.training.errors import CheckpointError, NonFiniteLoss
from videogn.training.less_memory import recomputing, smaller_forwards

if TYPE_CHECKING:
    from videogn.commands.trainer import VideoCLI

# torch has no exception of its own for the machine's memory.
_ALLOCATION_FAILED = ("can't allocate memory", "not enough memory", "Cannot allocate memory")

SHARED_MEMORY = Path("/dev/shm")


def as_told(error: BaseException, *, run: VideoCLI, beats: Beats | None = None) -> RunError | UsageError | None:
    """Return the error of a run that its user is told; None for one that is ours to mend, or no error.

    Args:
        beats: What is heard of its other processes, where there are some.
    """
    if isinstance(error, CheckpointError):
        return UsageError(str(error))
    if isinstance(error, NonFiniteLoss):
        return NotFinite(str(error))
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return _out_of_memory(error, run)
    if isinstance(error, ConnectionError) and (lost := processes.lost(error, trainer=run.trainer, beats=beats)):
        return lost
    if isinstance(error, ValueError | OSError | MisconfigurationException):
        return RunError(f"{error}{_shared_memory_hint(error)}")
    if isinstance(error, TorchDynamoException):
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        return RunError(f"torch.compile failed: {reason} (without --model.compile the run needs no compiler)")
    if not isinstance(error, RuntimeError):
        return None
    if run.stop.asked:  # others of the job were, too, and what was lost may be one of them
        return RunAgain(f"told to end, and then: {_without_traceback(error)}")
    if lacks_memory(error):
        return _out_of_memory(error, run)
    if (lost := processes.lost(error, trainer=run.trainer, beats=beats)) is not None:
        return lost
    hint = _shared_memory_hint(error)
    return RunError(f"{_without_traceback(error)}{hint}") if hint else None


def refuse_odd_checkpoints(trainer: Trainer, path: str | None) -> None:
    """Have Lightning say in a line what it can't restore: it reads many parts, and looks at few before."""

    def refusing(restore: Callable[..., None]) -> Callable[..., None]:
        def run(*given: Any, **named: Any) -> None:
            try:
                restore(*given, **named)
            except torch.OutOfMemoryError:
                raise
            except (LookupError, TypeError, AttributeError, RuntimeError) as error:
                reason = in_a_line(error)
                raise CheckpointError(f"--ckpt_path {path} does not hold what videogn writes ({reason})") from error

        return run

    connector = trainer._checkpoint_connector
    for name in ("resume_start", "restore_model", "restore_callbacks", "restore_training_state"):
        setattr(connector, name, refusing(getattr(connector, name)))


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error is that a device, or the machine, has too little memory."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in _ALLOCATION_FAILED
    )


def _out_of_memory(error: BaseException, run: VideoCLI) -> OutOfMemory:
    """Return the error with what can be done about it, first what changes no number."""
    settings, model, ways = run.config[run.subcommand], run.model, []
    if not isinstance(error, torch.OutOfMemoryError) and run.datamodule.num_workers:
        ways.append(f"each worker takes memory: fewer --data.num_workers (now {run.datamodule.num_workers})")
    if run.subcommand == "fit":
        ways.append(
            smaller_forwards(
                model.batch_sizes,
                norm=model.architecture["norm"],
                total_is_given=settings.total_batch_size is not None,
                least=2 if model.mixing is not None else 1,
            )
        )
        budget = settings.model.activation_memory_budget if settings.model.compile else None
        if budget is not None or model.architecture["network"] == "i3d":
            again = recomputing(model.activation_checkpointing, activation_memory_budget=budget)
            ways += [again] if again else []
        ways.append("`videogn fits` with the same settings says which device batch fits")
    elif model.device_batch_size > 1 and not run.estimates:
        ways.append(f"fewer views at once, by --data.batch_size (now {model.device_batch_size}), score the same")
    reason = _without_traceback(error) or "out of memory"
    return OutOfMemory(": ".join([reason.rstrip(". "), "; or ".join(ways)]).rstrip(": "))


def _without_traceback(error: BaseException) -> str:
    """Return what an error says: of one that comes with the traceback of a loader's worker, the last line."""
    text = str(error).rstrip()
    return text.splitlines()[-1] if text.startswith("Caught ") else text


def _shared_memory_hint(error: BaseException) -> str:
    """Return what to do about an error that comes of a small or full /dev/shm, else nothing.

    Batches need none of it, but the semaphores of workers do, and several GPUs do (NCCL).
    """
    if not SHARED_MEMORY.is_dir():
        return ""
    room = shutil.disk_usage(SHARED_MEMORY)
    no_semaphore = isinstance(error, OSError) and error.errno == errno.ENOSPC and room.free == 0
    if not no_semaphore and "shared memory" not in str(error):
        return ""
    return (
        f": {SHARED_MEMORY} has {room.free:,} of {room.total:,} bytes free: remove what ended programs left there, or "
        f"give the container more (docker run --shm-size=1g)"
    )
