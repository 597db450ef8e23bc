"""Where a training reads values from its device. In between it never waits for a GPU."""

from __future__ import annotations

import torch
from lightning import Trainer
from torch import Tensor

from videogn.training.errors import NonFiniteLoss


def at_log_point(trainer: Trainer, batch_idx: int) -> bool:
    """Return whether, at the end of a training batch, values are read: every log_every_n_steps updates.

    That is where the loggers read them anyway. The last batch of an epoch is one, too.
    """
    updated = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return trainer.is_last_batch or (updated and every > 0 and trainer.global_step % every == 0)


class LossWatch:
    """The losses since the last look, on the device. A look waits for it once."""

    def __init__(self) -> None:
        self._forwards: list[tuple[str, Tensor, Tensor]] = []  # where, loss, places of the videos

    def add(self, loss: Tensor, *, indices: Tensor, where: str) -> None:
        """Take in a forward: its loss, its videos' places in the training list, and its own place in the run."""
        self._forwards.append((where, loss.detach(), indices))

    def check(self) -> None:
        """Look at the losses, and forget them.

        Raises:
            NonFiniteLoss: One is not finite; names the first. Its videos are printed.
        """
        forwards, self._forwards = self._forwards, []
        if not forwards or torch.stack([loss for _, loss, _ in forwards]).isfinite().all():
            return
        where, loss, indices = next(forward for forward in forwards if not forward[1].isfinite())
        print(f"the videos of that batch, as places in the training list: {indices.tolist()}", flush=True)
        raise NonFiniteLoss(
            f"the training loss is {loss.item()} in {where}: a smaller --model.base_lr or a warm-up may help"
        )
