"""The known kinds of foreign weight files: what tells each from the others, and what its tensors are called here.

videogn's names are those of PyTorchVideo's zoo: blocks.0 the stem, blocks.1, 3, 4, 5 the stages res2 ... res5, blocks.6
the head; non-local blocks bear the index of the residual block that they follow. Imports nothing heavy: the manual page
of `videogn weights` lists these kinds.

Sources: the libraries' own models; SlowFast's utils/c2_model_loading.py for Caffe2's names; the Non-local release's
lib/core/config.py and Detectron's core/config.py and modeling/ResNet.py for inputs and names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

STAGES = (1, 3, 4, 5)  # indices of res2 ... res5 in `blocks`
HEAD = "blocks.6.proj"
UNIT = "blocks.{stage}.res_blocks.{block}"
NONLOCAL = "blocks.{stage}.nonlocal_blocks.{block}"

_CAFFE2_STAGE = {"2": "1", "3": "3", "4": "4", "5": "5"}
_CAFFE2_LEAF = {"w": "weight", "s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}
_LEAF = r"(?P<leaf>weight|bias|running_mean|running_var|num_batches_tracked)"


@dataclass(frozen=True)
class Input:
    """What a network was trained on: (x / 255 - mean) / std for x in 0..255, by channel in the order R, G, B."""

    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.225, 0.225, 0.225)
    bgr: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        mark: A file of this kind has a tensor whose name matches.
        rules: (pattern, template) pairs: a name that matches in full is the template filled with the pattern's groups.
        words: For a group, what its values are here.
        body: Names of the network proper: one that no rule knows belongs to another network.
        family: "bn", "gn", or "told" by running statistics.
        layout: The layout of its networks; None where this kind does not tell it.
    """

    name: str
    where: str
    mark: re.Pattern[str]
    rules: tuple[tuple[re.Pattern[str], str], ...]
    body: re.Pattern[str]
    stranger: str
    family: Literal["bn", "gn", "told"]
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    input: Input = Input()
    layout: str | None = None

    def rename(self, name: str) -> str | None:
        """Return videogn's name of a tensor; None for one that is none of the network's."""
        for pattern, template in self.rules:
            if match := pattern.fullmatch(name):
                groups = {key: self.words.get(key, {}).get(value, value) for key, value in match.groupdict().items()}
                return template.format(**groups)
        return None


# What all kinds have, by videogn's names: stem, blocks, shortcuts, head; then what some have, non-local blocks.
_NAMES = (
    "blocks.0.conv.{leaf}",
    "blocks.0.norm.{leaf}",
    UNIT + ".branch2.conv_{unit}.{leaf}",
    UNIT + ".branch2.norm_{unit}.{leaf}",
    UNIT + ".branch1_conv.{leaf}",
    UNIT + ".branch1_norm.{leaf}",
    HEAD + ".{leaf}",
    NONLOCAL + ".conv_{unit}.{leaf}",
    NONLOCAL + ".norm.{leaf}",
)


def _rules(*patterns: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the rules of patterns in the order of _NAMES."""
    return tuple((re.compile(pattern), name) for pattern, name in zip(patterns, _NAMES, strict=False))


RESNET_2D = Kind(
    name="torchvision / timm ResNet (2-D)",
    where="torchvision and timm resnet50 (BN) and resnet101, timm resnet50_gn, GroupNorm-reproduce's model.pth (GN); "
    "timm's resnetblur50 and resnetaa50 have the same names for another network, and can't be told from it",
    mark=re.compile(r"layer1\.0\.conv1\.weight"),
    rules=_rules(
        rf"conv1\.{_LEAF}",
        rf"bn1\.{_LEAF}",
        rf"layer(?P<stage>[1-4])\.(?P<block>\d+)\.conv(?P<unit>[123])\.{_LEAF}",
        rf"layer(?P<stage>[1-4])\.(?P<block>\d+)\.bn(?P<unit>[123])\.{_LEAF}",
        rf"layer(?P<stage>[1-4])\.(?P<block>\d+)\.downsample\.0\.{_LEAF}",
        rf"layer(?P<stage>[1-4])\.(?P<block>\d+)\.downsample\.1\.{_LEAF}",
        rf"fc\.{_LEAF}",
    ),
    words={"stage": {"1": "1", "2": "3", "3": "4", "4": "5"}, "unit": {"1": "a", "2": "b", "3": "c"}},
    body=re.compile(r"(conv1|bn1|layer\d+)\..*"),
    stranger="so it is another ResNet (a deep stem, attention, ...)",
    family="told",
    input=Input(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    layout="image",
)

DETECTRON_GN = Kind(
    name="Detectron ResNet with GN (Caffe2, 2-D)",
    where="Detectron's ImageNet models R-50-GN.pkl, R-101-GN.pkl",
    mark=re.compile(r"conv1_gn_s"),
    rules=_rules(
        r"conv1_(?P<leaf>[wb])",
        r"conv1_gn_(?P<leaf>[sb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch2(?P<unit>[abc])_(?P<leaf>[wb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch2(?P<unit>[abc])_gn_(?P<leaf>[sb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch1_(?P<leaf>[wb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch1_gn_(?P<leaf>[sb])",
        r"(pred|fc1000)_(?P<leaf>[wb])",
    ),
    words={"stage": _CAFFE2_STAGE, "leaf": _CAFFE2_LEAF},
    body=re.compile(r"(conv1|res\d)\w*(?<!_momentum)"),
    stranger="so it is another network",
    family="gn",
    input=Input(
        mean=(122.7717 / 255, 115.9465 / 255, 102.9801 / 255),  # PIXEL_MEANS, which are in the order B, G, R
        std=(1 / 255, 1 / 255, 1 / 255),
        bgr=True,
    ),
    layout="image",
)

CAFFE2_BN = Kind(
    name="Caffe2 ResNet with BN (Non-local release, SlowFast .pkl)",
    where="the Non-local release's i3d_baseline_32x2_IN_pretrain_400k.pkl and siblings, SlowFast's I3D_8x8_R50.pkl; "
    "their layouts differ, which their names alone tell: keep them",
    mark=re.compile(r"res_conv1_bn_s"),
    rules=_rules(
        r"conv1_(?P<leaf>[wb])",
        r"res_conv1_bn_(?P<leaf>s|b|rm|riv)",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch2(?P<unit>[abc])_(?P<leaf>[wb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch2(?P<unit>[abc])_bn_(?P<leaf>s|b|rm|riv)",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch1_(?P<leaf>[wb])",
        r"res(?P<stage>[2-5])_(?P<block>\d+)_branch1_bn_(?P<leaf>s|b|rm|riv)",
        r"(pred|fc1000)_(?P<leaf>[wb])",
        r"nonlocal_conv(?P<stage>[2-5])_(?P<block>\d+)_(?P<unit>theta|phi|g|out)_(?P<leaf>[wb])",
        r"nonlocal_conv(?P<stage>[2-5])_(?P<block>\d+)_bn_(?P<leaf>s|b|rm|riv)",
    ),
    words={"stage": _CAFFE2_STAGE, "leaf": _CAFFE2_LEAF},
    body=re.compile(r"(t_\w+|(conv1|res_conv1|res\d|nonlocal_conv)\w*)(?<!_momentum)"),
    stranger="so it is another network (SlowFast has two pathways)",
    family="bn",
)

SLOWFAST = Kind(
    name="SlowFast",
    where="checkpoints of SlowFast's I3D (.pyth)",
    mark=re.compile(r"s1\.pathway0_stem\..*"),
    rules=_rules(
        rf"s1\.pathway0_stem\.conv\.{_LEAF}",
        rf"s1\.pathway0_stem\.bn\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_res(?P<block>\d+)\.branch2\.(?P<unit>[abc])\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_res(?P<block>\d+)\.branch2\.(?P<unit>[abc])_bn\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_res(?P<block>\d+)\.branch1\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_res(?P<block>\d+)\.branch1_bn\.{_LEAF}",
        rf"head\.projection\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_nonlocal(?P<block>\d+)\.conv_(?P<unit>theta|phi|g|out)\.{_LEAF}",
        rf"s(?P<stage>[2-5])\.pathway0_nonlocal(?P<block>\d+)\.bn\.{_LEAF}",
    ),
    words={"stage": _CAFFE2_STAGE},
    body=re.compile(r"s\d.*"),
    stranger="so it is another network (a SlowFast has two pathways: pathway0 and pathway1)",
    family="bn",
    layout="slowfast",
)

# Its names are videogn's.
_ZOO_LAYER = r"0\.(conv|norm)|[1345]\.res_blocks\.\d+\.(branch1_(conv|norm)|branch2\.(conv|norm)_[abc])|6\.proj"
ZOO = Kind(
    name="PyTorchVideo zoo",
    where="PyTorchVideo's model zoo: I3D_8x8_R50.pyth, C2D_8x8_R50.pyth (kernels of one frame are inflated)",
    mark=re.compile(r"blocks\.0\.conv\.weight|blocks\.\d+\.(multipathway_)?(res_)?blocks\..*"),
    rules=((re.compile(rf"(?P<name>blocks\.({_ZOO_LAYER})\.{_LEAF})"), "{name}"),),
    body=re.compile(r"blocks\..*"),
    stranger="so it is another network of the zoo (its I3D has a pool in blocks.2, stages in blocks.1, 3, 4, 5)",
    family="bn",
    layout="slowfast",
)

KINDS = (RESNET_2D, DETECTRON_GN, CAFFE2_BN, SLOWFAST, ZOO)


def recognise(names: Collection[str]) -> Kind | None:
    """Return the kind of a file by its tensors' names; None for an unknown one."""
    for kind in KINDS:
        if any(kind.mark.fullmatch(name) for name in names):
            return kind
    return None
