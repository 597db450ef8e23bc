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
    with GN then keeps twice the activations, and its residual stream is float32. Here no autocast applies: the kernel
    takes half precision, sums in float32, and rounds the output, as that of batch normalization does.

    G = 1 is layer normalization, G = C instance normalization. Names are nn.GroupNorm's.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, T, H, W]; the same shape and dtype come out.

        On a CPU, the same memory format too; on a GPU, from torch 2.15 on.
        """
        on_cpu = input.device.type == "cpu"
        # GPUs' kernels take one dtype for all; a CPU's takes float32 gammas with any input.
        dtype = self.weight.dtype if on_cpu else input.dtype
        weight, bias = self.weight.to(dtype), self.bias.to(dtype)
        given = input
        if on_cpu and input.dtype != torch.float32:
            # A CPU's kernel for channels last takes the variance as E[x^2] - E[x]^2: a mean ten times the standard
            # deviation doubles the error of bf16. (In float32 that is the form of the losses on record.)
            given = input.contiguous()
        with torch.autocast(input.device.type, enabled=False):
            output = F.group_norm(given, self.num_groups, weight, bias, self.eps)
        return output.contiguous(memory_format=torch.channels_last_3d) if given is not input else output
