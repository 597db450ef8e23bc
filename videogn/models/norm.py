"""The normalizations under study, each a factory that every convolution of the network can use."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

from torch import nn

from videogn.models.batch_norm import BatchNorm
from videogn.models.batch_renorm import BatchRenorm, RenormBounds
from videogn.models.fixed_norm import ChannelAffine, FrozenBatchNorm
from videogn.models.sync_batch_norm import SyncBatchNorm

NormName = Literal["gn", "bn", "sync_bn", "frozen_bn", "ln", "in", "brn", "none"]
NORMS: tuple[str, ...] = get_args(NormName)
DEFAULT_NUM_GROUPS = 32  # Wu & He, section 3.2

# The settings that each norm has; another that is given has no effect, and warns.
SETTINGS: dict[str, frozenset[str]] = {
    "gn": frozenset({"num_groups", "channels_per_group"}),
    "bn": frozenset({"norm_batch_size"}),
    "sync_bn": frozenset(),
    "frozen_bn": frozenset(),
    "ln": frozenset(),
    "in": frozenset(),
    "brn": frozenset({"norm_batch_size", "renorm"}),
    "none": frozenset(),
}

# Called as pytorchvideo's builders do: norm(num_features=C, eps=..., momentum=...).
NormFactory = Callable[..., nn.Module]


def divisors(number: int) -> list[int]:
    """All divisors of a positive number, rising."""
    return [d for d in range(1, number + 1) if number % d == 0]


def groups_of(num_channels: int, *, num_groups: int | None, channels_per_group: int | None) -> int:
    """Number of groups that a layer of `num_channels` channels is divided into.

    Raises:
        ValueError: The groups do not divide the channels; says which numbers would.
    """
    if num_groups is not None and channels_per_group is not None:
        raise ValueError("num_groups and channels_per_group say the same thing twice: give one of them")
    if channels_per_group is not None:
        if channels_per_group < 1 or num_channels % channels_per_group:
            raise ValueError(
                f"groups of {channels_per_group} channels do not divide {num_channels} channels; "
                f"channels_per_group could be one of {divisors(num_channels)}"
            )
        return num_channels // channels_per_group
    groups = DEFAULT_NUM_GROUPS if num_groups is None else num_groups
    if groups < 1 or num_channels % groups:
        raise ValueError(
            f"{groups} groups do not divide {num_channels} channels; "
            f"num_groups could be one of {divisors(num_channels)}, or give channels_per_group"
        )
    return groups


def norm_factory(
    norm: NormName,
    *,
    num_groups: int | None = None,
    channels_per_group: int | None = None,
    norm_batch_size: int | None = None,
    renorm: RenormBounds | None = None,
) -> NormFactory:
    """Returns what builds one norm layer: `factory(num_features=C, eps=1e-5, momentum=0.1) -> nn.Module`.

    Every layer has `weight` (gamma) and `bias` (beta) of C values, whatever the norm.

    Args:
        norm: One of NORMS: gn (Wu & He, 2018), over (C/G, T, H, W) of each clip; bn (Ioffe & Szegedy, 2015), over
            (N, T, H, W); sync_bn (Peng et al., 2018), over the clips of all devices; frozen_bn, bn with fixed
            statistics; ln (Ba et al., 2016), gn of 1 group; in (Ulyanov et al., 2016), gn of 1 channel a group; brn
            (Ioffe, 2017), bn corrected towards its running statistics; none, gamma and beta alone.
        num_groups: gn: groups per layer, 32 by default (Wu & He, section 3.2).
        channels_per_group: gn: channels in a group, instead of num_groups.
        norm_batch_size: bn, brn: clips that share statistics, see BatchNorm.
        renorm: brn: how far it corrects when.

    Raises:
        ValueError: An unknown norm. The factory raises it for groups that do not divide the channels.

    Warns:
        UserWarning: A setting was given that this norm does not have.
    """
    given: dict[str, Any] = {
        "num_groups": num_groups,
        "channels_per_group": channels_per_group,
        "norm_batch_size": norm_batch_size,
        "renorm": None if renorm == RenormBounds() else renorm,
    }
    if norm not in SETTINGS:
        raise ValueError(f"unknown norm {norm!r}; expected one of {', '.join(NORMS)}")
    for name, value in given.items():
        if value is not None and name not in SETTINGS[norm]:
            warnings.warn(f"{name}={value} has no effect: norm is {norm}", stacklevel=2)

    def build(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
        if norm == "gn":
            groups = groups_of(num_features, num_groups=num_groups, channels_per_group=channels_per_group)
            return nn.GroupNorm(groups, num_features, eps=eps)
        if norm == "ln":
            return nn.GroupNorm(1, num_features, eps=eps)
        if norm == "in":
            return nn.GroupNorm(num_features, num_features, eps=eps)
        if norm == "bn":
            return BatchNorm(num_features, eps=eps, momentum=momentum, norm_batch_size=norm_batch_size)
        if norm == "brn":
            bounds = renorm or RenormBounds()
            return BatchRenorm(num_features, eps=eps, momentum=momentum, norm_batch_size=norm_batch_size, bounds=bounds)
        if norm == "sync_bn":
            return SyncBatchNorm(num_features, eps=eps, momentum=momentum)
        if norm == "frozen_bn":
            return FrozenBatchNorm(num_features, eps=eps)
        return ChannelAffine(num_features)

    return build
