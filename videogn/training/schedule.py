"""The learning rate as a pure function of the optimiser step."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

REFERENCE_BATCH_SIZE = 64  # total batch that base_lr is given for: 8 GPUs x 8 clips (Wu & He, section 4.4)


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls.

    Args:
        shape: steps (times `factor` at each milestone) or cosine (half a cosine to 0 at the end of the run).
        unit: What milestones and warmup count: iterations (optimiser steps) or epochs.
        milestones: steps: where the rate falls. The paper's run: 150000 and 300000 of 400000 iterations.
        factor: steps: what it is multiplied with there.
        warmup: Length of a linear rise from near 0 at the start; 0 for none, as in the paper.
    """

    shape: Literal["steps", "cosine"] = "steps"
    unit: Literal["iterations", "epochs"] = "iterations"
    milestones: tuple[float, ...] = (150_000, 300_000)
    factor: float = 0.1
    warmup: float = 0

    def __post_init__(self) -> None:
        if self.shape == "cosine" and (tuple(self.milestones), self.factor) != ((150_000, 300_000), 0.1):
            warnings.warn("schedule.milestones and schedule.factor have no effect: the shape is cosine", stacklevel=2)
        if list(self.milestones) != sorted(self.milestones) or any(m <= 0 for m in self.milestones):
            raise ValueError(f"schedule.milestones must be positive and rise, got {list(self.milestones)}")
        if self.warmup < 0:
            raise ValueError(f"schedule.warmup is {self.warmup}; expected 0 or more {self.unit}")
        if not 0 < self.factor <= 1:
            raise ValueError(f"schedule.factor is {self.factor}; expected a number in (0, 1]")


def scaled_lr(base_lr: float, total_batch_size: int) -> float:
    """The peak learning rate: `base_lr` is for a total batch of 64 clips and scales linearly (Goyal et al. 2017)."""
    return base_lr * total_batch_size / REFERENCE_BATCH_SIZE


def lr_factor(step: int, schedule: Schedule, *, steps_per_epoch: int, total_steps: int) -> float:
    """What the peak learning rate is multiplied with at an optimiser step.

    Args:
        step: Optimiser steps already made.
        schedule: The shape.
        steps_per_epoch: Optimiser steps in an epoch; what units in epochs are converted with, rounded.
        total_steps: Optimiser steps of the whole run; where a cosine reaches 0.

    Returns:
        A number in [0, 1].
    """
    in_steps = steps_per_epoch if schedule.unit == "epochs" else 1
    warmup = round(schedule.warmup * in_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.shape == "cosine":
        progress = (step - warmup) / max(1, total_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return schedule.factor ** sum(step >= round(milestone * in_steps) for milestone in schedule.milestones)


def accumulation(total_batch_size: int, *, device_batch_size: int, num_devices: int) -> int:
    """Forwards that each device accumulates per optimiser step.

    Raises:
        ValueError: The device batches do not add up to the total batch.
    """
    at_once = device_batch_size * num_devices
    if total_batch_size < 1 or total_batch_size % at_once:
        raise ValueError(
            f"total_batch_size {total_batch_size} is no multiple of data.batch_size {device_batch_size} x "
            f"{num_devices} device{'s' if num_devices > 1 else ''}; the next that is: "
            f"{max(1, -(-total_batch_size // at_once)) * at_once}"
        )
    return total_batch_size // at_once
