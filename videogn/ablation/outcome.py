"""What became of a cell: done with a result, failed with a reason, or not run; read from its folder alone."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from videogn.ablation.cells import Cell, cell_folder
from videogn.files import write_json


class ResultError(ValueError):
    """A result.json that does not hold a result."""


@dataclass(frozen=True)
class Result:
    """What a result.json says, as far as the study uses it; None for what it does not say.

    Args:
        top1: Micro accuracy in percent.
        top5: Micro top-5 accuracy in percent.
        loss: Mean loss of the test.
        protocol: Test protocol, such as "10x3 (nonlocal)".
        num_videos_expected: Videos in the list.
        num_videos_scored: Videos that the accuracy is over.
        dataset_fingerprint: What identifies the videos and labels of the test.
        train_fingerprint: What identifies those of the training.
        checkpoint: File that was tested.
        chosen_among: How many validations on the tested videos themselves it is the best of; None where they did not
            choose it.
        steps: Optimiser steps of the training.
        epochs: Epochs that the training began.
        train_seconds: Seconds of the training.
        test_seconds: Seconds of the test.
        peak_memory_bytes: Largest memory of the training.
        code: The versions of videogn that trained and tested, such as ("0.1.0+4f1d2c8a9b3e", ...).
        versions: Of Python and libraries.
        weights: File that the training started from; None from scratch.
        weights_sha256: Of that file.
        device: What the training ran on, such as "NVIDIA H100 80GB HBM3".
        num_devices: How many of them.
        setup: norm, norm_batch_size, device_batch_size, total_batch_size and seed, as the run says that it used them.
    """

    top1: float
    top5: float | None
    loss: float | None
    protocol: str | None
    num_videos_expected: int | None
    num_videos_scored: int | None
    dataset_fingerprint: str | None
    train_fingerprint: str | None
    checkpoint: str | None
    chosen_among: int | None
    steps: int | None
    epochs: int | None
    train_seconds: float | None
    test_seconds: float | None
    peak_memory_bytes: int | None
    code: tuple[str, str] | None
    versions: dict[str, str]
    weights: str | None
    weights_sha256: str | None
    device: str | None
    num_devices: int | None
    setup: dict[str, Any]


FailureKind = Literal["out of memory", "not finite", "killed", "refused", "crashed", "no result"]


@dataclass(frozen=True)
class Failure:
    """Why a cell has no result.

    Args:
        kind: What happened, in two words.
        stage: The command that failed, "fit" or "test".
        exit_status: Its exit status; negative for a signal, 0 where it ended well and yet left no result.
        reason: One line.
        log_tail: The last lines of its log.
    """

    kind: FailureKind
    stage: str
    exit_status: int
    reason: str
    log_tail: list[str]


# "stopped": begun, and neither done nor failed; it goes on from its last checkpoint.
State = Literal["done", "failed", "stopped", "waiting"]


@dataclass(frozen=True)
class Outcome:
    """A cell and what became of it; of one that is run as another (Cell.same_as), what became of that."""

    cell: Cell
    state: State
    result: Result | None = None
    failure: Failure | None = None


def read_outcomes(cells: Sequence[Cell], *, out: Path) -> list[Outcome]:
    """Return what became of each cell, in their order."""
    return [read_outcome(cell, folder=cell_folder(cell, out=out)) for cell in cells]


def read_outcome(cell: Cell, *, folder: Path) -> Outcome:
    """Return what became of one cell. A failure that was recorded counts more than a result from before it."""
    failure = _read_failure(folder / "failure.json")
    if failure is not None:
        return Outcome(cell, "failed", failure=failure)
    path = folder / "result.json"
    if not path.exists():
        return Outcome(cell, "stopped" if (folder / "cell.json").exists() else "waiting")
    try:
        return Outcome(cell, "done", result=read_result(path))
    except ResultError as error:
        return Outcome(cell, "failed", failure=Failure("no result", "test", 0, str(error), []))


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
        protocol=_protocol(fields),
        num_videos_expected=_whole(fields, "num_videos_expected"),
        num_videos_scored=_whole(fields, "num_videos_scored"),
        dataset_fingerprint=_text(fields, "dataset_fingerprint"),
        train_fingerprint=_text(fields, "train_fingerprint"),
        checkpoint=_text(fields, "checkpoint"),
        chosen_among=_chosen_among(_mapping(fields, "chosen")),
        steps=_whole(fields, "steps"),
        epochs=_whole(fields, "epochs"),
        train_seconds=_number(fields, "train_seconds"),
        test_seconds=_number(fields, "test_seconds"),
        peak_memory_bytes=_whole(fields, "peak_memory_bytes"),
        code=_code(fields.get("code")),
        versions={str(k): str(v) for k, v in _mapping(fields, "versions").items()},
        weights=_text(_mapping(fields, "weights"), "file"),
        weights_sha256=_text(_mapping(fields, "weights"), "sha256"),
        device=_text(fields, "device"),
        num_devices=_whole(fields, "num_devices"),
        setup={
            name: fields.get(name)
            for name in ("norm", "norm_batch_size", "device_batch_size", "total_batch_size", "seed")
        },
    )


def write_failure(failure: Failure, *, folder: Path) -> None:
    """Record in CELL/failure.json why a cell has no result."""
    write_json(folder / "failure.json", asdict(failure), ensure_ascii=True)


def _read_failure(path: Path) -> Failure | None:
    try:
        fields = json.loads(path.read_text())
        return Failure(**fields)
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        return Failure("no result", "fit", 0, f"{path.name} cannot be read: {error}", [])


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


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _protocol(fields: dict[str, Any]) -> str | None:
    protocol, policy = _text(fields, "protocol"), _text(fields, "clip_policy")
    return f"{protocol} ({policy})" if protocol and policy else protocol


def _chosen_among(chosen: dict[str, Any]) -> int | None:
    return _whole(chosen, "num_validations") if chosen.get("by_these_videos") else None


def _code(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, dict) or not value.get("train") or not value.get("test"):
        return None
    return str(value["train"]), str(value["test"])
