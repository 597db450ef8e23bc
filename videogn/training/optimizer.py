"""What an optimiser and its schedule need to know of the network and of the run."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from lightning import Trainer
from torch import nn

from videogn.training.schedule import Schedule, in_steps

NO_END = "the run has no end: give --trainer.max_steps, --trainer.max_epochs or --model.schedule.length"


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(parameters of convolutions and linear layers, those of everything else: the norms)."""
    decayed: list[nn.Parameter] = []
    norms: list[nn.Parameter] = []
    for module in model.modules():
        group = decayed if isinstance(module, nn.Conv3d | nn.Linear) else norms
        group += module.parameters(recurse=False)
    return decayed, norms


def sgd(
    model: nn.Module, *, lr: float, momentum: float, weight_decay: float, norm_weight_decay: float
) -> torch.optim.SGD:
    """SGD with Nesterov momentum and a weight decay of its own for gammas and betas."""
    decayed, norms = decay_groups(model)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": norms, "weight_decay": norm_weight_decay},
    ]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)


def end_by_schedule(trainer: Trainer, schedule: Schedule, *, total_batch_size: int) -> None:
    """Gives the trainer the run's end from schedule.length, where its own settings (max_steps, max_epochs) name none.

    Call it before the trainer begins: what is not given is then still told apart from Lightning's 1000 epochs. Warns
    where the length has no effect.

    Raises:
        ValueError: Nobody names an end.
    """
    given = {"max_steps": trainer.max_steps, "max_epochs": trainer.max_epochs}
    given = {name: value for name, value in given.items() if value is not None and value >= 0}
    if schedule.length is None:
        if not given:
            raise ValueError(NO_END)
    elif given:
        ends = " and ".join(f"trainer.{name} {value}" for name, value in given.items())
        warnings.warn(f"schedule.length {schedule.length:,.9g} has no effect beside {ends}", stacklevel=2)
    elif schedule.unit == "epochs":
        trainer.fit_loop.max_epochs = int(schedule.length)
    else:
        length = in_steps(schedule.length, schedule, total_batch_size=total_batch_size, steps_per_epoch=1)
        trainer.fit_loop.epoch_loop.max_steps = max(1, length)


def num_steps(trainer: Trainer, datamodule: Any = None) -> tuple[int, int]:
    """Optimiser steps of (an epoch, the run).

    Args:
        trainer: Says where the run ends.
        datamodule: Says how long an epoch is; default: the trainer's own, which it has once it fits.

    Raises:
        ValueError: The run has no end.
    """
    batches = getattr(datamodule or getattr(trainer, "datamodule", None), "batches_per_epoch", None)
    if batches is None:
        trainer.fit_loop.setup_data()
        batches = trainer.num_training_batches
    elif isinstance(trainer.limit_train_batches, float):
        # Not setup_data: a run that goes on must make its loader after it knows its epoch.
        batches = int(batches * trainer.limit_train_batches)
    elif trainer.limit_train_batches is not None:
        batches = min(batches, trainer.limit_train_batches)
    per_epoch = max(1, -(-int(batches) // trainer.accumulate_grad_batches))
    ends = [trainer.max_steps] if trainer.max_steps >= 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.max_epochs * per_epoch)
    if not ends:
        raise ValueError(NO_END)
    return per_epoch, min(ends)
