"""From uint8 views to what a network takes.

Shapes: B videos, V views, T frames, H, W, C = 3 channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

# 114.75 and 57.375 on 0..255: the Non-local release's input for all three channels.
MEAN = 0.45
STD = 0.225
# Of 255: a clip that varies less is not raised to full contrast.
LEAST_STD = 1.0


def normalize(views: Tensor, *, per_clip: bool = False) -> Tensor:
    """Return normalised network input of decoded views.

    Args:
        views: uint8 [B, V, T, H, W, C] or [N, T, H, W, C], RGB, 0..255.
        per_clip: By the mean and the standard deviation of a view's own values, over T, H, W and C, instead of fixed
            ones. Deviations below one level of 255 count as one.

    Returns:
        [B * V, C, T, H, W], (x / 255 - 0.45) / 0.225, in channels_last_3d memory: which is how the views lie already,
        so nothing is moved. float32; or, under autocast, its dtype: computed in float32 and rounded once, in one pass
        and without a float32 copy where the constants are fixed.

    Raises:
        ValueError: Another dtype, or not three channels last.
    """
    if views.dtype != torch.uint8 or views.ndim not in (5, 6) or views.shape[-1] != 3:
        raise ValueError(f"expected uint8 [..., T, H, W, 3], got {views.dtype} {list(views.shape)}")
    clips = views.flatten(0, 1) if views.ndim == 6 else views
    device = clips.device
    if per_clip:
        values = clips.to(torch.float32)
        std, mean = torch.std_mean(values, dim=(1, 2, 3, 4), correction=0, keepdim=True)
        scaled = values.sub_(mean).div_(std.clamp_min(LEAST_STD))
        if torch.is_autocast_enabled(device.type):
            scaled = scaled.to(torch.get_autocast_dtype(device.type))
    elif torch.is_autocast_enabled(device.type):
        scaled = torch.empty(clips.shape, dtype=torch.get_autocast_dtype(device.type), device=device)
        torch.add(torch.full((), -MEAN / STD, device=device), clips, alpha=1 / (255 * STD), out=scaled)
    else:
        scaled = clips.to(torch.float32).sub_(255 * MEAN).div_(255 * STD)
    return scaled.permute(0, 4, 1, 2, 3)
