"""metrics.csv that survives a resumed run."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import CSVLogger

from videogn.files import replacing


class MetricsCSV(CSVLogger):
    """CSVLogger writing metrics.csv in a run's folder; a run that goes on keeps the rows up to where it goes on.

    Lightning's own deletes the file when a run starts again.

    Args:
        folder: The run's folder.
        first_step: Optimiser steps done before: what was logged after them is done, and logged, again.
    """

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        super().__init__(save_dir=folder, name="", version="")
        self._path = folder / "metrics.csv"
        self._first_step = first_step

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer; making it deletes the file, so the rows of an earlier part of the run are put back."""
        if self._experiment is None:
            earlier = self._read()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Experiment logs directory")
                writer = super().experiment
            self._write(earlier)
            writer.metrics_keys = list(earlier[0]) if earlier else []
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        super().log_metrics(dict(metrics), step)

    def _read(self) -> list[dict[str, str]]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        # Rows count steps from 0. The last one may be torn.
        whole = [row for row in rows if None not in row and None not in row.values()]
        return [row for row in whole if row["step"].isdecimal() and int(row["step"]) < self._first_step]

    def _write(self, rows: list[dict[str, str]]) -> None:
        if not rows:
            self._path.unlink(missing_ok=True)
            return
        with replacing(self._path) as partial, partial.open("w", newline="") as file:
            out = csv.DictWriter(file, fieldnames=list(rows[0]))
            out.writeheader()
            out.writerows(rows)

    @rank_zero_only
    def log_hyperparams(self, params: Any = None) -> None:
        """Do nothing: config.yaml in the same folder says it all."""
