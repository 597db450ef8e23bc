"""The clips of one optimiser step, however they are cut into forwards and dealt to devices.

The loss of an update is the mean over its clips that could be decoded: all of them, over all accumulated forwards and
all devices. Their number is known when the last forward is done: until then gradients are those of sums of losses, and
they are divided once, before the optimiser uses them.

Shapes: B clips of a forward, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import Tensor, nn
from torchmetrics import Metric

from videogn.models.batch_norm import devices_share
from videogn.training.accuracy import ranks
from videogn.training.result import ks_of


class Mean(Metric):
    """The mean over an epoch, of sums that are the same on all devices: nothing is exchanged for it.

    torchmetrics 1.9's MeanMetric forgets the weights, or waits for the GPU at each value.
    """

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)
        self.add_state("total", torch.tensor(0.0))
        self.add_state("count", torch.tensor(0.0))

    def update(self, total: Tensor, count: Tensor) -> None:
        """Take in the sum of `count` values."""
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        """Return the mean so far; not a number where there is none."""
        return self.total / self.count


class Update:
    """What the forwards of an optimiser step add up to.

    An update without a single clip has no gradient (momentum and weight decay go on), and its figures are not numbers.

    Args:
        multi_label: Whether a clip has any number of labels: then no accuracies are added up.
    """

    def __init__(self, num_classes: int, *, multi_label: bool = False) -> None:
        self.ks = () if multi_label else ks_of(num_classes)
        # Over this device's clips: those that are there, those that were skipped, losses, correct ones by k.
        self._sums: Tensor | None = None

    def loss(self, losses: Tensor, *, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Add a forward; return the sum of its losses, which its gradient is to be taken of.

        Args:
            losses: float32 [B], of each clip.
            logits: [B, K].
            labels: int64 [B], or [B, K] with several labels a clip.
            weights: [B], 0 for a clip that was skipped, else 1.
        """
        total = (losses * weights).sum()
        with torch.no_grad():
            correct = []
            if self.ks:
                found = ranks(logits, labels)
                correct = [((found < k) * weights).sum() for k in self.ks]
            sums = torch.stack([weights.sum(), (weights == 0).sum(), total, *correct])
            self._sums = sums if self._sums is None else self._sums + sums
        return total

    @torch.no_grad()
    def finish(
        self, parameters: Iterable[nn.Parameter], *, accumulate: int, num_devices: int
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Make the gradients those of the mean over the clips, and begin again. One exchange between devices.

        Args:
            parameters: Whose gradients the optimiser is about to use.
            accumulate: What the trainer has divided each forward's loss by.
            num_devices: What it has divided the sum of the devices' gradients by.

        Returns:
            Sums over the clips of all forwards and devices ("loss", "top1", "top5"), the number of these clips, and of
            those that were skipped.
        """
        assert self._sums is not None
        if devices_share():
            torch.distributed.all_reduce(self._sums)
        clips, skipped, *sums = self._sums.unbind()
        self._sums = None
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_mul_(gradients, accumulate * num_devices / clips.clamp_min(1))
        return dict(zip(("loss", *(f"top{k}" for k in self.ks)), sums, strict=True)), clips, skipped
