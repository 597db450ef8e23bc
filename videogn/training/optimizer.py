"""What an optimiser and its schedule need to know of the network and of the run."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from lightning import Trainer
from torch import nn

from videogn.training.schedule import Schedule, length_in_steps

OptimizerName = Literal["sgd", "adamw"]
NO_END = "the run has no end: give --trainer.max_steps, --trainer.max_epochs or --model.schedule.length"


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return (parameters of convolutions and linear layers, those of everything else: the norms)."""
    decayed: list[nn.Parameter] = []
    norms: list[nn.Parameter] = []
    for module in model.modules():
        group = decayed if isinstance(module, nn.Conv3d | nn.Linear) else norms
        group += module.parameters(recurse=False)
    return decayed, norms


def optimizer_of(
    model: nn.Module,
    name: OptimizerName,
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    norm_weight_decay: float,
) -> torch.optim.Optimizer:
    """Return an optimiser with a weight decay of its own for gammas and betas.

    Args:
        name: sgd, with Nesterov momentum (Wang et al. 2018, released code), or adamw (Loshchilov & Hutter 2019).
        momentum: Of the gradient; adamw's beta1. Its beta2 is 0.999.
        weight_decay: On convolutions and linear layers; adamw's is apart from the gradient, and scaled by the rate.
        norm_weight_decay: On everything else.
    """
    decayed, norms = decay_groups(model)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": norms, "weight_decay": norm_weight_decay},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=(momentum, 0.999))
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)


def end_by_schedule(trainer: Trainer, schedule: Schedule, *, total_batch_size: int) -> None:
    """Give the trainer the run's end from schedule.length, where its own settings (max_steps, max_epochs) name none.

    Call it before the trainer begins: what is not given is then still told apart from Lightning's 1000 epochs. Warns
    where the length has no effect.

    Raises:
        ValueError: The run has no end.
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
        steps = length_in_steps(schedule.length, schedule.scaling, total_batch_size=total_batch_size)
        trainer.fit_loop.epoch_loop.max_steps = steps


def limited(batches: int, limit: int | float | None) -> int:
    """Return how many of an epoch's batches are used under the trainer's limit: a number, a share or none."""
    if isinstance(limit, float):
        return int(batches * limit)
    return batches if limit is None else min(batches, limit)


def num_steps(trainer: Trainer, *, batches_per_epoch: int | None = None) -> tuple[int, int]:
    """Return the optimiser steps of (an epoch, the run).

    Args:
        trainer: Says where the run ends, and which share of an epoch it takes.
        batches_per_epoch: Of each device; default: as many as the trainer's loader has, which is made for it.

    Raises:
        ValueError: The run has no end.
    """
    if batches_per_epoch is None:
        trainer.fit_loop.setup_data()
        batches = int(trainer.num_training_batches)
    else:  # not setup_data: a run that goes on must make its loader after it knows its epoch
        batches = limited(batches_per_epoch, trainer.limit_train_batches)
    per_epoch = max(1, -(-batches // trainer.accumulate_grad_batches))
    ends = [trainer.max_steps] if trainer.max_steps >= 0 else []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.max_epochs * per_epoch)
    if not ends:
        raise ValueError(NO_END)
    return per_epoch, min(ends)
