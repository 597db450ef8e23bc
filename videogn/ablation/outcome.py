"""What became of a cell: done with a result, failed with a reason, or not run; read from its folder alone."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from videogn.ablation.atomic import write_atomically
from videogn.ablation.cells import Cell, cell_folder, cells_of
from videogn.ablation.study import Study


class ResultError(ValueError):
    """A result.json that does not hold a result."""


@dataclass(frozen=True)
class Result:
    """What a result.json says, as far as the study uses it; None for what it does not say.

    Args:
        top1: Micro accuracy in percent.
        top5: Micro top-5 accuracy in percent.
        loss: Mean loss of the test.
        protocol: Test protocol.
        num_videos_expected: Videos in the list.
        num_videos_scored: Videos that the accuracy is over.
        dataset_fingerprint: What identifies the videos and labels.
        steps: Optimiser steps of the training.
        train_seconds: Seconds of the training.
        test_seconds: Seconds of the test.
        peak_memory_bytes: Largest memory of the run.
        setup: norm, norm_batch_size, device_batch_size, total_batch_size and seed, as the run says that it used them.
    """

    top1: float
    top5: float | None
    loss: float | None
    protocol: str | None
    num_videos_expected: int | None
    num_videos_scored: int | None
    dataset_fingerprint: str | None
    steps: int | None
    train_seconds: float | None
    test_seconds: float | None
    peak_memory_bytes: int | None
    setup: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why a cell has no result.

    Args:
        stage: The command that failed, "fit" or "test".
        exit_status: Its exit status; negative for a signal, 0 where it ended well and yet left no result.
        reason: One line.
        log_tail: The last lines of its log.
    """

    stage: str
    exit_status: int
    reason: str
    log_tail: list[str]


@dataclass(frozen=True)
class Outcome:
    """A cell and what became of it."""

    cell: Cell
    state: Literal["done", "failed", "missing"]
    result: Result | None = None
    failure: Failure | None = None


def read_outcomes(study: Study, out: Path) -> list[Outcome]:
    """Return what became of each cell of the study, in the order in which they run."""
    return [read_outcome(cell, folder=cell_folder(cell, out=out)) for cell in cells_of(study)]


def read_outcome(cell: Cell, *, folder: Path) -> Outcome:
    """Return what became of one cell. A failure that was recorded counts more than a result from before it."""
    failure = _read_failure(folder / "failure.json")
    if failure is not None:
        return Outcome(cell, "failed", failure=failure)
    path = folder / "result.json"
    if not path.exists():
        return Outcome(cell, "missing")
    try:
        return Outcome(cell, "done", result=read_result(path))
    except ResultError as error:
        return Outcome(cell, "failed", failure=Failure("test", 0, str(error), []))


def read_result(path: Path) -> Result:
    """Read a result.json, tolerant of fields that are absent or null.

    Raises:
        ResultError: It is not JSON, or holds no top-1 accuracy between 0 and 100.
    """
    try:
        fields = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ResultError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise ResultError(f"{path.name}: got {type(fields).__name__}, expected an object.")
    top1 = _number(fields, "top1")
    if top1 is None or not 0 <= top1 <= 100:
        raise ResultError(f"{path.name}: got top1 {fields.get('top1')!r}, expected a percentage.")
    return Result(
        top1=top1,
        top5=_number(fields, "top5"),
        loss=_number(fields, "loss"),
        protocol=_text(fields, "protocol"),
        num_videos_expected=_whole(fields, "num_videos_expected"),
        num_videos_scored=_whole(fields, "num_videos_scored"),
        dataset_fingerprint=_text(fields, "dataset_fingerprint"),
        steps=_whole(fields, "steps"),
        train_seconds=_number(fields, "train_seconds"),
        test_seconds=_number(fields, "test_seconds"),
        peak_memory_bytes=_whole(fields, "peak_memory_bytes"),
        setup={
            name: fields.get(name)
            for name in ("norm", "norm_batch_size", "device_batch_size", "total_batch_size", "seed")
        },
    )


def write_failure(failure: Failure, *, folder: Path) -> None:
    """Record in CELL/failure.json why a cell has no result."""
    write_atomically(folder / "failure.json", (json.dumps(asdict(failure), indent=2) + "\n").encode())


def _read_failure(path: Path) -> Failure | None:
    try:
        fields = json.loads(path.read_text())
        return Failure(**fields)
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        return Failure("fit", 0, f"{path.name} cannot be read: {error}", [])


def _number(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _whole(fields: dict[str, Any], name: str) -> int | None:
    value = _number(fields, name)
    return None if value is None else int(value)


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else str(value)
