"""A run's way to its result, from its metrics.csv: training and validation error by epoch, and its speed."""

import csv
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Curves:
    """What a metrics.csv says, epochs counted from 1; errors are 100 - top-1, in percent.

    Args:
        train: Training error of each epoch, over its augmented clips, while the network changed.
        validation: Validation error at the end of the epochs that had a validation.
        clips_per_second: Median over what was logged; None where nothing was.
    """

    train: Mapping[int, float]
    validation: Mapping[int, float]
    clips_per_second: float | None


def read_curves(folder: Path) -> Curves | None:
    """Return the curves of a run's folder; None where it has no metrics.csv that says anything."""
    train: dict[int, float] = {}
    validation: dict[int, float] = {}
    speeds = []
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                epoch, speed = _number(row.get("epoch")), _number(row.get("clips_per_second"))
                if speed is not None:
                    speeds.append(speed)
                for curve, name in ((train, "train/top1_epoch"), (validation, "val/top1")):
                    top1 = _number(row.get(name))
                    if epoch is not None and top1 is not None:
                        curve[int(epoch) + 1] = 100 * (1 - top1)  # a run that went on says an epoch's again: the later
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not (train or validation or speeds):
        return None
    return Curves(train, validation, statistics.median(speeds) if speeds else None)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
