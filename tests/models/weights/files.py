"""Weight files as other libraries write them, from known networks, and those networks' forwards."""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

Model = TypeVar("Model", bound=nn.Module)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(32, channels)


def resnet14(norm: str = "bn", num_classes: int = 7) -> ResNet:
    """torchvision's ResNet with one bottleneck a stage: the smallest that has every name."""
    layer: Callable[..., nn.Module] = group_norm if norm == "gn" else nn.BatchNorm2d
    return ResNet(Bottleneck, [1, 1, 1, 1], num_classes=num_classes, norm_layer=layer)


def randomize(model: Model, seed: int = 0) -> Model:
    """Every gamma, beta and running statistic drawn at random: none is what an initialisation gives."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.ndim == 1:
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
            elif tensor.ndim == 2:
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
    return model


def replicate_in_time(model: nn.Module) -> None:
    """Pads convolutions over time with their border's frames: a still clip then stays still."""

    def pad(before: int) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
        return lambda _, given: (F.pad(given[0], (0, 0, 0, 0, before, before), mode="replicate"),)

    for module in model.modules():
        if isinstance(module, nn.Conv3d) and module.padding[0]:
            module.register_forward_pre_hook(pad(int(module.padding[0])))
            module.padding = (0, *module.padding[1:])


def imagenet_input(x: Tensor) -> Tensor:
    """What torchvision's networks take of the image of which x [N, 3, H, W] is what ours take."""
    mean, std = (torch.tensor(values, dtype=x.dtype)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (x * 0.225 + 0.45 - mean) / std


def pad_with_grey(model: ResNet) -> None:
    """Pads the input of a torchvision network with 0.45 instead of ImageNet's mean colour."""
    zero = imagenet_input(torch.zeros(1, 3, 1, 1, dtype=torch.float64))

    def pad(module: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        return (F.pad(given[0] - zero, (3, 3, 3, 3)) + zero,)

    model.conv1.register_forward_pre_hook(pad)
    model.conv1.padding = (0, 0)


def still_clip(image: Tensor, num_frames: int) -> Tensor:
    """[N, 3, T, H, W] of [N, 3, H, W]."""
    return image[:, :, None].repeat(1, 1, num_frames, 1, 1)


def caffe2_names(state: Mapping[str, Tensor], norm: str) -> dict[str, np.ndarray]:
    """torchvision's or our names -> Caffe2's, as ResNets were written by Detectron and the Non-local release."""
    stages = {"layer1": 2, "layer2": 3, "layer3": 4, "layer4": 5}
    ours = {"1": 2, "3": 3, "4": 4, "5": 5}
    leaves = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}
    blobs = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        path = name.split(".")
        leaf = path[-1]
        if path[0] == "fc" or name.startswith("blocks.6"):
            blob = f"pred_{leaf[0]}"
        elif name in ("conv1.weight", "blocks.0.conv.weight"):
            blob = "conv1_w"
        elif path[0] == "bn1" or name.startswith("blocks.0.norm"):
            blob = f"{'conv1_gn' if norm == 'gn' else 'res_conv1_bn'}_{leaves[leaf]}"
        elif "nonlocal_blocks" in path:
            part = path[4].removeprefix("conv_")
            end = f"bn_{leaves[leaf]}" if part == "norm" else f"{part}_{leaf[0]}"
            blob = f"nonlocal_conv{ours[path[1]]}_{path[3]}_{end}"
        elif path[0] == "blocks":
            place = f"res{ours[path[1]]}_{path[3]}"
            kind, _, letter = path[-2].partition("_")
            if kind == "branch1":
                kind, branch = letter, "branch1"
            else:
                branch = f"branch2{letter}"
            blob = f"{place}_{branch}_{norm}_{leaves[leaf]}" if kind == "norm" else f"{place}_{branch}_w"
        else:
            place = f"res{stages[path[0]]}_{path[1]}"
            if path[2] == "downsample":
                branch, is_norm = "branch1", path[3] == "1"
            else:
                branch, is_norm = f"branch2{'abc'[int(path[2][-1]) - 1]}", path[2].startswith("bn")
            blob = f"{place}_{branch}_{norm}_{leaves[leaf]}" if is_norm else f"{place}_{branch}_w"
        assert blob not in blobs
        blobs[blob] = tensor.numpy()
    return blobs


def slowfast_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names -> SlowFast's, of a network with one pathway."""
    stage = {"1": "2", "3": "3", "4": "4", "5": "5"}
    renamed = {}
    for name, tensor in state.items():
        new = name.replace("blocks.6.proj", "head.projection")
        new = re.sub(r"^blocks\.0\.conv\.", "s1.pathway0_stem.conv.", new)
        new = re.sub(r"^blocks\.0\.norm\.", "s1.pathway0_stem.bn.", new)
        new = re.sub(r"^blocks\.(\d)\.", lambda m: f"s{stage[m[1]]}.", new)
        new = re.sub(r"nonlocal_blocks\.(\d+)\.norm", r"pathway0_nonlocal\1.bn", new)
        new = re.sub(r"nonlocal_blocks\.(\d+)", r"pathway0_nonlocal\1", new)
        new = re.sub(r"res_blocks\.(\d+)\.", r"pathway0_res\1.", new)
        new = new.replace("branch1_conv", "branch1").replace("branch1_norm", "branch1_bn")
        new = re.sub(r"branch2\.conv_([abc])", r"branch2.\1", new)
        new = re.sub(r"branch2\.norm_([abc])", r"branch2.\1_bn", new)
        renamed[new] = tensor
    return renamed


def python2_pickle(blobs: Mapping[str, Any], *, wrapped: bool = True) -> bytes:
    """What Python 2's cPickle wrote of arrays and numbers at its highest protocol: byte strings, old module names."""

    def string(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def array(value: np.ndarray) -> bytes:
        contiguous = np.ascontiguousarray(value)
        shape = b"(" + b"".join(map(integer, value.shape)) + b"t"
        code = string(value.dtype.str[1:].encode())
        dtype = b"cnumpy\ndtype\n(" + code + integer(0) + integer(1) + b"tR("
        dtype += integer(3) + string(b"<") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integer(0) + b"t" + string(b"b") + b"tR"
        # contiguous.data, not value: Python 2 wrote C order.
        return start + b"(" + integer(1) + shape + dtype + b"\x89" + string(contiguous.tobytes()) + b"tb"

    items = b"}("
    for name, value in blobs.items():
        body = array(value) if isinstance(value, np.ndarray) else integer(value)
        items += string(name.encode()) + body
    items += b"u"
    return b"\x80\x02" + (b"}(" + string(b"blobs") + items + b"u" if wrapped else items) + b"."


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def save(path: Path, value: Any, *, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def dump(path: Path, value: Any, protocol: int = 2) -> Path:
    return write(path, pickle.dumps(value, protocol=protocol))
