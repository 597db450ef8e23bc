"""The normalizations under study, each a factory that every convolution of the network can use.

Group normalization: Wu & He, "Group Normalization", ECCV 2018; in a video network it normalises over (C/G, T, H, W) of
each clip by itself. Batch normalization: Ioffe & Szegedy, 2015; over (N, T, H, W).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

from videogn.models.batch_norm import BatchNorm

NormName = Literal["gn", "bn"]
NORMS: tuple[str, ...] = get_args(NormName)
DEFAULT_NUM_GROUPS = 32  # Wu & He, section 3.2

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
) -> NormFactory:
    """Returns what builds one norm layer: `factory(num_features=C, eps=1e-5, momentum=0.1) -> nn.Module`.

    Args:
        norm: "gn" or "bn".
        num_groups: gn: groups per layer, 32 by default (Wu & He, section 3.2).
        channels_per_group: gn: channels in a group, instead of num_groups.
        norm_batch_size: bn: clips that share statistics, see BatchNorm.

    Raises:
        ValueError: An unknown norm. The factory raises it for groups that do not divide the channels.

    Warns:
        UserWarning: A setting was given that this norm does not have.
    """
    given = {"num_groups": num_groups, "channels_per_group": channels_per_group, "norm_batch_size": norm_batch_size}
    used = {"gn": {"num_groups", "channels_per_group"}, "bn": {"norm_batch_size"}}
    if norm not in used:
        raise ValueError(f"unknown norm {norm!r}; expected one of {', '.join(NORMS)}")
    for name, value in given.items():
        if value is not None and name not in used[norm]:
            warnings.warn(f"{name}={value} has no effect: norm is {norm}", stacklevel=2)

    if norm == "bn":

        def batch_norm(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
            return BatchNorm(num_features, eps=eps, momentum=momentum, norm_batch_size=norm_batch_size)

        return batch_norm

    def group_norm(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
        groups = groups_of(num_features, num_groups=num_groups, channels_per_group=channels_per_group)
        return nn.GroupNorm(groups, num_features, eps=eps)

    return group_norm
