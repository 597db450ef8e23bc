"""The exponential moving average (EMA) of a network in training: what is scored and kept, beside what is trained.

After update n, counted from 0, average = d * average + (1 - d) * network, with d = min(decay, (1 + n) / (10 + n)). The
second number is a warm-up: a short run is not scored on its initialisation, whose share after N updates is at most
9! N! / (N + 9)!. Up to 9 / (1 - decay) updates, the average is over about the last ninth of the run.

Source: tf.train.ExponentialMovingAverage, with its num_updates; Szegedy et al., "Rethinking the Inception
Architecture", 2016, section 8.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# In a checkpoint: what a training needs to go on, besides the average, which takes the network's own place.
EMA_KEY = "ema"
_PREFIX = "model."  # of the network's tensors in a checkpoint


def decay_at(update: int, decay: float) -> float:
    """Return the share of the average that update n, counted from 0, leaves as it was."""
    return min(decay, (1 + update) / (10 + update))


class WeightAverage:
    """The average of a network's parameters and, where it has some, running statistics.

    Running statistics lag behind the weights that they are of. Those of an average have to lag as the average does, so
    they are averaged alike (as in TensorFlow and timm); counts of updates stay the network's. It is kept outside of the
    network: no device hears of another's, since all of them compute the same.

    Args:
        before: What `taken_from` found in a checkpoint to go on from.
    """

    def __init__(self, model: nn.Module, decay: float, *, before: dict[str, Any] | None = None) -> None:
        self.decay = decay
        self.num_updates: int = before["num_updates"] if before else 0
        self.shown = False
        # By the names that a checkpoint has; while the average is shown, these are the network's.
        self._held = {name: tensor.clone() for name, tensor in _tensors(model).items()}
        for name, tensor in before["average"].items() if before else ():
            self._held[name].copy_(tensor)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take account of the network after an optimiser step; no value is read from the device."""
        assert not self.shown
        weight = 1 - decay_at(self.num_updates, self.decay)
        torch._foreach_lerp_(list(self._held.values()), list(_tensors(model).values()), weight)
        self.num_updates += 1

    def show(self, model: nn.Module) -> None:
        """Put the average into the network, and hold what is trained meanwhile; nothing where it is there already."""
        if not self.shown:
            self._exchange(model)

    def hide(self, model: nn.Module) -> None:
        """Put what is trained back into the network; nothing where it is there already."""
        if self.shown:
            self._exchange(model)

    @torch.no_grad()
    def _exchange(self, model: nn.Module) -> None:
        # Values, not tensors: optimisers, compiled graphs and several devices know the network's tensors.
        for tensor, held in zip(_tensors(model).values(), self._held.values(), strict=True):
            before = tensor.clone()
            tensor.copy_(held)
            held.copy_(before)
        self.shown = not self.shown

    def put_into(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint one of the average, from which the training can still go on."""
        network = {name: checkpoint["state_dict"][name] for name in self._held}
        average, trained = (network, self._held) if self.shown else (self._held, network)
        checkpoint["state_dict"] = {**checkpoint["state_dict"], **average}
        checkpoint[EMA_KEY] = {"num_updates": self.num_updates, "trained": dict(trained)}

    def is_finite(self) -> bool:
        """Return whether all that is held is finite."""
        return bool(torch.stack([tensor.isfinite().all() for tensor in self._held.values()]).all())


def taken_from(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Put what is trained back into a checkpoint's state_dict; return what a WeightAverage goes on from."""
    found, state = checkpoint[EMA_KEY], checkpoint["state_dict"]
    checkpoint["state_dict"] = {**state, **found["trained"]}
    return {"num_updates": found["num_updates"], "average": {name: state[name] for name in found["trained"]}}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return what is averaged, by the names that a checkpoint has: parameters and running statistics, no counts."""
    state = model.state_dict(prefix=_PREFIX)
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
