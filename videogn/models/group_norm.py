"""Group normalization that costs in half precision what batch normalization costs.

Shapes: N clips, C channels, T frames, H, W, G groups.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """Group normalization over (C/G, T, H, W) of each clip; the output has the input's dtype (Wu & He, 2018).

    Under CUDA's autocast nn.GroupNorm computes in float32, and batch normalization in half precision: the same network
    with GN then keeps twice the activations, and its residual stream is float32. Here no autocast applies. The kernel
    computes statistics in float32 and rounds the output once, as that of batch normalization does.

    G = 1 is layer normalization, G = C instance normalization. Names are nn.GroupNorm's.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, T, H, W]; the same shape and dtype come out."""
        # CUDA's kernel takes one dtype for all; a CPU's takes float32 gammas with any input.
        dtype = input.dtype if input.is_cuda else self.weight.dtype
        weight, bias = self.weight.to(dtype), self.bias.to(dtype)
        with torch.autocast(input.device.type, enabled=False):
            return F.group_norm(input, self.num_groups, weight, bias, self.eps)
