"""What stands in a norm's place and computes no statistics: frozen batch normalization, and none.

Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FrozenBatchNorm(nn.BatchNorm3d):
    """Batch normalization with fixed statistics: an affine map in training too, the paper's BN*.

    gamma and beta learn; mean and variance stay those of the weights that a run starts from (Wu & He, 2018, section
    4.2). From scratch they are 0 and 1, and it is norm "none" except for epsilon. Names are nn.BatchNorm3d's.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps=eps)

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, T, H, W]; the same shape comes out."""
        self._check_input_dim(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class ChannelAffine(nn.Module):
    """gamma * x + beta for each channel: a norm's parameters without its normalization.

    Where it is the last of a residual branch its gamma starts at zero as every norm's does: each block starts as its
    shortcut, which is what lets a network without normalization train at all (De & Smith, "Batch Normalization Biases
    Residual Blocks Towards the Identity Function", 2020: SkipInit, here a gate for each channel).
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, T, H, W]; the same shape comes out."""
        if input.dtype in (torch.float16, torch.bfloat16):
            # The kernel of batch normalization, with mean 0 and variance 1 (epsilon in it, which must be positive): it
            # computes in float32, rounds once, and keeps no float32 copy for backward. addcmul would keep one under
            # CUDA's autocast.
            mean, var = torch.zeros_like(self.weight), torch.full_like(self.weight, 0.5)
            return F.batch_norm(input, mean, var, self.weight, self.bias, eps=0.5)
        # In float32 that kernel sums gamma's gradient in another order: the losses on record would change in last bits.
        weight, bias = (vector.view(1, -1, 1, 1, 1) for vector in (self.weight, self.bias))
        return torch.addcmul(bias, input, weight)
