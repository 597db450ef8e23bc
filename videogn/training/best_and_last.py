"""The two checkpoints of a run: last.ckpt, and best.ckpt by the top-1 of the validations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from videogn.training.module import VideoClassifier


class Checkpoints(Checkpoint):
    """Saves last.ckpt at the end of each epoch, and best.ckpt at each validation that is better than all before it.

    The best score is in both, so that a run goes on with it in another folder, too. (Lightning's ModelCheckpoint
    forgets it where the folder has another path.) Where validation changes, scores before and after are not compared.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        best, is_there = pl_module.best, trainer.strategy.broadcast(self.best.is_file())  # all devices must agree
        if best is not None and not is_there:
            _start_again(trainer, pl_module, f"{self.best} is not there (top-1 {100 * best['top1']:.1f} %)")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if trainer.sanity_checking or _is_dev_run(trainer):
            return
        top1, validation = float(trainer.callback_metrics["val/top1"]), _validation(trainer, pl_module)
        if pl_module.best is not None and pl_module.best["validation"] != validation:
            _start_again(trainer, pl_module, "the validation has changed (its videos, sizes or statistics)")
            pl_module.num_validations = 1
        if pl_module.best is None or top1 > pl_module.best["top1"]:
            pl_module.best = {"top1": top1, "step": trainer.global_step, "validation": validation}
            pl_module.is_best = True
            try:
                trainer.save_checkpoint(self.best)
            finally:
                pl_module.is_best = False
        if trainer.state.fn == TrainerFn.VALIDATING:  # after the last step of a run: the last one is to know of it
            trainer.save_checkpoint(self.last)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not _is_dev_run(trainer):
            trainer.save_checkpoint(self.last)


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
