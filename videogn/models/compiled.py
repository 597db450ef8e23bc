"""Networks by torch.compile: one graph for training and one for evaluation, with fused norms, ReLUs and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch._functorch.config
import torch._inductor.config
from torch import Tensor

from videogn.models.input import normalize
from videogn.models.network import VideoNetwork

Run = Callable[..., Tensor]


def positions(model: VideoNetwork, views: Tensor) -> Tensor:
    """Return logits [N, K, P] at the positions of uint8 views [N, T, H, W, C]."""
    return model.positions(normalize(views, kind=model.input))


def compiled(run: Run, *, activation_memory_budget: float = 1.0) -> Run:
    """Return `run` with the kernels of torch.compile, which are made at its first call.

    Sizes are fixed: each other one is compiled again.

    Args:
        activation_memory_budget: torch's setting: the share of the activations that may be kept for the backward pass,
            0 to 1; the others are computed again. At 1 it computes again what costs next to nothing.
    """
    made = torch.compile(run, dynamic=False)

    def call(*inputs: Any) -> Tensor:
        with (
            torch._functorch.config.patch(activation_memory_budget=activation_memory_budget),
            torch._inductor.config.patch(fallback_random=True),  # dropout draws what it draws in eager mode
        ):
            return made(*inputs)

    return call
