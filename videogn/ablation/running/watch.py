"""What a running cell's folder says of how far it is; any process may look.

Times are those of day: a cell's start, its last row and who looks may be of several machines, which have no other clock
in common. Where one is set, a figure is off or left out; none is negative.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from videogn.ablation.plans import CellPlan
from videogn.ablation.study_folder import read_record
from videogn.files import read_json

_TAIL_BYTES = 1 << 16
_HEAD_BYTES = 1 << 12


@dataclass(frozen=True)
class Progress:
    """How far a running cell is; None for what is not known (yet).

    Args:
        stage: The command at work, "fit" or "test".
        seconds: Since when it is.
        epoch: The epoch of the last row that was logged, counted from 1.
        num_steps: Optimiser steps done.
        num_steps_before: Those of them that were done when this part of the run began.
        num_steps_planned: Those of the whole run.
        loss: Training loss of the last step that was logged.
        train_top1: Training top-1 in percent, of the last whole epoch.
        val_top1: Validation top-1 in percent, of the last validation.
        seconds_per_step: Of this part of the run, with all that lies between steps.
        seconds_left: Of the training.
    """

    stage: str
    seconds: float
    epoch: int | None = None
    num_steps: int = 0
    num_steps_before: int = 0
    num_steps_planned: int | None = None
    loss: float | None = None
    train_top1: float | None = None
    val_top1: float | None = None
    seconds_per_step: float | None = None
    seconds_left: float | None = None


def read_progress(folder: Path, *, plan: CellPlan | None = None, now: float | None = None) -> Progress | None:
    """Return how far a cell is by its folder, or None where its cell.json says that nothing is at work in it."""
    record = read_record(folder) or {}
    stage, since = record.get("stage"), record.get("since")
    if stage is None or not isinstance(since, int | float):
        return None
    now = time.time() if now is None else now
    seconds = max(0.0, now - since)
    planned = plan.num_steps if plan else None
    metrics = folder / "metrics.csv"
    rows = _last_rows(metrics)
    num_steps = _steps(rows[-1]) if rows else 0
    per_step = left = None
    try:
        written = metrics.stat().st_mtime
    except FileNotFoundError:
        written = since
    num_before = int(record.get("first_step") or 0)
    num_new = num_steps - num_before
    if stage == "fit" and num_new > 0 and written > since:
        # By the time of the last row: between two rows nothing is known, and the estimate would grow.
        per_step = (written - since) / num_new
        if planned is not None:
            left = max(0.0, (planned - num_steps) * per_step - max(0.0, now - written))
    epoch = _last(rows, "epoch")
    return Progress(
        stage=stage,
        seconds=seconds,
        epoch=None if epoch is None else int(epoch) + 1,
        num_steps=num_steps,
        num_steps_before=num_before,
        num_steps_planned=planned,
        loss=_last(rows, "train/loss_step", "train/loss_epoch"),
        train_top1=_percent(_last(rows, "train/top1_epoch")),
        val_top1=_percent(_last(rows, "val/top1")),
        seconds_per_step=per_step,
        seconds_left=left,
    )


def steps_saved(folder: Path) -> int:
    """Return how many optimiser steps a run's last checkpoint holds; 0 where there is none."""
    try:
        return int(read_json(folder / "checkpoints" / "last.json")["steps"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _last_rows(path: Path) -> list[dict[str, str]]:
    """Return the last rows of a metrics.csv, by its columns' names; half-written and other odd ones are left out."""
    try:
        with path.open("rb") as stream:
            names = stream.read(_HEAD_BYTES).partition(b"\n")[0].decode(errors="replace").strip().split(",")
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            lines = stream.read().split(b"\n")
    except FileNotFoundError:
        return []
    # The first is the header, or the end of a row; the last has no end yet.
    rows = [line.decode(errors="replace").strip().split(",") for line in lines[1:-1]]
    whole = [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]
    return [row for row in whole if row.get("step", "").isdecimal()]


def _steps(row: dict[str, str]) -> int:
    return int(row["step"]) + 1  # steps are counted from 0


def _last(rows: list[dict[str, str]], *names: str) -> float | None:
    for row in reversed(rows):
        for name in names:
            if row.get(name):
                try:
                    return float(row[name])
                except ValueError:
                    continue
    return None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
