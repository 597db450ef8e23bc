"""I3D ResNets: a 2-D ResNet inflated over time, with any of the norms, from pytorchvideo's building blocks.

Shapes: N clips, C channels, T frames, H, W, K classes. The plans are in layout.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, get_args

from torch import Tensor, nn

from videogn.models.batch_renorm import RenormBounds
from videogn.models.input import InputName
from videogn.models.layout import (
    LAYOUTS,
    NUM_BLOCKS,
    Depth,
    Layout,
    LayoutName,
    Size3,
    block_kernels,
    half,
    has_nonlocal_block,
    size_after,
    stem_kernel,
)
from videogn.models.network import VideoNetwork, check_settings
from videogn.models.norm import NormFactory, check_channels, norm_factory
from videogn.models.recompute import recomputed
from videogn.models.weight_standardization import StandardizedConv3d
from videogn.norms import NormName

with warnings.catch_warnings():
    # Importing pytorchvideo touches torch.jit, which newer versions of torch deprecate.
    warnings.filterwarnings("ignore", message=r"`torch\.jit.*")
    from pytorchvideo.layers.nonlocal_net import NonLocal, create_nonlocal
    from pytorchvideo.models.head import create_res_basic_head
    from pytorchvideo.models.resnet import ResBlock, create_bottleneck_block, create_res_block
    from pytorchvideo.models.stem import ResNetBasicStem

PartName = Literal["stem", "res2", "pool2", "res3", "res4", "res5"]


class I3D(VideoNetwork):
    """Stem, res2, pool2, res3, res4, res5, head in `blocks`: the names of PyTorchVideo's zoo.

    Args:
        layout: Strides and pools of the first ones.
        temporal: Whether kernels extend over time.
        head_pool: (T, H, W) that the last part averages into one position.
        input: What its three channels are to be; see `normalize`.
        activation_checkpointing: Parts whose activations are computed again in the backward pass; of res2 ... res5 one
            residual block at a time.
    """

    part_names = (*get_args(PartName), "head")

    def __init__(
        self,
        blocks: list[nn.Module],
        *,
        layout: Layout,
        temporal: bool,
        head_pool: Size3,
        input: InputName = "rgb",
        activation_checkpointing: Sequence[PartName] = (),
    ) -> None:
        super().__init__(blocks, head_pool=head_pool, input=input, last_norm_size=head_pool)
        self.layout = layout
        self.temporal = temporal
        for name, part in zip(self.part_names, blocks, strict=True):
            if name in activation_checkpointing:
                if isinstance(part, Stage):
                    part.recomputes_blocks = True
                self.recomputed += [*part.units()] if isinstance(part, Stage) else [part]

    def size_left(self, size: Size3) -> Size3:
        """Return (T, H, W) that leaves res5, of a clip of (T, H, W)."""
        return size_after(4, size, self.layout, temporal=self.temporal)


class Stage(nn.Module):
    """res2 ... res5: residual blocks, some followed by a non-local block.

    Args:
        nonlocal_blocks: Index of a residual block -> the non-local block behind it.
    """

    def __init__(self, res_blocks: list[nn.Module], nonlocal_blocks: dict[int, nn.Module]) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(res_blocks)
        self.nonlocal_blocks = nn.ModuleDict({str(index): block for index, block in nonlocal_blocks.items()})
        self.recomputes_blocks = False

    def units(self) -> Iterator[nn.Module]:
        """Yield the blocks in order: each residual block, and the non-local block behind it."""
        for index, block in enumerate(self.res_blocks):
            yield block
            if str(index) in self.nonlocal_blocks:
                yield self.nonlocal_blocks[str(index)]

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C, T, H, W] -> [N, C', T, H', W']."""
        for block in self.units():
            x = recomputed(block, x) if self.recomputes_blocks else block(x)
        return x


def i3d_r50(
    norm: NormName = "gn",
    *,
    num_classes: int = 400,
    num_frames: int = 32,
    crop_size: int = 224,
    layout: LayoutName = "nonlocal",
    depth: Depth = 50,
    width: int = 64,
    temporal_convs: bool = True,
    nonlocal_blocks: bool = False,
    num_groups: int | None = None,
    channels_per_group: int | None = None,
    weight_standardization: bool = False,
    input: InputName = "rgb",
    norm_batch_size: int | None = None,
    renorm: RenormBounds | None = None,
    dropout: float = 0.5,
    activation_checkpointing: Sequence[PartName] = (),
) -> I3D:
    """Build an I3D ResNet-50, or a smaller, larger or flatter sibling, freshly initialised.

    With the defaults: 28,043,472 parameters, 53 norms with 53,120 of them. Networks that differ in the norm alone start
    from the same convolution weights when built under the same torch seed.

    Args:
        norm: One of NORMS. num_groups, channels_per_group, norm_batch_size and renorm: see norm_factory.
        num_classes: K.
        num_frames: T of a training clip: the head's pool spans what is left of it. 1 for images.
        crop_size: H = W in px of a training clip: likewise.
        layout: "nonlocal" (the paper's), "slowfast" (PyTorchVideo's zoo) or "image" (a 2-D ResNet, for num_frames 1;
            it has no temporal_convs).
        depth: 50 or 101; 26 and 14 have 2 and 1 blocks a stage.
        width: Channels of the stem; res2 ... res5 have 4, 8, 16, 32 times as many.
        temporal_convs: False for C2D (Wang et al., 2018, table 1): kernels see one frame, only pools see time.
        nonlocal_blocks: Behind every second block of res3 and res4 a non-local block (embedded Gaussian, half the
            channels, pooled by 2 in space; Wang et al., sections 3.3 and 5.1): 5 at depths 50 and 101.
        weight_standardization: Standardise the kernels of stem and residual blocks (Qiao et al., 2019); meant for gn.
        input: What its three channels are to be; see `normalize`.
        dropout: Rate before the last layer.
        activation_checkpointing: Parts (stem, res2, pool2, res3, res4, res5) whose activations are computed again in
            the backward pass, not kept: less memory, more time, the same numbers.

    Raises:
        ValueError: A name or number that is not possible; groups that do not divide some layer's channels.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; expected one of {', '.join(get_args(LayoutName))}")
    if depth not in NUM_BLOCKS:
        raise ValueError(f"depth is {depth}; expected one of {', '.join(map(str, NUM_BLOCKS))}")
    if unknown := [name for name in activation_checkpointing if name not in get_args(PartName)]:
        raise ValueError(f"activation_checkpointing names {unknown}; expected some of {', '.join(get_args(PartName))}")
    check_settings(
        norm,
        width=width,
        num_classes=num_classes,
        num_frames=num_frames,
        dropout=dropout,
        weight_standardization=weight_standardization,
        input=input,
    )
    plan = LAYOUTS[layout]
    temporal = temporal_convs and plan.has_time
    factory = norm_factory(
        norm,
        num_groups=num_groups,
        channels_per_group=channels_per_group,
        norm_batch_size=norm_batch_size,
        renorm=renorm,
    )
    channels = {"stem": width}
    for index in range(4):
        channels |= {f"res{index + 2} (inner)": width * 2**index, f"res{index + 2} (output)": 4 * width * 2**index}
    check_channels(factory, channels, network=f"an I3D of width {width}")
    if layout == "image" and num_frames != 1:
        raise ValueError(
            f"layout image is for single frames, and num_frames is {num_frames}: give 1, or another layout"
        )
    clip = (num_frames, crop_size, crop_size)
    left = size_after(4, clip, plan, temporal=temporal)
    if min(left) < 1:
        raise ValueError(
            f"{num_frames} frames of {crop_size} px leave nothing for the last pool in layout {layout!r}: "
            f"give more frames or a larger crop"
        )
    if nonlocal_blocks and min(size_after(3, clip, plan, temporal=temporal)[1:]) < 2:
        raise ValueError(f"a crop of {crop_size} px leaves nothing to pool for the non-local blocks of res4: give more")
    inner = factory(num_features=8 * width)
    if left == (1, 1, 1) and isinstance(inner, nn.GroupNorm) and inner.num_groups == inner.num_channels:
        raise ValueError(
            f"norm {norm} normalises each channel by itself, and {num_frames} frames of {crop_size} px leave one value "
            f"of it in res5, which would always become 0: give more frames or a larger crop"
        )

    conv = StandardizedConv3d if weight_standardization else nn.Conv3d
    kernel = stem_kernel(temporal=temporal)
    stem = ResNetBasicStem(
        conv=conv(3, width, kernel, stride=plan.stem_stride, padding=half(kernel), bias=False),
        norm=factory(num_features=width),
        activation=nn.ReLU(inplace=True),
        pool=nn.MaxPool3d(plan.pool1_kernel, stride=plan.pool1_stride, padding=plan.pool1_padding),
    )
    stages = [
        _stage(index, depth, width, temporal=temporal, nonlocal_blocks=nonlocal_blocks, norm=factory, conv=conv)
        for index in range(4)
    ]
    pool2 = nn.MaxPool3d(plan.pool2, stride=plan.pool2) if plan.pool2 else nn.Identity()
    head = create_res_basic_head(
        in_features=32 * width,
        out_features=num_classes,
        pool_kernel_size=left,
        dropout_rate=dropout,
        output_with_global_average=False,
    )
    model = I3D(
        [stem, stages[0], pool2, *stages[1:], head],
        layout=plan,
        temporal=temporal,
        head_pool=left,
        input=input,
        activation_checkpointing=activation_checkpointing,
    )
    for module in model.modules():
        if isinstance(module, nn.Conv3d):  # NumPy's integers of pytorchvideo's would break torch.compile's graph
            module.stride = tuple(map(int, module.stride))
    initialize(model)
    return model


def initialize(model: nn.Module) -> None:
    """Return He-normal (fan-out) convolutions, normal(0, 0.01) last layer, zero gamma in the last norm of every branch.

    Sources: He et al. 2015; Goyal et al. 2017, section 5.1, for the zero gamma, which goes by the norm's place in its
    block and not by its type, so that it holds for every norm; Wang et al. 2018, section 4.1, for the normal(0, 0.01)
    convolutions and the zero gamma of non-local blocks.
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
        elif isinstance(module, NonLocal):
            for conv in (module.conv_theta, module.conv_phi, module.conv_g, module.conv_out):
                nn.init.normal_(conv.weight, std=0.01)
                nn.init.zeros_(conv.bias)
            nn.init.zeros_(module.norm.weight)


def _stage(
    index: int,
    depth: int,
    width: int,
    *,
    temporal: bool,
    nonlocal_blocks: bool,
    norm: NormFactory,
    conv: type[nn.Conv3d],
) -> Stage:
    dim_inner = width * 2**index
    build = partial(
        create_res_block,
        dim_inner=dim_inner,
        dim_out=4 * dim_inner,
        bottleneck=create_bottleneck_block,
        conv_a_stride=(1, 1, 1),  # the library's default, 2, would halve T
        conv_a=conv,
        conv_b=conv,
        conv_c=conv,
        conv_skip=conv,
        norm=norm,
    )
    res_blocks = [
        build(
            dim_in=4 * dim_inner if block else (2 * dim_inner if index else width),
            conv_a_kernel_size=kernel,
            conv_a_padding=half(kernel),
            conv_b_stride=(1, 1, 1) if block or not index else (1, 2, 2),
        )
        for block, kernel in enumerate(block_kernels(index, NUM_BLOCKS[depth][index], temporal=temporal))
    ]
    behind = {
        block: create_nonlocal(dim_in=4 * dim_inner, dim_inner=2 * dim_inner, pool_size=(1, 2, 2), norm=norm)
        for block in range(len(res_blocks))
        if nonlocal_blocks and has_nonlocal_block(index, block, depth)
    }
    return Stage(res_blocks, behind)
