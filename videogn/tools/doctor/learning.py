"""Trainings of some updates on clips that lie in memory: is a batch learnt by heart, and at which learning rates.

Shapes: N clips, T frames, H, W, C = 3 channels, K classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from videogn.models.compiled import positions
from videogn.models.network import VideoNetwork

# A batch is learnt where its loss is this share of that of guessing.
LEARNT = 0.1
# Learning rates of a range test, as shares of the one that is asked about.
RANGE = (1 / 30, 30.0)


@dataclass(frozen=True)
class Clips:
    """Clips in memory.

    Attributes:
        views: uint8 [N, T, H, W, C].
        labels: int64 [N].
    """

    views: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, places: Tensor | slice) -> Clips:
        """Return some of them."""
        return Clips(self.views[places], self.labels[places])


def losses_of(
    network: VideoNetwork,
    batches: Sequence[Clips],
    optimizer: torch.optim.Optimizer,
    *,
    rates: Sequence[float],
    until: Callable[[float], bool] = lambda loss: False,
    deadline: float = math.inf,
) -> list[float]:
    """Make one update for each learning rate; return the loss before each.

    Args:
        network: In training mode from here on.
        batches: One an update, again from the first after the last.
        until: Ends it by a loss. One that is not finite ends it, too.
        deadline: By time.monotonic; no update but the first begins after it.
    """
    network.train()
    found: list[float] = []
    for step, rate in enumerate(rates):
        if step and time.monotonic() > deadline:
            break
        batch = batches[step % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = F.cross_entropy(positions(network, batch.views).mean(dim=-1).float(), batch.labels)
        found.append(float(loss.detach()))
        if not math.isfinite(found[-1]) or until(found[-1]):
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return found


def learnt_bound(num_classes: int) -> float:
    """Return the loss below which a batch is learnt."""
    return LEARNT * math.log(num_classes)


def learnt_after(losses: Sequence[float], num_classes: int) -> int | None:
    """Return after how many updates a batch was learnt by heart; None where it was not."""
    bound = learnt_bound(num_classes)
    return next((step for step, loss in enumerate(losses) if loss < bound), None)


def warmed_up(rate: float, num_updates: int, *, warmup: int) -> list[float]:
    """Return learning rates that rise linearly over some updates and then stay."""
    return [rate * min(1.0, (step + 1) / (warmup + 1)) for step in range(num_updates)]


@dataclass(frozen=True)
class RateRange:
    """What a learning rate range test found (Smith 2017).

    Attributes:
        best: Rate at the lowest smoothed loss.
        breaks: First rate behind it at which the smoothed loss is above its first value by a quarter, or not finite;
            None if at none.
        begins: First rate at which the smoothed loss is a tenth below its first value; None if at none.
    """

    best: float
    breaks: float | None
    begins: float | None

    def scaled(self, factor: float) -> RateRange:
        """Return it in rates of another total batch."""
        breaks, begins = (None if rate is None else rate * factor for rate in (self.breaks, self.begins))
        return RateRange(self.best * factor, breaks, begins)


def rising(rate: float, num_updates: int) -> list[float]:
    """Return rates that rise geometrically over RANGE around one."""
    low, high = RANGE
    return [rate * low * (high / low) ** (step / (num_updates - 1)) for step in range(num_updates)]


def rate_range(losses: Sequence[float], rates: Sequence[float]) -> RateRange:
    """Return what the losses of a range test say; they are smoothed exponentially, without bias."""
    mean, momentum, smooth = 0.0, 0.8, []
    for step, loss in enumerate(losses):
        mean = momentum * mean + (1 - momentum) * (loss if math.isfinite(loss) else math.inf)
        smooth.append(mean / (1 - momentum ** (step + 1)))
    finite = [value for value in smooth if math.isfinite(value)] or [0.0]
    least = min(range(len(finite)), key=finite.__getitem__)
    first = finite[0]
    breaks = next((rates[step] for step in range(least, len(smooth)) if not smooth[step] <= 1.25 * first), None)
    begins = next((rates[step] for step in range(len(finite)) if finite[step] < 0.9 * first), None)
    return RateRange(rates[least], breaks, begins)
