"""The plans of the networks: strides, pools, temporal kernels, and what size is left where.

Sources: Wang et al., "Non-local Neural Networks", CVPR 2018, and its released code (lib/models/resnet_video_org.py) for
layout "nonlocal", which is what "Group Normalization" (Wu & He, 2018, section 4.4) uses; PyTorchVideo's model zoo
(`i3d_r50`, `c2d_r50`) for layout "slowfast"; He et al., 2016, with the stride on the 3x3 convolution, for "image". All
three have the same parameters under the zoo's names; those of "image" have no temporal extent.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

Size3 = tuple[int, int, int]
# "nonlocal" is called after the Non-local release, whose strides and pools it has. It says nothing of non-local blocks:
# any layout of the three has them or not, by nonlocal_blocks.
LayoutName = Literal["nonlocal", "slowfast", "image"]
Depth = Literal[14, 26, 50, 101]

# Blocks in res2 ... res5. 14 and 26 are small ones for laptops and tests.
NUM_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    14: (1, 1, 1, 1),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
# Non-local blocks follow every n-th block of (res3, res4): five at depths 50 (Wang et al., section 5.1) and 101 (the
# released code: 2 and 3 of them).
NONLOCAL_EVERY: dict[int, tuple[int, int]] = {14: (1, 1), 26: (2, 2), 50: (2, 2), 101: (2, 7)}
# Temporal kernel of the first convolution in each block of res2 ... res5, repeated as often as there are blocks.
_TEMPORAL_KERNELS: tuple[tuple[int, ...], ...] = ((3,), (3, 1), (3, 1), (1, 3))
_STEM_TEMPORAL_KERNEL = 5


@dataclass(frozen=True)
class Layout:
    """What differs between the layouts, all (T, H, W): strides and pools around res2, and whether time is convolved."""

    stem_stride: Size3
    pool1_kernel: Size3
    pool1_stride: Size3
    pool1_padding: Size3
    pool2: Size3 | None
    has_time: bool = True


LAYOUTS: dict[str, Layout] = {
    "nonlocal": Layout((2, 2, 2), (2, 3, 3), (2, 2, 2), (0, 0, 0), (2, 1, 1)),
    "slowfast": Layout((1, 2, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1), (2, 1, 1)),
    "image": Layout((1, 2, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1), None, has_time=False),
}


def stem_kernel(*, temporal: bool) -> Size3:
    """Return kernel of the first convolution."""
    return (_STEM_TEMPORAL_KERNEL if temporal else 1, 7, 7)


def block_kernels(stage: int, num_blocks: int, *, temporal: bool) -> list[Size3]:
    """Return kernels of the first convolution in each block of res2 (stage 0) ... res5 (stage 3)."""
    kernels = islice(cycle(_TEMPORAL_KERNELS[stage]), num_blocks)
    return [(kernel if temporal else 1, 1, 1) for kernel in kernels]


def has_nonlocal_block(stage: int, block: int, depth: int) -> bool:
    """Return whether a non-local block follows a block of res2 (stage 0) ... res5 (stage 3), if there are any."""
    if stage not in (1, 2):
        return False
    every = NONLOCAL_EVERY[depth][stage - 1]
    return block % every == every - 1


def size_after(stages: int, size: Size3, plan: Layout, *, temporal: bool) -> Size3:
    """Return (T, H, W) that leaves the first `stages` of res2, res3, res4, res5, of a clip of (T, H, W)."""
    stem = stem_kernel(temporal=temporal)
    steps: list[tuple[Size3, Size3, Size3]] = [
        (stem, plan.stem_stride, half(stem)),
        (plan.pool1_kernel, plan.pool1_stride, plan.pool1_padding),
        *([(plan.pool2, plan.pool2, (0, 0, 0))] if plan.pool2 else []),
        *[((1, 3, 3), (1, 2, 2), (0, 1, 1))] * (stages - 1),
    ]
    t, h, w = size
    for kernel, stride, padding in steps:
        t, h, w = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip((t, h, w), kernel, stride, padding, strict=True))
    return t, h, w


def half(kernel: Size3) -> Size3:
    """Return the padding that keeps a size under an odd kernel."""
    return (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
