"""Small networks with every norm, for tests."""

import torch
from torch import nn

from videogn.models.i3d import i3d_r50
from videogn.norms import NORMS

SMALL = {"depth": 14, "width": 8, "num_frames": 8, "crop_size": 48, "num_classes": 5, "dropout": 0.0}
NORM_SETTINGS: dict[str, dict] = {
    name: {"norm": name, **({"channels_per_group": 4} if name == "gn" else {})} for name in NORMS
}


def build(norm: str, seed: int = 0, **settings) -> nn.Module:
    torch.manual_seed(seed)
    return i3d_r50(**{**SMALL, **NORM_SETTINGS[norm], **settings})


def randomize_norms(model: nn.Module, seed: int = 1) -> nn.Module:
    """Gammas, betas and running statistics at random: with zero gammas every residual branch is silent, and a test sees
    nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if not isinstance(module, nn.Conv3d | nn.Conv2d | nn.Linear):
                for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                    if tensor.is_floating_point():
                        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model


def clips(n: int, *, frames: int = 8, size: int = 48, seed: int = 2) -> torch.Tensor:
    """Normalised input [n, 3, frames, size, size]."""
    return torch.randn(n, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))
