"""The checkpoints of a run: last.ckpt, the one before it, and best.ckpt by the score of the validations."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from videogn.files import add_name, write_json
from videogn.training.agreement import Agreement
from videogn.training.errors import ToldToEnd
from videogn.training.module import VideoClassifier
from videogn.training.result import SCORES
from videogn.training.stopping import Stop

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Every:
    """How often something is done: after so many updates, or after so long; None: not by this."""

    updates: int | None = None
    seconds: float | None = None


def every(text: str) -> Every:
    """Read a number of updates (`500`), a time (`15min`, `30s`, `2h`), or 0 for never.

    Raises:
        ValueError: It is none of them.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)?\s*", text)
    number, unit = found.groups() if found else ("", None)
    if found is None or (unit is None and "." in number):
        raise ValueError(f"{text!r} is no interval; expected updates (500), a time (30s, 15min, 2h), or 0 for never")
    if not float(number):
        return Every()
    return Every(updates=int(number)) if unit is None else Every(seconds=float(number) * _UNITS[unit])


class Checkpoints(Checkpoint):
    """Saves last.ckpt after each epoch and in between, and best.ckpt at each validation better than all before it.

    The best score is in both, so that a run goes on with it in another folder, too. (Lightning's ModelCheckpoint
    forgets it where the folder has another path.) Where validation changes, scores before and after are not compared.
    The last.ckpt before the last one is kept as previous.ckpt; last.json says which updates last.ckpt holds.

    Args:
        every: When last.ckpt is saved within an epoch.
        stop: Whether the process was told to end: a training then saves, also in a validation, and raises ToldToEnd.
    """

    def __init__(self, folder: Path, *, every: Every = Every(), stop: Stop | None = None) -> None:
        self.last, self.best, self.previous = (folder / f"{name}.ckpt" for name in ("last", "best", "previous"))
        self.every = every
        self.stop = stop or Stop()
        self._saved_at, self._saved_step = 0.0, 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        self._agreement = Agreement(pl_module.device)
        best, is_there = pl_module.best, trainer.strategy.broadcast(self.best.is_file())  # all devices must agree
        if best is not None and not is_there:
            score = pl_module.score
            _start_again(trainer, pl_module, f"{self.best} is not there ({SCORES[score]} {100 * best[score]:.1f} %)")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if not pl_module.begins_at.updates:
            # An epoch begins. Lightning would take its batches for those of the one before, and skip a validation.
            trainer.fit_loop.epoch_loop.restarting = False
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
        self.stop.waits = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Between two updates, when all that belongs to the first has been logged, and its validation is over.
        if batch_idx % trainer.accumulate_grad_batches:
            return
        is_due, told = self._agreement.of_all(self._is_due(trainer), self.stop.asked)
        new = trainer.global_step > self._saved_step
        if new and (is_due or told or batch_idx == 0):
            self._save_last(trainer)
        if told:
            raise ToldToEnd(f"told to end: saved after update {trainer.global_step:,}")

    def _is_due(self, trainer: Trainer) -> bool:
        """Return whether this device wishes to save: the first one's clock counts."""
        if self.every.updates is not None:
            return trainer.global_step - self._saved_step >= self.every.updates
        if self.every.seconds is None or not trainer.is_global_zero:
            return False
        return time.monotonic() - self._saved_at >= self.every.seconds

    def _save_last(self, trainer: Trainer) -> None:
        if _is_dev_run(trainer):
            return
        self._agreement.forget()
        for logger in trainer.loggers:
            logger.save()  # what it would lose if it were killed now is not logged again
        if trainer.is_global_zero and self.last.is_file():
            add_name(self.last, self.previous)
        trainer.save_checkpoint(self.last)
        if trainer.is_global_zero:
            write_json(self.last.with_suffix(".json"), {"steps": trainer.global_step})
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        pl_module.ended_early = bool(trainer.should_stop)
        self._save_last(trainer)
        self.stop.waits = False

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not trainer.sanity_checking and trainer.state.fn == TrainerFn.FITTING:
            self._end_if_told(trainer, pl_module, within="its validation")

    def between_statistics(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a training that was told to, as within a validation: statistics are re-estimated before one."""
        self._end_if_told(trainer, pl_module, within="the statistics of its validation")

    def _end_if_told(self, trainer: Trainer, module: LightningModule, *, within: str) -> None:
        assert isinstance(module, VideoClassifier)
        (told,) = self._agreement.of_all(self.stop.asked)
        if told:
            module.is_validating = True
            self._save_last(trainer)
            raise ToldToEnd(f"told to end: saved after update {trainer.global_step:,}, within {within}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.stop.waits = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if trainer.sanity_checking or _is_dev_run(trainer):
            return
        name, validation = pl_module.score, _validation(trainer, pl_module)
        score = float(trainer.callback_metrics[f"val/{name}"])
        if pl_module.best is not None and pl_module.best["validation"] != validation:
            _start_again(trainer, pl_module, "the validation has changed (its videos, sizes or statistics)")
            pl_module.num_validations = 1
        if pl_module.best is None or score > pl_module.best[name]:
            pl_module.best = {name: score, "step": trainer.global_step, "validation": validation}
            pl_module.is_best = True
            try:
                trainer.save_checkpoint(self.best)
            finally:
                pl_module.is_best = False
        if trainer.state.fn == TrainerFn.VALIDATING:  # after the last step of a run: the last one is to know of it
            self._save_last(trainer)


def _start_again(trainer: Trainer, module: VideoClassifier, reason: str) -> None:
    """Forget the best checkpoint so far."""
    if trainer.is_global_zero:
        print(f"{reason}: the best checkpoint is the best from here on")
    module.best, module.num_validations = None, 0


def _validation(trainer: Trainer, module: VideoClassifier) -> dict[str, Any]:
    """Return what scores of validations must have in common to be compared; the same on all devices."""
    data = module.data
    found: dict[str, Any] = {
        "limit_val_batches": trainer.limit_val_batches,
        "precise_bn_batches": module.precise_bn and module.precise_bn["batches"],
    }
    if data is not None:
        found |= {"test_scale_size": data.test_scale_size, "test_crop_size": data.test_crop_size}
        if trainer.is_global_zero:
            found["fingerprint"] = data.catalog.fingerprint("val")
    return trainer.strategy.broadcast(found)


def _is_dev_run(trainer: Any) -> bool:
    """Return whether this is a trial that is to leave nothing behind (--trainer.fast_dev_run)."""
    return bool(trainer.fast_dev_run)
