"""Activations that are computed again in the backward pass instead of kept: less memory, for a second forward.

Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from videogn.models.batch_norm import batch_norms


def recomputed(module: nn.Module, x: Tensor) -> Tensor:
    """Return module(x); of all that training needs for the backward pass, x alone is kept.

    Batch normalizations record the statistics of the first forward alone. The module must draw nothing at random.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _again(module)

    if not (module.training and torch.is_grad_enabled()):
        return module(x)
    return checkpoint(module, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)


@contextmanager
def _again(module: nn.Module) -> Iterator[None]:
    norms = batch_norms(module)
    for norm in norms:
        norm.recomputes = True
    try:
        yield
    finally:
        for norm in norms:
            norm.recomputes = False
