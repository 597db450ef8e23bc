"""The learning rate as a pure function of the optimiser step, and a recipe at another total batch.

A recipe is for a total batch of 64 clips. At another total batch B its learning rate is B/64 times as high, whatever
else is done, and its iterations are stretched by one of three rules (the paper's video section names none, and nothing
compares them). The recipe lr 0.01, x0.1 at 150k and 300k, 400k iterations in all becomes at B = 32:

- equal_epochs: lr 0.005, x0.1 at 300k and 600k, 800k in all; every video is seen as often. Wu & He 2018, section 4.1
  (ImageNet: lr 0.1 * N/32 for N images per GPU, 100 epochs whatever N is).
- equal_iterations: lr 0.005, x0.1 at 150k and 300k, 400k in all; half the clips.
- nonlocal: lr 0.005, x0.1 at 225k and 450k, 600k in all; between the two. The Non-local release sets its 4-GPU recipe
  of 600k against the 8-GPU one of 400k (README, "Training with fewer GPUs"). That is one pair of lengths: that every
  halving of the batch takes 1.5 times the iterations, milestones included, is our generalisation.

The release itself (github.com/facebookresearch/video-nonlocal-net at c253ed5, configs/DBG_kinetics_resnet_*.yaml) has
lr 0.01, x0.1 at 150k and 250k, 300k in all, on 8 GPUs; lr 0.005, x0.1 at 300k and 500k, 600k in all, on 4: equal_epochs
of the former; and lr 0.005, x0.1 at 150k and 250k, 300k in all, on 4: its equal_iterations (with less augmentation and
no dropout). So its 600k to the letter are milestones [150000, 250000], length 300000 and equal_epochs.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Literal

# Total batch that base_lr and a schedule's iterations are given for: 8 GPUs x 8 clips (Wu & He, section 4.4).
REFERENCE_BATCH_SIZE = 64

# "nonlocal" is called after the Non-local release, whose two lengths it joins.
Scaling = Literal["equal_epochs", "equal_iterations", "nonlocal"]
# In words, by what they do at half the total batch.
EQUAL_EPOCHS = "every video is seen as often, so that half the batch takes twice the updates"
EQUAL_UPDATES = "the number of updates stays, so that half the batch sees half the clips"
SCALINGS: dict[str, str] = {
    "equal_epochs": EQUAL_EPOCHS,
    "equal_iterations": EQUAL_UPDATES,
    "nonlocal": "half the batch takes 1.5 times the updates",
}


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls, and how long the run is.

    Args:
        shape: steps (times `factor` at each milestone) or cosine (half a cosine to 0 at the end of the run).
        unit: What milestones, warmup and length count: iterations (optimiser steps, at a total batch of 64 clips) or
            epochs.
        milestones: steps: where the rate falls. The paper's run: 150000 and 300000 of 400000 iterations.
        factor: steps: what it is multiplied with there.
        warmup: Length of a linear rise from near 0 at the start; 0 for none, as in the paper.
        length: Of the run, for the command: its end where neither trainer.max_steps nor trainer.max_epochs is given.
        scaling: How iterations are stretched at a total batch other than 64 clips. At 32: x2 (equal_epochs), x1
            (equal_iterations) or x1.5 (nonlocal). The learning rate is linear in the total batch under all three.

    Raises:
        ValueError: A value that is not possible.
    """

    shape: Literal["steps", "cosine"] = "steps"
    unit: Literal["iterations", "epochs"] = "iterations"
    milestones: tuple[float, ...] = (150_000, 300_000)
    factor: float = 0.1
    warmup: float = 0
    length: float | None = None
    scaling: Scaling = "equal_epochs"

    def __post_init__(self) -> None:
        if self.shape == "cosine" and (tuple(self.milestones), self.factor) != ((150_000, 300_000), 0.1):
            warnings.warn("schedule.milestones and schedule.factor have no effect: the shape is cosine", stacklevel=2)
        for name, value, known in (
            ("shape", self.shape, ("steps", "cosine")),
            ("unit", self.unit, ("iterations", "epochs")),
            ("scaling", self.scaling, tuple(SCALINGS)),
        ):
            if value not in known:
                raise ValueError(f"schedule.{name} is {value!r}; expected one of {', '.join(known)}")
        if list(self.milestones) != sorted(self.milestones) or not all(m > 0 for m in self.milestones):
            raise ValueError(f"schedule.milestones must be positive and rise, got {list(self.milestones)}")
        if not self.warmup >= 0:
            raise ValueError(f"schedule.warmup is {self.warmup}; expected 0 or more {self.unit}")
        if not 0 < self.factor <= 1:
            raise ValueError(f"schedule.factor is {self.factor}; expected a number in (0, 1]")
        if self.length is not None and not self.length > 0:
            raise ValueError(f"schedule.length is {self.length}; expected more than 0 {self.unit}")
        if self.unit == "epochs":
            self._check_epochs()
        elif self.scaling != "equal_epochs" and self.shape == "cosine" and not self.warmup and self.length is None:
            warnings.warn(f"schedule.scaling {self.scaling} has no effect: there is nothing to stretch", stacklevel=2)

    def _check_epochs(self) -> None:
        if self.length is not None and self.length != int(self.length):
            raise ValueError(f"schedule.length is {self.length} epochs; expected whole ones, or unit: iterations")
        if self.scaling != "equal_epochs":
            raise ValueError(
                f"schedule.scaling is {self.scaling} and schedule.unit is epochs, which are equal_epochs at any total "
                f"batch: give unit: iterations, or leave scaling out"
            )


def scaled_lr(base_lr: float, total_batch_size: int) -> float:
    """Return the peak learning rate: `base_lr` is for 64 clips in all, and scales linearly (Goyal et al. 2017)."""
    return base_lr * total_batch_size / REFERENCE_BATCH_SIZE


def stretch(scaling: Scaling, total_batch_size: int) -> float:
    """Return what the iterations of a recipe for 64 clips are multiplied by at another total batch; see the top."""
    match scaling:
        case "equal_epochs":
            return REFERENCE_BATCH_SIZE / total_batch_size
        case "equal_iterations":
            return 1.0
        case "nonlocal":
            return 1.5 ** math.log2(REFERENCE_BATCH_SIZE / total_batch_size)


def in_steps(amount: float, schedule: Schedule, *, total_batch_size: int, steps_per_epoch: int) -> int:
    """Return the optimiser steps of an amount of the schedule (a milestone, warmup or length), rounded to whole ones.

    Args:
        amount: In schedule.unit; iterations are those at a total batch of 64.
        schedule: Says the unit, and how iterations are stretched.
        steps_per_epoch: Optimiser steps in an epoch, at that total batch.
    """
    if schedule.unit == "epochs":
        return round(amount * steps_per_epoch)
    return round(amount * stretch(schedule.scaling, total_batch_size))


def length_in_steps(length: float, scaling: Scaling, *, total_batch_size: int) -> int:
    """Return the optimiser steps of a run whose length is given in iterations: at least one."""
    return max(1, round(length * stretch(scaling, total_batch_size)))


def lr_factor(step: int, schedule: Schedule, *, total_batch_size: int, steps_per_epoch: int, total_steps: int) -> float:
    """Return what the peak learning rate is multiplied with at an optimiser step.

    Args:
        total_batch_size: Clips per optimiser step; what iterations are stretched for.
        steps_per_epoch: Optimiser steps in an epoch; what units in epochs are converted with.
        total_steps: Optimiser steps of the whole run; where a cosine reaches 0.

    Returns:
        A number in [0, 1].
    """
    here = partial(in_steps, schedule=schedule, total_batch_size=total_batch_size, steps_per_epoch=steps_per_epoch)
    warmup = here(schedule.warmup)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.shape == "cosine":
        progress = (step - warmup) / max(1, total_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return schedule.factor ** sum(step >= here(milestone) for milestone in schedule.milestones)
