"""The record of a training: metrics.csv that survives a resumed run and a full disk, and TensorBoard's events."""

from __future__ import annotations

import csv
import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from videogn.files import replacing
from videogn.training.position import Position


class MetricsCSV(CSVLogger):
    """CSVLogger writing metrics.csv in a run's folder; a run that goes on keeps the rows up to where it goes on.

    Lightning's own deletes the file when a run starts again.

    Args:
        first_step: Optimiser steps done before: what was logged after them is done, and logged, again.
        position: Where the run goes on. Within an epoch, what an earlier part of the run logged at its end is not kept,
            and within a validation, neither is what that had logged.
    """

    def __init__(self, folder: Path, *, first_step: int = 0, position: Position | None = None) -> None:
        super().__init__(save_dir=folder, name="", version="")
        self._path = folder / "metrics.csv"
        self._first_step = first_step
        self._position = position or Position(epochs=0, updates=0)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer, but for what it does to the file."""
        if self._experiment is None:
            self._experiment = _WholeRows(self.log_dir)
            kept = [row for row in _read(self._path) if not self._comes_again(row)]
            if kept:
                _write(kept, path=self._path, names=list(kept[0]))
                self._experiment.metrics_keys = list(kept[0])
            else:
                self._path.unlink(missing_ok=True)
        return self._experiment

    def _comes_again(self, row: Mapping[str, str]) -> bool:
        step, position = int(row["step"]), self._position  # rows count steps from 0
        is_of_cut_epoch = position.updates > 0 and row["epoch"] == str(position.epochs)
        is_of_validation = position.is_validating and step == self._first_step - 1 and row.get("val/loss")
        return bool(step >= self._first_step or (is_of_cut_epoch and row.get("train/loss_epoch")) or is_of_validation)

    @rank_zero_only
    def log_hyperparams(self, params: Any = None) -> None:
        """Do nothing: config.yaml in the same folder says it all."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        with _said_after_a_failure(status):
            super().finalize(status)


class _WholeRows(ExperimentWriter):
    """Writes rows that are whole, or none: where the disk is full, the file ends with the last whole one."""

    def _check_log_dir_exists(self) -> None:
        """Do nothing: Lightning's deletes the rows of an earlier part of the run."""

    def save(self) -> None:
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        has_new_columns = self._record_new_keys()
        rows, self.metrics = self.metrics, []  # what can't be written now is not tried again
        with _named(path, "; its rows up to here are whole"):
            if has_new_columns or not path.is_file():
                _write([*_read(path), *rows], path=path, names=self.metrics_keys)
                return
            text = io.StringIO(newline="")
            csv.DictWriter(text, fieldnames=self.metrics_keys).writerows(rows)
            _append(text.getvalue().encode(), path=path)


def _append(data: bytes, *, path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(end)
            raise


def _read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a metrics.csv, but for a last one of which a machine that crashed wrote a part."""
    if not path.is_file():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0].decode()
    rows = list(csv.DictReader(whole.splitlines()))
    return [row for row in rows if None not in row.values() and row["step"].isdecimal()]


def _write(rows: Sequence[Mapping[str, Any]], *, path: Path, names: Sequence[str]) -> None:
    with replacing(path) as partial, partial.open("w", newline="") as file:
        out = csv.DictWriter(file, fieldnames=names)
        out.writeheader()
        out.writerows(rows)


class Events(TensorBoardLogger):
    """TensorBoard's events in a run's folder; says what stopped their thread, where Lightning says that a number was.

    Args:
        first_step: As for MetricsCSV; TensorBoard shows no older events from there on.
    """

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        super().__init__(folder, name="", version="", purge_step=first_step)
        if not isinstance(threading.excepthook, _AllButEvents):
            threading.excepthook = _AllButEvents(threading.excepthook)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with self._named():
            super().log_metrics(metrics, step)

    @rank_zero_only
    def save(self) -> None:
        with self._named():
            super().save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        with _said_after_a_failure(status), self._named():
            super().finalize(status)

    @contextmanager
    def _named(self) -> Iterator[None]:
        files = sorted(Path(self.log_dir).glob("events.out.tfevents.*"))
        with _named(files[-1] if files else Path(self.log_dir) / "events.out.tfevents"):
            yield


class _AllButEvents:
    """A hook for errors that end threads, but for those of the events' thread: the next write raises them."""

    def __init__(self, others: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._others = others

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        if not (type(args.thread).__name__ == "_AsyncWriterThread" and isinstance(args.exc_value, OSError)):
            self._others(args)


@contextmanager
def _named(path: Path, more: str = "") -> Iterator[None]:
    """Have an error of the system's in a block name the file, as checkpoints do."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(reason, OSError):
            raise
        raise OSError(f"{path} can't be written: {reason.strerror or reason}{more}") from error


@contextmanager
def _said_after_a_failure(status: str) -> Iterator[None]:
    """Keep what ended a run the last that is said of it."""
    try:
        yield
    except OSError as error:
        if status == "success":
            raise
        warnings.warn(str(error), stacklevel=4)
