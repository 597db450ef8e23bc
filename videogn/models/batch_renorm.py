"""Batch renormalization: batch statistics corrected towards the running ones, within bounds that widen in training.

Source: Ioffe, "Batch Renormalization", 2017. Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from videogn.models.batch_norm import BatchNorm


@dataclass(frozen=True)
class RenormBounds:
    """How far batch renormalization may correct, by the number of optimiser steps done.

    Up to `start` nothing is corrected (batch normalization); then the bounds widen linearly. The defaults are the
    paper's (section 4) for a run of some 100,000 steps: a shorter run needs smaller numbers. Wu & He (2018, section
    4.1) use r_max 1.5 and d_max 0.5 for batches of 4.

    Args:
        r_max: Largest scale, and 1/r_max the smallest, at the end; 1: none.
        d_max: Largest shift, in standard deviations, at the end; 0: none.
        start: Steps without correction.
        r_end: Step at which r_max is reached.
        d_end: Step at which d_max is reached.

    Raises:
        ValueError: r_max below 1, d_max below 0, or an end before the start.
    """

    r_max: float = 3.0
    d_max: float = 5.0
    start: int = 5_000
    r_end: int = 40_000
    d_end: int = 25_000

    def __post_init__(self) -> None:
        if self.r_max < 1 or self.d_max < 0:
            raise ValueError(f"renorm.r_max is {self.r_max} and renorm.d_max {self.d_max}; expected >= 1 and >= 0")
        if not 0 <= self.start <= min(self.r_end, self.d_end):
            raise ValueError(
                f"renorm.start is {self.start}, r_end {self.r_end}, d_end {self.d_end}; "
                f"expected 0 <= start <= r_end and d_end"
            )

    def at(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """Return (largest r, largest d) after `step` optimiser steps; all three without dimensions, on one device."""
        return 1 + (self.r_max - 1) * self._share(step, self.r_end), self.d_max * self._share(step, self.d_end)

    def _share(self, step: Tensor, end: int) -> Tensor:
        rising = ((step - self.start) / max(1, end - self.start)).clamp(0, 1)
        return torch.where(step >= end, 1.0, rising)


class BatchRenorm(BatchNorm):
    """BatchNorm whose training output is x_hat * r + d, then gamma and beta (Ioffe 2017, algorithm 1).

    r = sigma_batch / sigma_running in [1/r_max, r_max] and d = (mu_batch - mu_running) / sigma_running in
    [-d_max, d_max] are constants for the gradient. Steps are counted by `num_batches_tracked`. Groups of
    `norm_batch_size` clips and running statistics are BatchNorm's; so is evaluation.

    r compares two kinds of variance: the batch's is biased, the running one is unbiased, as in PyTorch. So r is below 1
    on average even where nothing drifts: its root mean square is sqrt((n - 1) / n) for n values a channel (0.87 at 4).
    This is wanted: with wide bounds the training output equals the evaluation output exactly, which is what batch
    renormalization is for.

    Args:
        num_features: C.
        eps: Added to the variance.
        momentum: Weight of the new statistics in one update (0.1 in our networks, as for BN; the paper's runs: 0.01).
        norm_batch_size: Clips that share statistics.
        bounds: How far it may correct, step by step.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        norm_batch_size: int | None = None,
        bounds: RenormBounds = RenormBounds(),
    ) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum, norm_batch_size=norm_batch_size)
        self.bounds = bounds

    def _normalize_group(self, group: Tensor) -> Tensor:
        if self.recomputes and not self.defer_update:
            # These statistics are not those of the first forward, and the gradients would be another function's.
            raise RuntimeError("activation checkpointing of brn needs defer_update: running statistics have moved on")
        count = group.numel() // self.num_features
        if group.dtype in (torch.float16, torch.bfloat16):
            # Statistics first, then one kernel that does the rest in float32: the output is rounded once, and the
            # group is all of its size that is kept for backward.
            with torch.no_grad():
                mean, var = self._native(group, None, None)[1:]
            output, mean, var = self._native(group, *self._corrected_affine(mean, var, count=count))
        else:
            # In float32 that form rounds elsewhere: the losses on record would change in their last bits.
            output, mean, var = self._native(group, None, None)
            scale, shift = (vector.view(1, -1, 1, 1, 1) for vector in self._corrected_affine(mean, var, count=count))
            output = output * scale + shift
        self._record(mean, var, count=count)
        return output

    def _corrected_affine(self, mean: Tensor, var: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
        """Return (gamma * r, gamma * d + beta), [C] each, for mean and unbiased variance of `count` values."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            r_max, d_max = self.bounds.at(self.num_batches_tracked)
            running = torch.sqrt(self.running_var + self.eps)
            r = (torch.sqrt(var * ((count - 1) / count) + self.eps) / running).clamp(1 / r_max, r_max)
            d = ((mean - self.running_mean) / running).clamp(-d_max, d_max)
        return self.weight * r, self.weight * d + self.bias
