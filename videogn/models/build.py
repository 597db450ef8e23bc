"""Networks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from videogn.models.c3d import c3d
from videogn.models.i3d import i3d_r50
from videogn.models.network import VideoNetwork

NetworkName = Literal["i3d", "c3d"]

# What I3D alone has, at what it is by default.
OF_I3D: Mapping[str, Any] = {
    "layout": "nonlocal",
    "depth": 50,
    "temporal_convs": True,
    "nonlocal_blocks": False,
    "activation_checkpointing": (),
}


def build_network(network: NetworkName = "i3d", **settings: Any) -> VideoNetwork:
    """Return a network, freshly initialised.

    Args:
        network: i3d or c3d.
        settings: As `i3d_r50` and `c3d` take them. Of c3d, those of I3D alone may be None or at I3D's defaults.

    Raises:
        ValueError: A setting that is not possible, or that the network does not have.
    """
    if network == "i3d":
        return i3d_r50(**settings)
    if network != "c3d":
        raise ValueError(f"unknown network {network!r}; expected one of {', '.join(get_args(NetworkName))}")
    for name, default in OF_I3D.items():
        value = settings.pop(name, None)
        if value is not None and (tuple(value) if isinstance(default, tuple) else value) != default:
            raise ValueError(f"{name} is {value!r}, and network {network} has no {name}: leave it at {default!r}")
    return c3d(**settings)
