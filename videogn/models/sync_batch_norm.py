"""Batch normalization over the clips of all devices.

Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor

from videogn.models.batch_norm import BatchNorm, devices_share

_ALL_BUT_CHANNELS = (0, 2, 3, 4)


class SyncBatchNorm(BatchNorm):
    """Batch normalization over (N, T, H, W) of the clips of all devices (Peng et al., "MegDet", 2018).

    The normalisation batch is device batch x number of devices. On one device it is BatchNorm. Unlike
    torch.nn.SyncBatchNorm it runs on CPUs too, and keeps BatchNorm's definition of running statistics.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def _normalize_group(self, group: Tensor) -> Tensor:
        if not devices_share() or torch.distributed.get_world_size() == 1:
            return super()._normalize_group(group)
        output, mean, var, count = _Synchronized.apply(group, self.weight, self.bias, self.eps)
        self._record(mean, var * (count / (count - 1)), count=count)
        return output


class _Synchronized(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * gamma + beta, mean and variance over all devices.

    Two exchanges forward, one backward. Half-precision x is converted to float32, and the result is rounded once.
    Kept for backward: x as it came, and vectors of C.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dtype = torch.promote_types(x.dtype, torch.float32)
        count = x.new_full((1,), x.numel() // x.shape[1], dtype=dtype)
        sums = torch.cat([x.sum(_ALL_BUT_CHANNELS, dtype=dtype), count])
        torch.distributed.all_reduce(sums)
        total = sums[-1]
        mean = sums[:-1] / total
        # A second pass for the variance: E[x^2] - E[x]^2 would lose what float32 has of it.
        centred = x - _like(mean)
        var = centred.square().sum(_ALL_BUT_CHANNELS)
        torch.distributed.all_reduce(var)
        var = var / total
        scale = torch.rsqrt(var + eps)
        output = (centred * _like(scale) * _like(weight) + _like(bias)).to(x.dtype)
        ctx.save_for_backward(x, weight, mean, scale, total)
        ctx.mark_non_differentiable(mean, var, total)
        return output, mean, var, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, total = ctx.saved_tensors
        gradient, normalized = gradients[0].to(scale.dtype), (x - _like(mean)) * _like(scale)
        # This device's share of gamma's and beta's gradients; x's needs those of all devices.
        of_bias, of_weight = gradient.sum(_ALL_BUT_CHANNELS), (gradient * normalized).sum(_ALL_BUT_CHANNELS)
        sums = torch.stack([of_bias, of_weight])
        torch.distributed.all_reduce(sums)
        offset, projection = sums / total
        of_x = _like(scale * weight) * (gradient - _like(offset) - normalized * _like(projection))
        return of_x.to(x.dtype), of_weight, of_bias, None


def _like(per_channel: Tensor) -> Tensor:
    """Return [C] as [1, C, 1, 1, 1]."""
    return per_channel.view(1, -1, 1, 1, 1)
