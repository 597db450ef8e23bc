"""Weights into a network: all or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videogn.models.weights import WeightsError
from videogn.models.weights.adapt import inflate
from videogn.models.weights.anatomy import LEAVES, Anatomy, anatomy, is_kernel
from videogn.models.weights.formats import HEAD
from videogn.models.weights.origin import MAY_BE, OTHER
from videogn.models.weights.read import Row, Weights
from videogn.norms import DEFAULT_NUM_GROUPS, NORMS, find_norm


@dataclass(frozen=True)
class LoadReport:
    """What went where.

    Attributes:
        rows: Of every tensor that was loaded: its name in the file, in the network, its shape there, what was done.
        fresh: Tensors of the network that the file has nothing for: they stay as they were initialised.
        notices: What the user should know, a sentence each.
    """

    rows: tuple[Row, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    notices: tuple[str, ...]
    num_inflated: int
    kind: str
    path: str
    sha256: str

    @property
    def summary(self) -> str:
        """One line: what was loaded from where."""
        parts = [f"{len(self.rows)} tensors from {self.path} ({self.kind})"]
        parts += [f"{self.num_inflated} kernels inflated over time"] if self.num_inflated else []
        parts += [f"{len(self.fresh)} stay freshly initialised"] if self.fresh else []
        return "; ".join(parts)


def load_weights(
    model: nn.Module,
    weights: Weights,
    *,
    norm: str,
    num_groups: int | None = None,
    channels_per_group: int | None = None,
    weight_standardization: bool = False,
    input: str = "rgb",
    layout: str | None = None,
) -> LoadReport:
    """Fill a network from weights; 2-D kernels are inflated over time. On an error the network is as it was.

    Args:
        model: An I3D, under videogn's names.
        num_groups: gn: its groups per layer (None with channels_per_group None: 32).
        channels_per_group: gn: its channels in a group.
        weight_standardization: Whether its convolutions standardize their weights.
        input: What its three channels are.
        layout: Its layout, for notices of the weights'.

    Raises:
        WeightsError: The norms, depths, widths or shapes differ, or the file lacks something that the network has and
            that is no head and no non-local block.
    """
    _check_norm(weights, norm, num_groups, channels_per_group, weight_standardization)
    state = model.state_dict()
    _check_anatomy(weights, anatomy(state))
    notices = _layout_notices(weights, layout) if layout else []
    if weights.input != input:
        if "motion" in (weights.input, input):
            raise WeightsError(
                f"{weights.path} is of a network whose input was {weights.input}; this one's is {input}: "
                f"set --model.input {weights.input}, or train from scratch"
            )
        notices.append(f"the file's network took {weights.input} clips, this one takes {input} ones")
    values: dict[str, Tensor] = {}
    rows: list[Row] = []
    num_inflated = 0
    unused = list(weights.unused)
    dropped = _dropped_head(weights, state)
    if dropped:
        notices.append(dropped)
    elif f"{HEAD}.weight" in state:
        kept = f"the file's head of {weights.anatomy.num_classes} classes is kept"
        notices.append(f"{kept}: they must be the data's classes in their order")
    sources = {row.name: row for row in weights.rows}
    for name, tensor in weights.tensors.items():
        row = sources[name]
        if name.startswith(HEAD) and (dropped or name not in state):
            unused.append(row.source)
        elif name in state:
            values[name], note = _fitted(name, tensor, state[name])
            num_inflated += values[name].shape != tensor.shape
            rows.append(Row(row.source, name, tuple(state[name].shape), ", ".join(filter(None, [note, row.note]))))
        else:
            what = "non-local blocks there: set --model.nonlocal_blocks true" if "nonlocal" in name else "such part"
            raise WeightsError(f"{weights.path} holds {row.source} ({name}); the network has no {what}")
    fresh = tuple(name for name in state if name.endswith(LEAVES) and name not in values)
    given = {_nonlocal_block(name) for name in values}
    new_blocks = sorted({_nonlocal_block(name) for name in fresh} - given - {""})
    missing = [name for name in fresh if not name.startswith(HEAD) and _nonlocal_block(name) not in new_blocks]
    if missing:
        raise WeightsError(
            f"{weights.path} lacks {len(missing)} tensors of the network: {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}"
        )
    if new_blocks:
        notices.append(f"the file has no non-local blocks {', '.join(new_blocks)}: the network's start fresh")
    if weights.layout != "image" and num_inflated:
        notices.append("the file is of a C2D: its kernels of one frame are inflated; --model.temporal_convs false: not")
    with torch.no_grad():
        for name, value in values.items():
            state[name].copy_(value)
    return LoadReport(
        tuple(rows), fresh, tuple(unused), tuple(notices), num_inflated, weights.kind, weights.path, weights.sha256
    )


def _nonlocal_block(name: str) -> str:
    """Return the non-local block that a tensor is of; empty for one that is of none."""
    return ".".join(name.split(".")[:4]) if ".nonlocal_blocks." in name else ""


def _check_norm(
    weights: Weights, norm: str, num_groups: int | None, channels_per_group: int | None, weight_standardization: bool
) -> None:
    """Refuse weights of another norm, or of other groups."""
    has, own = NORMS[weights.norm], find_norm(norm)
    if has != own and not (has.keeps_statistics and own.keeps_statistics):
        words = "group norms (no running statistics)" if "num_groups" in has.settings else f"the norm {has.name}"
        if has.keeps_statistics:
            words = "batch norms (running statistics)"
        raise WeightsError(
            f"{weights.path} has {words}; model.norm is {norm}: "
            f"set --model.norm {weights.norm}, or take a file with the other norm"
        )
    if "num_groups" in own.settings:
        theirs = (weights.num_groups, weights.channels_per_group)
        default = num_groups is None and channels_per_group is None
        ours = (DEFAULT_NUM_GROUPS if default else num_groups, channels_per_group)
        if theirs != ours:
            flag = f"--model.num_groups {theirs[0]}" if theirs[1] is None else f"--model.channels_per_group {theirs[1]}"
            got = f"{ours[0]} groups" if ours[1] is None else f"groups of {ours[1]} channels"
            raise WeightsError(f"{weights.path} has {weights.norm_words}; the network has {got}: set {flag}")
    if weights.weight_standardization != weight_standardization:
        with_, without = ("with", "without") if weights.weight_standardization else ("without", "with")
        value = str(weights.weight_standardization).lower()
        raise WeightsError(
            f"{weights.path} was trained {with_} weight standardization, the network is {without}: "
            f"set --model.weight_standardization {value}"
        )


def _check_anatomy(weights: Weights, model: Anatomy) -> None:
    file = weights.anatomy
    if file.blocks != model.blocks:
        raise WeightsError(
            f"{weights.path} is of depth {file.depth} ({_plus(file.blocks)} blocks); the network is of depth "
            f"{model.depth} ({_plus(model.blocks)}): set --model.depth {file.depth}, or take another file"
        )
    if file.width != model.width:
        raise WeightsError(
            f"{weights.path} is of width {file.width}; the network is of width {model.width}: "
            f"set --model.width {file.width}, or take another file"
        )


def _plus(blocks: tuple[int, ...]) -> str:
    return " + ".join(map(str, blocks))


def _layout_notices(weights: Weights, layout: str) -> list[str]:
    """Return for which layout the weights are taken in a network of a layout, and what that costs."""
    theirs, reason = weights.layout, f", {weights.layout_reason}" if weights.layout_reason else ""
    if theirs is None:
        return [
            f"the file does not say its layout and is taken for {layout}, the network's: if that is wrong, the file's "
            f"own scores cannot be reproduced",
            MAY_BE,
        ]
    if theirs == OTHER:
        return [
            f"WARNING: the file is of neither layout, nonlocal or slowfast{reason}",
            "it can start a training, but its own scores cannot be reproduced here (layout slowfast comes closest)",
        ]
    if theirs not in (layout, "image"):
        return [
            f"WARNING: the weights were trained in layout {theirs}, the network is {layout}: the same parameters "
            f"behind other strides and pools",
            f"the file's own scores cannot be reproduced here: set --model.layout {theirs}",
            *([f"its layout is told {weights.layout_reason}"] if reason else []),
        ]
    return [f"the file is taken for layout {theirs}{reason}"] if reason else []


def _dropped_head(weights: Weights, state: dict[str, Tensor]) -> str | None:
    """Return why the file's head is not used, or that there is none; None where it fits."""
    head, own = weights.tensors.get(f"{HEAD}.weight"), state.get(f"{HEAD}.weight")
    if own is None:
        return None
    if head is None or f"{HEAD}.bias" not in weights.tensors:
        return f"the file has no head: the network's, of {own.shape[0]} classes, starts fresh"
    if head.shape[0] != own.shape[0]:
        return f"the file's head of {head.shape[0]} classes is dropped: the network's, of {own.shape[0]}, starts fresh"
    return None


def _fitted(name: str, tensor: Tensor, own: Tensor) -> tuple[Tensor, str]:
    """Return a tensor in the shape of the network's, and what was done for it."""
    if tensor.shape == own.shape:
        return tensor, ""
    if is_kernel(name) and tensor.ndim == own.ndim == 5 and tensor.shape[2] == 1:
        inflated = inflate(tensor, own.shape[2])
        if inflated.shape == own.shape:
            return inflated, f"inflated 1 -> {own.shape[2]}"
    hint = ""
    if is_kernel(name) and tensor.ndim == own.ndim == 5 and own.shape[2] == 1 < tensor.shape[2]:
        hint = ": kernels over time do not become kernels of one frame"
    raise WeightsError(
        f"{name} has the shape {list(tensor.shape)} in the file and {list(own.shape)} in the network{hint}"
    )
