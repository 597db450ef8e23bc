"""What an optimiser and its schedule need to know of the network and of the run."""

from __future__ import annotations

from lightning import Trainer
from torch import nn


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(parameters of convolutions and linear layers, those of everything else: the norms)."""
    decayed: list[nn.Parameter] = []
    norms: list[nn.Parameter] = []
    for module in model.modules():
        group = decayed if isinstance(module, nn.Conv3d | nn.Linear) else norms
        group += module.parameters(recurse=False)
    return decayed, norms


def num_steps(trainer: Trainer) -> tuple[int, int]:
    """Optimiser steps of (an epoch, the run).

    Raises:
        ValueError: The run has no end.
    """
    batches = getattr(getattr(trainer, "datamodule", None), "batches_per_epoch", None)
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
        raise ValueError("the run has no end: give --trainer.max_steps or --trainer.max_epochs")
    return per_epoch, min(ends)
