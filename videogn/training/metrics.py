"""What a training logged, read from its metrics.csv. Loads no torch: reports read it, too."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple


class Logged(NamedTuple):
    """A value that was logged.

    Attributes:
        epoch: In which, from 1.
        step: After how many updates; 0 where the file does not say it.
        value: Finite.
    """

    epoch: int
    step: int
    value: float


def read_metrics(folder: Path) -> dict[str, list[Logged]]:
    """Return what the metrics.csv of a run's folder says, by column, in its order; nothing where it can't be read.

    What a run that went on logged again is there twice; the later counts.
    """
    found: dict[str, list[Logged]] = {}
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                epoch, step = _number(row.get("epoch")), _number(row.get("step"))
                if epoch is None:
                    continue
                place = int(epoch) + 1, 0 if step is None else int(step) + 1
                for name, text in row.items():
                    value = _number(text) if name not in (None, "epoch", "step") else None
                    if value is not None:
                        found.setdefault(name, []).append(Logged(*place, value))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return found


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
