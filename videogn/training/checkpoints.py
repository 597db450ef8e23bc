"""The two checkpoints of a run: last.ckpt, and best.ckpt by the top-1 of the validations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from videogn.training.module import VideoClassifier


class Checkpoints(Checkpoint):
    """Saves last.ckpt at the end of each epoch, and best.ckpt at each validation that is better than all before it.

    The best score is in both, so that a run goes on with it in another folder, too. (Lightning's ModelCheckpoint
    forgets it where the folder has another path.)

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if pl_module.best is None or self.best.is_file():
            return
        if trainer.is_global_zero:
            top1, step = 100 * pl_module.best["top1"], pl_module.best["step"]
            print(
                f"{self.best} is not there (top-1 {top1:.1f} %, after update {step:,}): the best from here on is kept"
            )
        pl_module.best = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if trainer.sanity_checking or _is_dev_run(trainer):
            return
        top1 = float(trainer.callback_metrics["val/top1"])
        if pl_module.best is not None and top1 <= pl_module.best["top1"]:
            return
        pl_module.best = {"top1": top1, "step": trainer.global_step}
        pl_module.is_best = True
        try:
            trainer.save_checkpoint(self.best)
        finally:
            pl_module.is_best = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not _is_dev_run(trainer):
            trainer.save_checkpoint(self.last)


def _is_dev_run(trainer: Any) -> bool:
    """Whether this is a trial that is to leave nothing behind (--trainer.fast_dev_run)."""
    return bool(trainer.fast_dev_run)
