"""The normalizations under study, each a factory that every convolution of the network can use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from videogn.models.batch_norm import BatchNorm
from videogn.models.batch_renorm import BatchRenorm, RenormBounds
from videogn.models.fixed_norm import ChannelAffine, FrozenBatchNorm
from videogn.models.group_norm import GroupNorm
from videogn.models.sync_batch_norm import SyncBatchNorm
from videogn.norms import DEFAULT_NUM_GROUPS, NormName, divisors, find_norm

# Called as pytorchvideo's builders do: norm(num_features=C, eps=..., momentum=...).
NormFactory = Callable[..., nn.Module]


def groups_of(num_channels: int, *, num_groups: int | None, channels_per_group: int | None) -> int:
    """Return number of groups that a layer of `num_channels` channels is divided into.

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
    """Return what builds one norm layer: `factory(num_features=C, eps=1e-5, momentum=0.1) -> nn.Module`.

    Every layer has `weight` (gamma) and `bias` (beta) of C values, whatever the norm.

    Args:
        norm: One of NORMS.
        num_groups: gn: groups per layer, 32 by default (Wu & He, section 3.2).
        channels_per_group: gn: channels in a group, instead of num_groups; what small widths need.
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
    settings = find_norm(norm).settings
    for name, value in given.items():
        if value is not None and name not in settings:
            warnings.warn(f"{name}={value} has no effect: norm is {norm}", stacklevel=2)

    def build(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
        running: dict[str, Any] = {"eps": eps, "momentum": momentum}
        split = {**running, "norm_batch_size": norm_batch_size}
        groups = {"num_groups": num_groups, "channels_per_group": channels_per_group}
        layers: dict[NormName, Callable[[], nn.Module]] = {
            "gn": lambda: GroupNorm(groups_of(num_features, **groups), num_features, eps=eps),
            "bn": lambda: BatchNorm(num_features, **split),
            "sync_bn": lambda: SyncBatchNorm(num_features, **running),
            "frozen_bn": lambda: FrozenBatchNorm(num_features, eps=eps),
            "ln": lambda: GroupNorm(1, num_features, eps=eps),
            "in": lambda: GroupNorm(num_features, num_features, eps=eps),
            "brn": lambda: BatchRenorm(num_features, **split, bounds=renorm or RenormBounds()),
            "none": lambda: ChannelAffine(num_features),
        }
        return layers[norm]()

    return build


def check_channels(factory: NormFactory, channels: Mapping[str, int], *, network: str) -> None:
    """Build every norm once, by itself, so that an error can say which layer it is about.

    Raises:
        ValueError: The factory's, with the layer's name.
    """
    for name, number in channels.items():
        try:
            factory(num_features=number)
        except ValueError as error:
            raise ValueError(f"{name} of {network}: {error}") from None
