"""From uint8 views to what a network takes.

Shapes: B videos, V views, T frames, H, W, C = 3 channels.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

InputName = Literal["rgb", "standardized", "motion"]

# 114.75 and 57.375 on 0..255: the Non-local release's input for all three channels.
MEAN = 0.45
STD = 0.225
# Of 255: a clip that varies less is not raised to full contrast, and one that stands still is not noise.
LEAST_STD = 1.0
LEAST_CHANGE = 0.1


def check_input(name: str, *, num_frames: int) -> None:
    """Raise ValueError for an unknown kind of input, or one that clips of so few frames can't give."""
    if name not in get_args(InputName):
        raise ValueError(f"unknown input {name!r}; expected one of {', '.join(get_args(InputName))}")
    if name == "motion" and num_frames == 1:
        raise ValueError("input is motion, and num_frames is 1: a single frame has none")


def normalize(views: Tensor, *, kind: InputName = "rgb") -> Tensor:
    """Return normalised network input of decoded views.

    Args:
        views: uint8 [B, V, T, H, W, C] or [N, T, H, W, C], RGB, 0..255.
        kind: What the three channels are.

            - "rgb": (x / 255 - 0.45) / 0.225.
            - "standardized": (x - mean) / standard deviation of the view's own values, over T, H, W and C. Deviations
              below one level of 255 count as one.
            - "motion": grey (the mean of R, G and B), standardised so; its change to the next frame (0 in the last),
              divided by the change's standard deviation, of 0.1 levels at least; and the size of that change.

    Returns:
        [B * V, C, T, H, W] in channels_last_3d memory: which is how the views lie already. float32; or, under autocast,
        its dtype: computed in float32 and rounded once; "rgb" in one pass, without a float32 copy.

    Raises:
        ValueError: Another dtype, or not three channels last.
    """
    if views.dtype != torch.uint8 or views.ndim not in (5, 6) or views.shape[-1] != 3:
        raise ValueError(f"expected uint8 [..., T, H, W, 3], got {views.dtype} {list(views.shape)}")
    clips = views.flatten(0, 1) if views.ndim == 6 else views
    device = clips.device
    if kind != "rgb":
        values = clips.to(torch.float32)
        scaled = _standardized(values) if kind == "standardized" else _motion(values)
        if torch.is_autocast_enabled(device.type):
            scaled = scaled.to(torch.get_autocast_dtype(device.type))
    elif torch.is_autocast_enabled(device.type):
        scaled = torch.empty(clips.shape, dtype=torch.get_autocast_dtype(device.type), device=device)
        torch.add(torch.full((), -MEAN / STD, device=device), clips, alpha=1 / (255 * STD), out=scaled)
    else:
        scaled = clips.to(torch.float32).sub_(255 * MEAN).div_(255 * STD)
    return scaled.permute(0, 4, 1, 2, 3)


def _standardized(values: Tensor) -> Tensor:
    """Return each of [N, ...] with mean 0 and standard deviation 1."""
    std, mean = torch.std_mean(values, dim=tuple(range(1, values.ndim)), correction=0, keepdim=True)
    return (values - mean) / std.clamp_min(LEAST_STD)


def _motion(values: Tensor) -> Tensor:
    """Return [N, T, H, W, 3]: grey, its change to the next frame, and the change's size."""
    grey = values.mean(dim=-1)
    change = torch.diff(grey, dim=1, append=grey[:, -1:])
    change = change / change.std(dim=(1, 2, 3), correction=0, keepdim=True).clamp_min(LEAST_CHANGE)
    return torch.stack([_standardized(grey), change, change.abs()], dim=-1)
