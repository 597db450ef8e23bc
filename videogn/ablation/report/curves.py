"""A run's way to its result, from its metrics.csv: training and validation error by epoch, and its speed."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from videogn.training.metrics import read_metrics


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
    found = read_metrics(folder)
    train, validation = (
        {logged.epoch: 100 * (1 - logged.value) for logged in found.get(name, [])}
        for name in ("train/top1_epoch", "val/top1")
    )
    speeds = [logged.value for logged in found.get("clips_per_second", [])]
    if not (train or validation or speeds):
        return None
    return Curves(train, validation, statistics.median(speeds) if speeds else None)
