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


class MetricsCSV(CSVLogger):
    """CSVLogger writing metrics.csv in a run's folder; a run that goes on keeps the rows up to where it goes on.

    Lightning's own deletes the file when a run starts again.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(save_dir=folder, name="", version="")
        self._path = folder / "metrics.csv"
        self._earlier: list[dict[str, str]] = []

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer, made after the rows of an earlier part of the run were read."""
        if self._experiment is None:
            if self._path.is_file():
                with self._path.open(newline="") as file:
                    self._earlier = list(csv.DictReader(file))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Experiment logs directory")
                return super().experiment
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        writer = self.experiment
        rows = [row for row in self._earlier if step is None or int(row["step"]) < step]
        self._earlier = []
        if rows:
            writer.metrics_keys = list(rows[0])
            with self._path.open("w", newline="") as file:
                out = csv.DictWriter(file, fieldnames=writer.metrics_keys)
                out.writeheader()
                out.writerows(rows)
        super().log_metrics(dict(metrics), step)

    @rank_zero_only
    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: config.yaml in the same folder says it all."""
