"""Batch normalization whose normalisation batch is a setting, not an accident of memory.

Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm3d):
    """Batch normalization over (N, T, H, W) in groups of `norm_batch_size` clips (Ioffe & Szegedy, 2015).

    A forward of N clips in training is normalised in N / norm_batch_size groups, exactly as that many separate
    forwards would be: the *normalisation batch* (what the paper calls the batch size per GPU) no longer depends on
    how many clips fit on a device.

    Running statistics are defined once for both ways of getting small normalisation batches, splitting one forward and
    accumulating several: one momentum update from the mean, over all groups since the last update, of their means and
    (unbiased) variances. By default that happens at the end of each forward, as in PyTorch; with `defer_update` it
    happens in `update_running_statistics`, once per optimiser step, over the groups of all devices. In evaluation this
    is nn.BatchNorm3d, and so are its parameters' and buffers' names.

    Args:
        num_features: C.
        eps: Added to the variance.
        momentum: Weight of the new statistics in one update (PyTorch's sense).
        norm_batch_size: Clips that share statistics; must divide N. None: all N.
    """

    def __init__(
        self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, norm_batch_size: int | None = None
    ) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)
        if norm_batch_size is not None and norm_batch_size < 1:
            raise ValueError(f"norm_batch_size is {norm_batch_size}; it must be at least 1 clip")
        self.norm_batch_size = norm_batch_size
        self.defer_update = False
        # Where precise statistics gather while they are re-estimated; running statistics then rest.
        self.population: PopulationStatistics | None = None
        # Sums over the groups seen since the last update: mean [C], variance [C], number of groups [1]. Not a buffer:
        # no checkpoint and no broadcast may carry it. A tensor throughout, so that torch.compile sees one graph.
        self._sums: Tensor | None = None
        # Groups of the next forward, counted from 0, that show no clip at all: they are normalised, and leave no trace.
        self.without_clips: frozenset[int] = frozenset()
        # Whether a forward is made again for the backward pass: what it shows was seen before.
        self.recomputes = False
        self._leaves_trace = True

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, T, H, W]; the same shape comes out.

        Raises:
            ValueError: In training, N is no multiple of norm_batch_size, or a group has one value per channel.
        """
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        size = self.norm_batch_size or len(input)
        if len(input) % size:
            raise ValueError(
                f"a forward of {len(input)} clips can't be split into normalisation batches of {size}: "
                f"norm_batch_size must divide the device batch"
            )
        outputs = []
        for place, group in enumerate(input.split(size)):
            self._leaves_trace = not self.recomputes and place not in self.without_clips
            outputs.append(self._normalize_group(group))
        if not (self.defer_update or self.recomputes or self.population):
            update_running_statistics([self])
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _normalize_group(self, group: Tensor) -> Tensor:
        """Normalise clips that share statistics, and hand their statistics to `_record`."""
        output, mean, var = self._native(group, self.weight, self.bias)
        self._record(mean, var, count=group.numel() // self.num_features)
        return output

    def _native(self, group: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return (normalised group, its mean [C], its unbiased variance [C]) by the library's kernel."""
        assert self.running_mean is not None
        assert self.running_var is not None
        # With momentum 1 the kernel leaves the group's own statistics in these two.
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        output = F.batch_norm(group, mean, var, weight, bias, training=True, momentum=1.0, eps=self.eps)
        return output, mean, var

    def _record(self, mean: Tensor, var: Tensor, *, count: int | Tensor) -> None:
        """Take note of a group: its mean and unbiased variance [C] over `count` values a channel."""
        if not self._leaves_trace:
            return
        if self.population is not None:
            self.population.add(mean, var * ((count - 1) / count))
            return
        if self._sums is None:
            self.forget()
        assert self._sums is not None
        self._sums += torch.cat([mean, var, mean.new_ones(1)])

    def forget(self) -> None:
        """Forget the groups since the last update."""
        assert self.running_mean is not None
        self._sums = self.running_mean.new_zeros(2 * self.num_features + 1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, norm_batch_size={self.norm_batch_size}"


@torch.no_grad()
def update_running_statistics(norms: Sequence[BatchNorm]) -> None:
    """Make one momentum update in each norm, from all groups since the last one; none where there were no groups.

    The groups of all devices belong to the update, where `defer_update` is set: one exchange for all norms. No value is
    read from the device.

    Args:
        norms: Of one network, which its forwards have all passed as often.
    """
    if not norms:
        return
    for norm in norms:
        if norm._sums is None:
            norm.forget()
    own = [norm._sums for norm in norms if norm._sums is not None]
    sums = torch.cat(own)
    if norms[0].defer_update and devices_share():
        torch.distributed.all_reduce(sums)  # one vector: one exchange
    count = sums[-1:]  # of groups: every forward passes all norms
    running = [
        vector for norm in norms for vector in (norm.running_mean, norm.running_var, count) if vector is not None
    ]
    seen = count > 0  # a clip on any device
    statistics = torch.where(seen, sums / count, torch.cat(running)).split([len(vector) for vector in running])
    for norm, mean, var in zip(norms, statistics[::3], statistics[1::3], strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var, norm.momentum)
        norm.num_batches_tracked += seen[0]
    torch._foreach_zero_(own)


class PopulationStatistics:
    """Mean and variance of a population seen in groups of equal size: E[x] and E[x^2] - E[x]^2.

    Source: the Non-local release's lib/utils/bn_helper.py; Wu & Johnson, "Rethinking 'Batch' in BatchNorm", 2021,
    section 3. Sums are float64: the difference of two close numbers.
    """

    def __init__(self, num_features: int, device: torch.device) -> None:
        self._sums = torch.zeros(2, num_features, dtype=torch.float64, device=device)
        self._num_clip_groups = 0

    @torch.no_grad()
    def add(self, mean: Tensor, var: Tensor) -> None:
        """Add a group: its mean [C] and its (biased) variance [C]."""
        mean, var = mean.double(), var.double()
        self._sums += torch.stack([mean, var + mean.square()])
        self._num_clip_groups += 1

    def result(self) -> tuple[Tensor, Tensor]:
        """Return (mean [C], biased variance [C]), float64, over the groups of all devices.

        Raises:
            ValueError: No group was added.
        """
        sums = torch.cat([self._sums.flatten(), self._sums.new_tensor([float(self._num_clip_groups)])])
        if devices_share():
            torch.distributed.all_reduce(sums)
        if not sums[-1]:
            raise ValueError("no batch was seen: there is nothing to estimate statistics from")
        mean, square = (sums[:-1] / sums[-1]).view(2, -1)
        return mean, (square - mean.square()).clamp_min(0)


def batch_norms(model: nn.Module) -> list[BatchNorm]:
    """Return the batch normalizations of a model, in order; empty for a model that has other norms."""
    return [module for module in model.modules() if isinstance(module, BatchNorm)]


def devices_share() -> bool:
    """Return whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
