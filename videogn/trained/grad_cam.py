"""Grad-CAM through time: which places of which frames speak for a class.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
section 3, with time as a third axis.

Shapes: N views, C channels, T frames, H, W, K classes, P positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videogn.data.batch import VideoViews
from videogn.models.compiled import positions
from videogn.models.features import find_layer
from videogn.models.network import VideoNetwork


def heat_of(model: VideoNetwork, views: VideoViews, *, class_index: int, layer: str | None, batch_size: int) -> Tensor:
    """Return float32 [N, T, H, W], on the CPU: `grad_cam` of a video's views; its largest value becomes 1.

    Where nothing speaks for the class, all is 0.
    """
    batches = [range(len(views))[first : first + batch_size] for first in range(0, len(views), batch_size)]
    parts = [
        grad_cam(model, torch.stack([views[view] for view in batch]), class_index=class_index, layer=layer)
        for batch in batches
    ]
    heat = torch.cat(parts)
    return heat / heat.amax().clamp_min(torch.finfo(heat.dtype).tiny)


def grad_cam(model: VideoNetwork, views: Tensor, *, class_index: int, layer: str | None = None) -> Tensor:
    """Return float32 [N, T, H, W], 0 or more: how much each place of views [N, T, H, W, 3], uint8, speaks for a class.

    The channels of a layer, each times the mean over (T, H, W) of the gradient of the class's logit (the mean of its P
    positions), are added; what is below 0 becomes 0. The map is upsampled to the frames trilinearly, on the CPU. The
    network computes in float32, also under autocast, and must be in evaluation.

    Args:
        layer: Whose output, by the name that `model.named_modules()` has; default: what goes into the head.

    Raises:
        ValueError: There is no such layer, or its output is no [N, C, T, H, W].
    """
    module = model.blocks[-2] if layer is None else find_layer(model, layer)
    kept: list[Tensor] = []

    def keep(_: nn.Module, inputs: Any, output: Any) -> Tensor:
        if kept or not isinstance(output, Tensor) or output.ndim != 5 or isinstance(module, nn.Linear):
            raise ValueError(f"layer {layer} gives no one tensor [N, C, T, H, W] in a forward: name another")
        kept.append(output.requires_grad_())
        torch.set_grad_enabled(True)  # from here to the logits; no_grad, below, turns it off again
        return output.clone()  # what comes next may write into it (ReLU does)

    handle = module.register_forward_hook(keep)
    try:
        with torch.no_grad(), torch.autocast(views.device.type, enabled=False):
            logits = positions(model, views)  # [N, K, P]
            if not kept:
                raise ValueError(f"layer {layer} takes no part in a forward: name another")
            (gradient,) = torch.autograd.grad(logits[:, class_index].mean(dim=-1).sum(), kept)
    finally:
        handle.remove()
    weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
    heat = (weights * kept[0].detach()).sum(dim=1, keepdim=True).relu().cpu()
    return F.interpolate(heat, size=tuple(views.shape[1:4]), mode="trilinear", align_corners=False).squeeze(1)
