"""What network a set of tensors is, by videogn's names: its blocks, width, classes, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from videogn.models.weights import WeightsError
from videogn.models.weights.formats import HEAD, STAGES

# What is loaded. Counts of steps (num_batches_tracked) are another run's: batch renormalization goes by its own.
LEAVES = (".weight", ".bias", ".running_mean", ".running_var")
_BLOCK = re.compile(r"blocks\.(\d+)\.res_blocks\.(\d+)\.(.+)")
_CONV = re.compile(r".*\bconv[^.]*\.weight|.*branch1_conv\.weight")


@dataclass(frozen=True)
class Anatomy:
    """Attributes:
    blocks: Residual blocks in res2 ... res5.
    width: Channels of the stem.
    num_classes: Rows of the head; None without one.
    two_d: All kernels are of one frame.
    """

    blocks: tuple[int, ...]
    width: int
    num_classes: int | None
    two_d: bool

    @property
    def depth(self) -> int:
        """Layers, as ResNets are named: the stem, three in each block, the head."""
        return 2 + 3 * sum(self.blocks)


def is_kernel(name: str) -> bool:
    """Return whether a name is a convolution's weight."""
    return _CONV.fullmatch(name) is not None


def is_statistic(name: str) -> bool:
    """Return whether a name is a batch norm's running mean or variance."""
    return name.endswith((".running_mean", ".running_var"))


def anatomy(tensors: Mapping[str, Tensor]) -> Anatomy:
    """Return what network these are, kernels 5-D, under videogn's names.

    Raises:
        WeightsError: There is no stem, or a stage has no blocks.
    """
    stem = tensors.get("blocks.0.conv.weight")
    if stem is None:
        raise WeightsError("it holds no stem (blocks.0.conv.weight here, conv1 in most files)")
    found = [match for match in map(_BLOCK.fullmatch, tensors) if match]
    counts = tuple(len({match[2] for match in found if int(match[1]) == stage}) for stage in STAGES)
    if not all(counts):
        raise WeightsError(f"its stages res2 ... res5 have {counts} blocks; expected some in each")
    head = tensors.get(f"{HEAD}.weight")
    two_d = all(tensor.shape[2] == 1 for name, tensor in tensors.items() if is_kernel(name) and tensor.ndim == 5)
    return Anatomy(counts, stem.shape[0], None if head is None else head.shape[0], two_d)


def check_whole(tensors: Mapping[str, Tensor], *, statistics: bool) -> None:
    """Refuse tensors that are not all of a bottleneck ResNet and its norms.

    Args:
        tensors: Under videogn's names; the head and non-local blocks may be missing.
        statistics: Whether each norm has running statistics.

    Raises:
        WeightsError: Some are missing; says so of basic blocks (ResNet-18, ResNet-34).
    """
    leaves = ["weight", "bias", *(["running_mean", "running_var"] if statistics else [])]
    norms, convolutions = ["blocks.0.norm"], ["blocks.0.conv"]
    for stage, count in zip(STAGES, anatomy(tensors).blocks, strict=True):
        for block in range(count):
            unit = f"blocks.{stage}.res_blocks.{block}"
            convolutions += [f"{unit}.branch2.conv_{letter}" for letter in "abc"]
            norms += [f"{unit}.branch2.norm_{letter}" for letter in "abc"]
        convolutions.append(f"blocks.{stage}.res_blocks.0.branch1_conv")
        norms.append(f"blocks.{stage}.res_blocks.0.branch1_norm")
    if not any(".conv_c." in name for name in tensors):
        raise WeightsError(
            "its residual blocks have two convolutions (basic blocks, as in ResNet-18 and ResNet-34); "
            "expected bottlenecks of three (ResNet-50, ResNet-101)"
        )
    expected = [f"{name}.weight" for name in convolutions] + [f"{name}.{leaf}" for name in norms for leaf in leaves]
    width = anatomy(tensors).width
    for index, stage in enumerate(STAGES):
        inner = tensors.get(f"blocks.{stage}.res_blocks.0.branch2.conv_b.weight")
        if inner is not None and tuple(inner.shape[:2]) != (width * 2**index, width * 2**index):
            raise WeightsError(
                f"the 3x3 convolutions of res{index + 2} have {inner.shape[0]} channels from {inner.shape[1]}, "
                f"expected {width * 2**index} from as many: it is a network of wide or grouped bottlenecks "
                f"(ResNeXt, Wide ResNet)"
            )
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise WeightsError(
            f"{len(missing)} of {len(expected)} tensors are missing: {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''} (videogn's names)"
        )
