"""The clips of one optimiser step, however they are cut into forwards and dealt to devices.

The loss of an update is the mean over its clips that could be decoded: all of them, over all accumulated forwards and
all devices. A trainer sums gradients forward by forward before the number of these clips is known, so each forward's
loss is divided by its number of places, and the gradient is put right once, before the optimiser uses it.

Shapes: B clips of a forward, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import Tensor, nn
from torchmetrics import Metric

from videogn.models.batch_norm import devices_share
from videogn.training.accuracy import ks_of, ranks


class WeightedMean(Metric):
    """The mean of values by their weights, of values that are the same on all devices: nothing is exchanged for it.

    torchmetrics 1.9's MeanMetric forgets the weights, or waits for the GPU at each value.
    """

    total: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)
        self.add_state("total", torch.tensor(0.0))
        self.add_state("weight", torch.tensor(0.0))

    def update(self, value: Tensor, weight: Tensor) -> None:
        """Takes in a value and its weight."""
        self.total += value * weight
        self.weight += weight

    def compute(self) -> Tensor:
        """The mean so far; not a number where there is no weight."""
        return self.total / self.weight


class Update:
    """What the forwards of an optimiser step add up to.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        self.ks = ks_of(num_classes)
        self._places: int | None = None  # clips of each forward, skipped ones too
        self._sums: Tensor | None = (
            None  # over this device's clips: those there, those skipped, loss, correct ones by k
        )

    def loss(self, losses: Tensor, *, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Adds a forward; returns what its gradient is to be taken of.

        Args:
            losses: float32 [B], of each clip.
            logits: [B, K].
            labels: int64 [B].
            weights: [B], 0 for a clip that was skipped, else 1.

        Returns:
            The sum of the losses / B (the B of the update's first forward).
        """
        if self._places is None:
            self._places = len(labels)
        with torch.no_grad():
            found = ranks(logits, labels)
            values = [torch.ones_like(losses), losses, *(found < k for k in self.ks)]
            there, *others = ((value * weights).sum() for value in values)
            sums = torch.stack([there, (weights == 0).sum(), *others])
            self._sums = sums if self._sums is None else self._sums + sums
        return (losses * weights).sum() / self._places

    @torch.no_grad()
    def finish(
        self, parameters: Iterable[nn.Parameter], *, accumulate: int, num_devices: int
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Makes the gradients those of the mean over the clips; begins anew. One exchange between devices.

        The trainer has divided each forward's loss by `accumulate` and averaged the gradients over the devices, also
        where the last update of an epoch had fewer forwards.

        Args:
            parameters: Whose gradients the optimiser is about to use.
            accumulate: What each forward's loss was divided by.
            num_devices: What the sum of the devices' gradients was divided by.

        Returns:
            Means over the clips of all forwards and devices ("loss", "top1", "top5"; 0 where there is no clip), the
            number of these clips, and the number of those that were skipped.
        """
        assert self._places is not None
        assert self._sums is not None
        if devices_share():
            torch.distributed.all_reduce(self._sums)
        clips, skipped, *sums = self._sums.unbind()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # Exactly 1 where no clip is missing: then no bit changes.
        torch._foreach_mul_(gradients, self._places * accumulate * num_devices / clips.clamp_min(1))
        self._places = self._sums = None
        names = ("loss", *(f"top{k}" for k in self.ks))
        return {name: of / clips.clamp_min(1) for name, of in zip(names, sums, strict=True)}, clips, skipped
