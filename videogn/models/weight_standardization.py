"""Convolutions whose kernels are standardised: for group normalization with small batches.

Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", 2019; epsilon
inside the root, as in Big Transfer (Kolesnikov et al., 2020) and timm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

EPS = 1e-6


class StandardizedConv3d(nn.Conv3d):
    """nn.Conv3d whose kernel has mean 0 and variance 1 over its fan-in, for each output channel, in every forward."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Computed again in the backward pass: kept would be two more float32 copies of every kernel.
        kernel = checkpoint(standardize, weight, use_reentrant=False, preserve_rng_state=False)
        return super()._conv_forward(input, kernel, bias)


def standardize(kernel: Tensor) -> Tensor:
    """Return [O, I, T, H, W] with mean 0 and variance 1 over (I, T, H, W)."""
    var, mean = torch.var_mean(kernel, dim=(1, 2, 3, 4), correction=0, keepdim=True)
    return (kernel - mean) * torch.rsqrt(var + EPS)
