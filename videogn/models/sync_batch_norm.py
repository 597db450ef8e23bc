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
        normalized, mean, var, count = _Synchronized.apply(group, self.eps)
        self._record(mean, var * (count / (count - 1)), count=count)
        return normalized * _like(self.weight).to(group.dtype) + _like(self.bias).to(group.dtype)


class _Synchronized(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps), mean and variance over all devices; two exchanges forward, one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        count = values.new_tensor([float(values.numel() // values.shape[1])])
        sums = torch.cat([values.sum(_ALL_BUT_CHANNELS), count])
        torch.distributed.all_reduce(sums)
        total = sums[-1]
        mean = sums[:-1] / total
        # A second pass for the variance: E[x^2] - E[x]^2 would lose what float32 has of it.
        centred = values - _like(mean)
        var = centred.square().sum(_ALL_BUT_CHANNELS)
        torch.distributed.all_reduce(var)
        var = var / total
        scale = torch.rsqrt(var + eps)
        normalized = (centred * _like(scale)).to(x.dtype)
        ctx.save_for_backward(normalized, scale, total)
        ctx.mark_non_differentiable(mean, var, total)
        return normalized, mean, var, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        normalized, scale, total = ctx.saved_tensors
        gradient, values = gradients[0].to(scale.dtype), normalized.to(scale.dtype)
        sums = torch.stack([gradient.sum(_ALL_BUT_CHANNELS), (gradient * values).sum(_ALL_BUT_CHANNELS)])
        torch.distributed.all_reduce(sums)
        mean, projection = sums / total
        result = _like(scale) * (gradient - _like(mean) - values * _like(projection))
        return result.to(normalized.dtype), None


def _like(per_channel: Tensor) -> Tensor:
    """[C] as [1, C, 1, 1, 1]."""
    return per_channel.view(1, -1, 1, 1, 1)
