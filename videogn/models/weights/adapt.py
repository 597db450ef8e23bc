"""Single tensors of a file into the shapes and the input space of videogn's networks.

Shapes: O output channels, I input channels, t frames, kh, kw.

Input. videogn's networks take RGB, (x / 255 - 0.45) / 0.225. A 2-D network that was trained on (x / 255 - mean_c) /
std_c gets its first kernel scaled by 0.225 / std_c for each input channel c (and its channels turned from BGR to RGB
where need be), so that it sees the same contrasts. What remains is a constant: its own input was higher by
(0.45 - mean_c) / std_c, which is -0.15, -0.03 and 0.20 for ImageNet's R, G and B, and -8.0, -1.2 and 11.8 of 255 for
Detectron's. The first convolution makes a constant of it for each of its channels. Batch norm's running mean takes that
up, which is exact except at the frame's border: the padding is grey (0.45) here and was the mean colour there. A
group norm has nothing to take it up: there it is left out, like a slight tint of the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from videogn.models.input import MEAN, STD
from videogn.models.weights import WeightsError
from videogn.models.weights.anatomy import is_kernel
from videogn.models.weights.formats import HEAD, Input


def shaped(source: str, name: str, tensor: Tensor) -> tuple[Tensor, str]:
    """Return a tensor in the shape and dtype that it has here, and what was done to it."""
    note = ""
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.to(torch.float32)
    if tensor.dtype not in (torch.float32, torch.float64):
        raise WeightsError(f"{source} is {tensor.dtype}; expected floating-point numbers")
    expected = 1
    if is_kernel(name):
        expected = 5
        if tensor.ndim == 4:
            tensor = tensor.unsqueeze(2)
        elif tensor.ndim == 2 and "nonlocal" in name:
            tensor = tensor[:, :, None, None, None]
    elif name == f"{HEAD}.weight":
        expected = 2
        if tensor.ndim > 2 and tensor.shape[2:].numel() == 1:  # a convolution over one position
            tensor, note = tensor.flatten(1), f"was {list(tensor.shape)}"
    if name.startswith(HEAD) and tensor.ndim != expected:
        raise WeightsError(f"{source} has the shape {list(tensor.shape)}; expected a last layer of {expected} axes")
    if tensor.ndim != expected:
        raise WeightsError(f"{source} has the shape {list(tensor.shape)}; expected {expected} axes")
    if not tensor.to(torch.float32).isfinite().all():  # the networks' own dtype
        raise WeightsError(f"{source} holds numbers that are not finite, or not in float32")
    if name.endswith("running_var") and (tensor < 0).any():
        raise WeightsError(f"{source} holds variances below 0")
    return tensor, note


def fold_input(kernel: Tensor, trained_on: Input) -> tuple[Tensor, Tensor, str]:
    """Return the first kernel [O, 3, t, kh, kw] for videogn's input; see the head of this file.

    Returns:
        The kernel; the constant [O] by which its output now is lower than it was (borders aside); what was done.

    Raises:
        WeightsError: It takes another number of channels.
    """
    if kernel.shape[1] != 3:
        raise WeightsError(f"its first convolution takes {kernel.shape[1]} channels; expected 3")
    std = torch.tensor(trained_on.std, dtype=torch.float64)
    shifts = (MEAN - torch.tensor(trained_on.mean, dtype=torch.float64)) / std
    scales = STD / std
    notes = []
    if trained_on.bgr:
        kernel = kernel.flip(1)
        notes.append("BGR -> RGB")
    constant = torch.einsum("octhw,c->o", kernel.double(), shifts)
    if not torch.allclose(scales, torch.ones_like(scales), rtol=0, atol=1e-12):
        kernel = (kernel.double() * scales[:, None, None, None]).to(kernel.dtype)
        notes.append("x " + ", ".join(dict.fromkeys(f"{scale:.4g}" for scale in scales.tolist())))
    if not (kernel.to(torch.float32).isfinite().all() and constant.to(torch.float32).isfinite().all()):
        raise WeightsError("its first convolution, made one of videogn's input, is not finite in float32")
    return kernel, constant, ", ".join(notes)


def inflate(kernel: Tensor, num_frames: int) -> Tensor:
    """Return the kernel [O, I, t, kh, kw] that gives on a still clip what a 2-D kernel gives on the image.

    Source: Carreira & Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, section 2.2.

    Args:
        kernel: float [O, I, kh, kw] or [O, I, 1, kh, kw].
        num_frames: t; the kernel is repeated t times and divided by t.
    """
    flat = kernel if kernel.ndim == 5 else kernel.unsqueeze(2)
    assert flat.ndim == 5
    assert flat.shape[2] == 1
    return flat.repeat(1, 1, num_frames, 1, 1) / num_frames
