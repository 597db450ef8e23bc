"""From an image network's kernels to a video network's.

Shapes: O output channels, I input channels, kh, kw, t frames.
Source: Carreira & Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, section 2.2.
"""

from __future__ import annotations

from torch import Tensor


def inflate(kernel: Tensor, num_frames: int) -> Tensor:
    """The kernel [O, I, t, kh, kw] that gives on a still clip what a 2-D kernel gives on the image.

    Args:
        kernel: float [O, I, kh, kw] or [O, I, 1, kh, kw].
        num_frames: t; the kernel is repeated t times and divided by t.
    """
    flat = kernel if kernel.ndim == 5 else kernel.unsqueeze(2)
    assert flat.ndim == 5
    assert flat.shape[2] == 1
    return flat.repeat(1, 1, num_frames, 1, 1) / num_frames
