"""I3D ResNets: a 2-D ResNet inflated over time, with any of the norms, from pytorchvideo's building blocks.

Shapes: N clips, C channels, T frames, H, W, K classes.
Sources: Wang et al., "Non-local Neural Networks", CVPR 2018, and its released code (lib/models/resnet_video_org.py) for
layout "nonlocal", which is what "Group Normalization" (Wu & He, 2018, section 4.4) uses; PyTorchVideo's model zoo
(`i3d_r50`) for layout "slowfast". Both have the same parameters, under the zoo's names.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, get_args

from torch import Tensor, nn

from videogn.models.norm import NormFactory, NormName, norm_factory

with warnings.catch_warnings():
    # Importing pytorchvideo touches torch.jit, which newer versions of torch deprecate.
    warnings.filterwarnings("ignore", message=r"`torch\.jit.*")
    from pytorchvideo.models.head import create_res_basic_head
    from pytorchvideo.models.resnet import ResBlock, create_bottleneck_block, create_res_stage
    from pytorchvideo.models.stem import ResNetBasicStem

Size3 = tuple[int, int, int]
LayoutName = Literal["nonlocal", "slowfast"]
Depth = Literal[14, 26, 50, 101]

# Blocks in res2 ... res5. 14 and 26 are small ones for laptops and tests.
NUM_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    14: (1, 1, 1, 1),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}
# Temporal kernel of the first convolution in each block of res2 ... res5, repeated as often as there are blocks.
TEMPORAL_KERNELS: tuple[tuple[int, ...], ...] = ((3,), (3, 1), (3, 1), (1, 3))
STEM_KERNEL: Size3 = (5, 7, 7)
POOL2: Size3 = (2, 1, 1)


@dataclass(frozen=True)
class Layout:
    """What differs between the layouts: strides and pools before res2, all (T, H, W)."""

    stem_stride: Size3
    pool1_kernel: Size3
    pool1_stride: Size3
    pool1_padding: Size3


LAYOUTS: dict[str, Layout] = {
    "nonlocal": Layout((2, 2, 2), (2, 3, 3), (2, 2, 2), (0, 0, 0)),
    "slowfast": Layout((1, 2, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
}


class I3D(nn.Module):
    """Stem, res2, pool2, res3, res4, res5, head in `blocks`: the names of PyTorchVideo's zoo.

    Args:
        blocks: The seven parts; the last maps features to one vector of K logits at each position.
        layout: Strides and pools of the first ones.
        head_pool: (T, H, W) that the last part averages into one position.
    """

    def __init__(self, blocks: list[nn.Module], *, layout: Layout, head_pool: Size3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.layout = layout
        self.head_pool = head_pool

    def positions(self, clips: Tensor) -> Tensor:
        """Logits at every position that the head's pool finds: fully convolutional.

        Args:
            clips: float [N, 3, T, H, W], normalised. Of the training size there is one position; a 256 px view of a
                network trained at 224 px has 2 x 2.

        Returns:
            [N, K, P] logits, P = positions over time and space.

        Raises:
            ValueError: The clip is smaller than the network was made for.
        """
        self.check_size(*clips.shape[-3:])
        x = clips
        for block in self.blocks:
            x = block(x)
        return x.flatten(2)

    def check_size(self, frames: int, height: int, width: int) -> None:
        """Raises ValueError for a clip that is too small for the head's pool."""
        left = _size_at_head((frames, height, width), self.layout)
        if any(got < least for got, least in zip(left, self.head_pool, strict=True)):
            raise ValueError(
                f"a clip of {frames} frames of {height}x{width} px is too small: {left} (T, H, W) of it reach a last "
                f"pool of {self.head_pool}; give at least the frames and the crop that the network was made for"
            )

    def forward(self, clips: Tensor) -> Tensor:
        """Logits [N, K] of normalised clips [N, 3, T, H, W], averaged over positions (one, at the training size).

        Testing averages probabilities instead: softmax of `positions`, then the mean.
        """
        return self.positions(clips).mean(dim=-1)


def i3d_r50(
    norm: NormName = "gn",
    *,
    num_classes: int = 400,
    num_frames: int = 32,
    crop_size: int = 224,
    layout: LayoutName = "nonlocal",
    depth: Depth = 50,
    width: int = 64,
    num_groups: int | None = None,
    channels_per_group: int | None = None,
    norm_batch_size: int | None = None,
    dropout: float = 0.5,
) -> I3D:
    """Builds an I3D ResNet-50, or a smaller or larger sibling, freshly initialised.

    With the defaults: 28,043,472 parameters, 53 norms with 53,120 of them. Networks that differ in the norm alone start
    from the same convolution weights when built under the same torch seed.

    Args:
        norm: "gn" or "bn".
        num_classes: K.
        num_frames: T of a training clip: the head's pool spans what is left of it.
        crop_size: H = W in px of a training clip: likewise.
        layout: "nonlocal" (the paper's) or "slowfast" (PyTorchVideo's zoo).
        depth: 50 or 101; 26 and 14 have 2 and 1 blocks a stage.
        width: Channels of the stem; res2 ... res5 have 4, 8, 16, 32 times as many.
        num_groups: gn: groups per layer (32).
        channels_per_group: gn: channels in a group, instead of num_groups; what small widths need.
        norm_batch_size: bn: clips that share statistics (all of a forward).
        dropout: Rate before the last layer.

    Raises:
        ValueError: A name or number that is not possible; groups that do not divide some layer's channels.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; expected one of {', '.join(get_args(LayoutName))}")
    if depth not in NUM_BLOCKS:
        raise ValueError(f"depth is {depth}; expected one of {', '.join(map(str, NUM_BLOCKS))}")
    if width < 1 or num_classes < 1:
        raise ValueError(f"width is {width} and num_classes {num_classes}; both must be at least 1")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; expected a rate in [0, 1)")
    plan = LAYOUTS[layout]
    factory = norm_factory(
        norm, num_groups=num_groups, channels_per_group=channels_per_group, norm_batch_size=norm_batch_size
    )
    _check_channels(factory, width)

    stem = ResNetBasicStem(
        conv=nn.Conv3d(3, width, STEM_KERNEL, stride=plan.stem_stride, padding=_half(STEM_KERNEL), bias=False),
        norm=factory(num_features=width),
        activation=nn.ReLU(inplace=True),
        pool=nn.MaxPool3d(plan.pool1_kernel, stride=plan.pool1_stride, padding=plan.pool1_padding),
    )
    stages = [_stage(index, num_blocks, width, factory) for index, num_blocks in enumerate(NUM_BLOCKS[depth])]
    left = _size_at_head((num_frames, crop_size, crop_size), plan)
    if min(left) < 1:
        raise ValueError(
            f"{num_frames} frames of {crop_size} px leave nothing for the last pool in layout {layout!r}: "
            f"give more frames or a larger crop"
        )
    head = create_res_basic_head(
        in_features=32 * width,
        out_features=num_classes,
        pool_kernel_size=left,
        dropout_rate=dropout,
        output_with_global_average=False,
    )
    pool2 = nn.MaxPool3d(POOL2, stride=POOL2)
    model = I3D([stem, stages[0], pool2, *stages[1:], head], layout=plan, head_pool=left)
    initialize(model)
    return model


def initialize(model: nn.Module) -> None:
    """He-normal (fan-out) convolutions, normal(0, 0.01) last layer, zero gamma in the last norm of every branch.

    Sources: He et al. 2015; Goyal et al. 2017, section 5.1, for the zero gamma, which goes by the norm's place in its
    block and not by its type, so that it holds for every norm.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.branch2.norm_c.weight)


def _stage(index: int, num_blocks: int, width: int, norm: NormFactory) -> nn.Module:
    kernels: list[Size3] = [(t, 1, 1) for t in islice(cycle(TEMPORAL_KERNELS[index]), num_blocks)]
    return create_res_stage(
        depth=num_blocks,
        dim_in=width if index == 0 else 2 * width * 2**index,
        dim_inner=width * 2**index,
        dim_out=4 * width * 2**index,
        bottleneck=create_bottleneck_block,
        conv_a_kernel_size=kernels,
        conv_a_stride=(1, 1, 1),  # the library's default, 2, would halve T at every stage
        conv_a_padding=[_half(kernel) for kernel in kernels],
        conv_b_stride=(1, 1, 1) if index == 0 else (1, 2, 2),
        norm=norm,
        activation=nn.ReLU,
    )


def _half(kernel: Size3) -> Size3:
    return (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)


def _size_at_head(size: Size3, plan: Layout) -> Size3:
    """(T, H, W) that reaches the head's pool from a clip of (T, H, W)."""
    steps: list[tuple[Size3, Size3, Size3]] = [
        (STEM_KERNEL, plan.stem_stride, _half(STEM_KERNEL)),
        (plan.pool1_kernel, plan.pool1_stride, plan.pool1_padding),
        (POOL2, POOL2, (0, 0, 0)),
        *[((1, 3, 3), (1, 2, 2), (0, 1, 1))] * 3,
    ]
    t, h, w = size
    for kernel, stride, padding in steps:
        t, h, w = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip((t, h, w), kernel, stride, padding, strict=True))
    return t, h, w


def _check_channels(factory: NormFactory, width: int) -> None:
    """Builds every norm once, by itself, so that an error can say which layer it is about."""
    layers = [("stem", width)]
    for index in range(4):
        layers += [(f"res{index + 2} (inner)", width * 2**index), (f"res{index + 2} (output)", 4 * width * 2**index)]
    for name, channels in layers:
        try:
            factory(num_features=channels)
        except ValueError as error:
            raise ValueError(f"{name} of an I3D of width {width}: {error}") from None
