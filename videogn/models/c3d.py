"""C3D: eight convolutions of 3x3x3 in a row and no residual branch, VGG's sibling for video, with any of the norms.

Source: Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015, section 3.3; a norm
behind each convolution, and none behind the fully connected layers, as in the VGG-16 of Wu & He, "Group Normalization",
2018, section 4.1.

Shapes: T frames, H, W.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from videogn.models.batch_renorm import RenormBounds
from videogn.models.input import InputName
from videogn.models.layout import Size3
from videogn.models.network import VideoNetwork, check_settings
from videogn.models.norm import NormFactory, check_channels, norm_factory
from videogn.models.weight_standardization import StandardizedConv3d
from videogn.norms import NormName

# Channels of the convolutions in conv1 ... conv5, and of fc6 and fc7, in multiples of the width.
_CHANNELS: tuple[tuple[int, ...], ...] = ((1,), (2,), (4, 4), (8, 8), (8, 8))
_FULLY_CONNECTED = 64
# Kernel, which is the stride too, and padding of the max pool behind each: the last is padded, such that
# 7x7 become 4x4 as in the paper.
_POOLS: tuple[tuple[Size3, Size3], ...] = (
    ((1, 2, 2), (0, 0, 0)),
    *[((2, 2, 2), (0, 0, 0))] * 3,
    ((2, 2, 2), (0, 1, 1)),
)


class C3D(VideoNetwork):
    """conv1 ... conv5, each with its max pool, and a head of fc6, fc7 and the last layer.

    The fully connected layers are convolutions: fc6's kernel is what conv5 leaves of a training clip, so a larger view
    has several positions.
    """

    part_names = ("conv1", "conv2", "conv3", "conv4", "conv5", "head")

    def size_left(self, size: Size3) -> Size3:
        """Return (T, H, W) that leaves the last pool, of a clip of (T, H, W)."""
        return _size_after(5, size)


def c3d(
    norm: NormName = "gn",
    *,
    num_classes: int = 400,
    num_frames: int = 16,
    crop_size: int = 112,
    width: int = 64,
    num_groups: int | None = None,
    channels_per_group: int | None = None,
    weight_standardization: bool = False,
    input: InputName = "rgb",
    norm_batch_size: int | None = None,
    renorm: RenormBounds | None = None,
    dropout: float = 0.5,
) -> C3D:
    """Build a C3D, freshly initialised.

    With the defaults and 101 classes: 78,412,325 parameters, 5,504 of them in 8 norms, which have the convolutions'
    biases. Networks that differ in the norm alone start from the same weights when built under the same torch seed.

    Args:
        norm: One of NORMS. num_groups, channels_per_group, norm_batch_size and renorm: see norm_factory.
        num_classes: K.
        num_frames: T of a training clip, 16 or more: fc6 spans what is left of it.
        crop_size: H = W in px of a training clip: likewise.
        width: Channels of conv1; conv2 ... conv5 have 2, 4, 8, 8 times as many, fc6 and fc7 64 times.
        weight_standardization: Standardise the kernels of conv1 ... conv5 (Qiao et al., 2019); meant for gn.
        input: What its three channels are to be; see `normalize`.
        dropout: Rate behind fc6 and fc7.

    Raises:
        ValueError: A name or number that is not possible; groups that do not divide some layer's channels.
    """
    check_settings(
        norm,
        width=width,
        num_classes=num_classes,
        num_frames=num_frames,
        dropout=dropout,
        weight_standardization=weight_standardization,
        input=input,
    )
    factory = norm_factory(
        norm,
        num_groups=num_groups,
        channels_per_group=channels_per_group,
        norm_batch_size=norm_batch_size,
        renorm=renorm,
    )
    channels = {f"conv{place}": width * each[0] for place, each in enumerate(_CHANNELS, start=1)}
    check_channels(factory, channels, network=f"a C3D of width {width}")
    clip = (num_frames, crop_size, crop_size)
    left = _size_after(5, clip)
    if min(left) < 1 or crop_size < 16:
        raise ValueError(
            f"{num_frames} frames of {crop_size} px leave nothing for the head of a C3D, whose pools halve time four "
            f"times: give at least 16 frames of 16 px"
        )
    conv = StandardizedConv3d if weight_standardization else nn.Conv3d
    parts: list[nn.Module] = []
    before = 3
    for multiples, (kernel, padding) in zip(_CHANNELS, _POOLS, strict=True):
        after = [width * multiple for multiple in multiples]
        layers = _convolutions(before, after, conv=conv, norm=factory)
        parts.append(nn.Sequential(OrderedDict(layers, pool=nn.MaxPool3d(kernel, stride=kernel, padding=padding))))
        before = after[-1]
    wide = _FULLY_CONNECTED * width
    head = OrderedDict[str, nn.Module](
        fc6=nn.Conv3d(before, wide, left),
        relu6=nn.ReLU(inplace=True),
        dropout6=nn.Dropout(dropout),
        fc7=nn.Conv3d(wide, wide, 1),
        relu7=nn.ReLU(inplace=True),
        dropout7=nn.Dropout(dropout),
        proj=nn.Conv3d(wide, num_classes, 1),
    )
    model = C3D([*parts, nn.Sequential(head)], head_pool=left, input=input, last_norm_size=_size_after(4, clip))
    _initialize(model)
    return model


def _convolutions(
    before: int, after: list[int], *, conv: type[nn.Conv3d], norm: NormFactory
) -> OrderedDict[str, nn.Module]:
    layers = OrderedDict[str, nn.Module]()
    for letter, channels in zip("ab", after, strict=False):
        layers[f"conv_{letter}"] = conv(before, channels, 3, padding=1, bias=False)
        layers[f"norm_{letter}"] = norm(num_features=channels)
        layers[f"relu_{letter}"] = nn.ReLU(inplace=True)
        before = channels
    return layers


def _initialize(model: C3D) -> None:
    """Draw He-normal (fan-in) convolutions and fully connected layers, and a normal(0, 0.01) last layer.

    Source: He et al., "Delving Deep into Rectifiers", 2015: what goes forward keeps its size at any width, without a
    norm too. (The authors' fixed deviations are for their widths.)
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(model.get_submodule("blocks.5.proj").get_parameter("weight"), std=0.01)


def _size_after(parts: int, size: Size3) -> Size3:
    """Return (T, H, W) that leaves the first `parts` of conv1 ... conv5, of a clip of (T, H, W)."""
    t, h, w = size
    for kernel, padding in _POOLS[:parts]:
        t, h, w = ((n + 2 * p - k) // k + 1 for n, k, p in zip((t, h, w), kernel, padding, strict=True))
    return t, h, w
