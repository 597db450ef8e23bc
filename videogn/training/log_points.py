"""Where a training reads values from its device. In between, this package never waits for a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning import Trainer
from torch import Tensor

from videogn.training.errors import NonFiniteLoss

WHAT_MAY_HELP = "a smaller --model.base_lr or a warm-up may help"


def at_log_point(trainer: Trainer, batch_idx: int) -> bool:
    """Return whether, at the end of a training batch, values are read: every log_every_n_steps updates.

    That is where the loggers read them anyway. The last batch of an epoch is one, too. Where nothing is logged
    (log_every_n_steps 0), it is every 50 updates.
    """
    updated = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
    return trainer.is_last_batch or (updated and _is_due(trainer, trainer.global_step))


def before_log_point(trainer: Trainer) -> bool:
    """Return whether the update that is about to be made leads to such a place."""
    return trainer.is_last_batch or _is_due(trainer, trainer.global_step + 1)


def _is_due(trainer: Trainer, num_updates: int) -> bool:
    every: int = trainer.log_every_n_steps or 50  # type: ignore[attr-defined]
    return num_updates % every == 0


@dataclass(frozen=True)
class Moment:
    """A forward's place in a run: epoch and batch from 0, and the updates before it."""

    epoch: int
    batch_idx: int
    num_updates: int

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}, batch {self.batch_idx + 1}, after {self.num_updates} updates"


class LossWatch:
    """The losses since the last look, on the device. A look waits for it once.

    Whether one is not finite is decided by the sums over all devices, so that all of them stop at one place; which
    forward it was, by this device's own.
    """

    def __init__(self) -> None:
        self._forwards: list[tuple[object, Tensor, Tensor]] = []  # where, loss, places of the videos
        self._updates: list[Tensor] = []

    def add_forward(self, loss: Tensor, *, indices: Tensor, where: object) -> None:
        """Take in a forward: its loss, its videos' places in the training list, and its own place in the run."""
        self._forwards.append((where, loss.detach(), indices))

    def add_update(self, loss: Tensor) -> None:
        """Take in an update: the sum of its losses over all forwards and devices."""
        self._updates.append(loss)

    def check(self) -> None:
        """Look at the losses of all updates so far, and forget them.

        Raises:
            NonFiniteLoss: One is not finite; names the first forward. Its videos are printed.
        """
        if not self._updates:
            return
        updates, self._updates = self._updates, []
        forwards, self._forwards = self._forwards, []
        if torch.stack(updates).isfinite().all():
            return
        for where, loss, indices in forwards:
            if not loss.isfinite():
                places = indices.tolist()
                print(f"the videos of that batch, as places in the training list: {places}", flush=True)
                raise NonFiniteLoss(
                    f"the training loss is {loss.item()} in {where}: {WHAT_MAY_HELP}", forward=(where, places)
                )
        where = f"between {forwards[0][0]} and {forwards[-1][0]}" if forwards else "of an update"
        raise NonFiniteLoss(f"the training loss on another device is not finite, {where}: {WHAT_MAY_HELP}")
