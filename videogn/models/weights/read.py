"""From a weights file of any known kind to tensors under videogn's names.

Shapes: O output channels, I input channels, t frames, kh, kw, K classes, F features, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from videogn.models.weights import WeightsError
from videogn.models.weights.adapt import fold_input, shaped
from videogn.models.weights.anatomy import LEAVES, Anatomy, anatomy, check_whole, is_kernel, is_statistic
from videogn.models.weights.containers import Contents, read_file
from videogn.models.weights.formats import KINDS, Input, Kind, recognise
from videogn.models.weights.origin import MAY_BE, OTHER, layout_told
from videogn.norms import DEFAULT_NUM_GROUPS, NORMS


@dataclass(frozen=True)
class Row:
    """One tensor's way: its name in the file, its name here, its shape, and what was done to it."""

    source: str
    name: str
    shape: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True)
class Weights:
    """What a file holds for an I3D ResNet.

    Attributes:
        tensors: Under videogn's names: kernels float [O, I, t, kh, kw] (t = 1 from 2-D networks, not yet inflated),
            norms [C], head [K, F] and [K]. float32, or float64 where the file has it.
        norm: The norm that the weights were trained with: "bn" or "gn" of foreign files, any of videogn's of its own.
        channels_per_group: gn: channels in a group, where that was the setting.
        layout: The layout that they were trained in, where known; "other" where it is known to be none of videogn's.
        unused: Names in the file that are not used, with the reason where there is one to give.
        layout_reason: What tells the layout, where that is not the kind of file.
    """

    tensors: dict[str, Tensor]
    kind: str
    norm: str
    num_groups: int | None
    channels_per_group: int | None
    weight_standardization: bool
    layout: str | None
    path: str
    sha256: str
    rows: tuple[Row, ...]
    unused: tuple[str, ...]
    layout_reason: str = ""
    is_own: bool = False
    input: str = "rgb"

    @property
    def anatomy(self) -> Anatomy:
        """Blocks, width, classes, 2-D or 3-D."""
        return anatomy(self.tensors)

    @property
    def network_words(self) -> str:
        """Depth, width and kind of network, to be read."""
        what = "3-D"
        if self.anatomy.two_d:
            what = "2-D" if self.layout == "image" else "C2D (kernels of one frame)"
        return f"ResNet-{self.anatomy.depth} of width {self.anatomy.width}, {what}"

    @property
    def layout_words(self) -> str:
        """The layout and what tells it, or what it may be, to be read."""
        if self.layout is None:
            return f"the file does not say: {MAY_BE}"
        layout = "neither nonlocal nor slowfast" if self.layout == OTHER else self.layout
        return ", ".join(filter(None, [layout, self.layout_reason]))

    @property
    def norm_words(self) -> str:
        """The norm and its settings, to be read."""
        words = self.norm
        if self.channels_per_group is not None:
            words = f"{self.norm}, groups of {self.channels_per_group} channels"
        elif self.num_groups is not None:
            says = "" if self.is_own else " (as all known ones have: the file does not say)"
            words = f"{self.norm}, {self.num_groups} groups{says}"
        return f"{words}, weight standardization" if self.weight_standardization else words


def read_weights(path: str | Path) -> Weights:
    """Read a weights file of any known kind; nothing in it is executed.

    Raises:
        WeightsError: No such file; broken, truncated or hostile; of an unknown kind; of another network; incomplete.
    """
    contents = read_file(path)
    try:
        return _own(contents, path) if contents.own is not None else _foreign(contents, path)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _foreign(contents: Contents, path: str | Path) -> Weights:
    kind = recognise(contents.tensors)
    if kind is None:
        known = ", ".join([*(kind.name for kind in KINDS), "videogn's own"])
        raise WeightsError(
            f"unknown kind of weights: {len(contents.tensors)} tensors, the first {_first(contents.tensors)}; "
            f"known kinds: {known}"
        )
    tensors, rows, unused = {}, [], [*contents.others]
    for source, tensor in contents.tensors.items():
        name = kind.rename(source)
        if name is None:
            if kind.body.fullmatch(source):
                raise WeightsError(f"{kind.name}: it holds {source!r}, {kind.stranger}; expected a bottleneck ResNet")
            unused.append(source)
        elif not name.endswith(LEAVES):
            unused.append(source)
        elif is_kernel(name.replace(".bias", ".weight")) and "nonlocal" not in name and name.endswith(".bias"):
            # Caffe's converters write biases of zeros before a norm.
            if tensor.any():
                raise WeightsError(f"{kind.name}: it holds {source!r}, a bias before a norm; expected none")
            unused.append(f"{source} (zeros)")
        elif name in tensors:
            raise WeightsError(f"{kind.name}: two of its tensors are {name}, one is {source!r}")
        else:
            tensors[name], note = shaped(source, name, tensor)
            rows.append(Row(source, name, tuple(tensors[name].shape), note))
    norm = _norm(kind, tensors)
    check_whole(tensors, statistics=NORMS[norm].keeps_statistics)
    layout, reason = _layout(tensors, rows, contents, kind, Path(path).name)
    notes = _fold_input(tensors, kind, norm)
    rows = [replace(row, note=notes.get(row.name, row.note)) for row in rows]
    return Weights(
        tensors=tensors,
        kind=f"{kind.name}, {contents.container}",
        norm=norm,
        num_groups=DEFAULT_NUM_GROUPS if "num_groups" in NORMS[norm].settings else None,
        channels_per_group=None,
        weight_standardization=False,
        layout=layout,
        path=str(path),
        sha256=contents.sha256,
        rows=tuple(rows),
        unused=tuple(unused),
        layout_reason=reason,
    )


def _layout(
    tensors: dict[str, Tensor], rows: list[Row], contents: Contents, kind: Kind, name: str
) -> tuple[str | None, str]:
    """Return the layout of a foreign file, and what tells it beside its kind."""
    if kind.layout == "image":
        return kind.layout, ""
    told = layout_told(tensors, name=name, config=contents.config)
    if told[0] is None and all(contents.tensors[row.source].ndim < 5 for row in rows):
        return "image", "by its kernels, which have no time axis"
    return (kind.layout, "") if told[0] in (None, kind.layout) else told


def _fold_input(tensors: dict[str, Tensor], kind: Kind, norm: str) -> dict[str, str]:
    """Make a network of videogn's input of one of another input, in place; what was done, by name."""
    kernel, mean = "blocks.0.conv.weight", "blocks.0.norm.running_mean"
    tensors[kernel], constant, note = fold_input(tensors[kernel], kind.input)
    notes = {kernel: note} if note else {}
    if kind.input.mean == Input().mean:
        return notes
    if not NORMS[norm].keeps_statistics:
        notes[kernel] = f"{note}; the difference of the inputs' means is left out"
    else:
        tensors[mean] = (tensors[mean].double() - constant).to(tensors[mean].dtype)
        notes[mean] = "mean of the input folded in"
    return notes


def _own(contents: Contents, path: str | Path) -> Weights:
    own = contents.own
    assert own is not None
    network = _setting(own, "network", str) or "i3d"  # of before there were others
    if network != "i3d":
        raise WeightsError(f"it is videogn's, of network {network}: weights to start from are of network i3d alone")
    norm = _setting(own, "norm", str)
    if norm not in NORMS:
        raise WeightsError(f"it is videogn's, and its norm is {norm!r}; expected one of {', '.join(NORMS)}")
    tensors, rows, unused = {}, [], [*contents.others]
    for source, tensor in contents.tensors.items():
        if source.startswith("blocks.") and source.endswith(LEAVES):
            tensors[source], note = shaped(source, source, tensor)
            rows.append(Row(source, source, tuple(tensors[source].shape), note))
        else:
            unused.append(source)
    if any(map(is_statistic, tensors)) != NORMS[norm].keeps_statistics:
        raise WeightsError(f"it says that its norm is {norm}, but its tensors say otherwise")
    check_whole(tensors, statistics=NORMS[norm].keeps_statistics)
    num_groups, channels_per_group = _setting(own, "num_groups", int), _setting(own, "channels_per_group", int)
    if "num_groups" in NORMS[norm].settings and num_groups is None and channels_per_group is None:
        num_groups = DEFAULT_NUM_GROUPS
    source_kind = _setting(own, "kind", str)
    return Weights(
        tensors=tensors,
        kind=f"videogn, {contents.container}" + (f" (from {source_kind})" if source_kind else ""),
        norm=norm,
        num_groups=num_groups if "num_groups" in NORMS[norm].settings else None,
        channels_per_group=channels_per_group if "channels_per_group" in NORMS[norm].settings else None,
        weight_standardization=bool(_setting(own, "weight_standardization", bool)),
        layout=_setting(own, "layout", str),
        path=str(path),
        sha256=contents.sha256,
        rows=tuple(rows),
        unused=tuple(unused),
        layout_reason=_setting(own, "layout_reason", str) or "",
        is_own=True,
        input=_setting(own, "input", str) or "rgb",
    )


def _setting(own: dict[str, Any], name: str, kind: type) -> Any:
    value = own.get(name)
    is_right = type(value) is kind and not (kind is int and own[name] < 1)
    if value is not None and not is_right:
        what = repr(value) if type(value) in (int, str, bool) else type(value).__name__
        raise WeightsError(f"it is videogn's, but its {name} is {what[:80]}")
    return value


def _norm(kind: Kind, tensors: dict[str, Tensor]) -> str:
    has_statistics = any(map(is_statistic, tensors))
    if kind.family == "bn" and not has_statistics:
        raise WeightsError(
            f"{kind.name}: its batch norms have no running statistics: a file for fine-tuning, whose statistics were "
            f"folded into the scales or dropped (which, it does not say); take the file that it was made from"
        )
    if kind.family == "gn" and has_statistics:
        raise WeightsError(f"{kind.name}: its group norms have running statistics")
    return "bn" if has_statistics else "gn"


def _first(names: Iterable[str]) -> str:
    return ", ".join(repr(name[:60]) for name in list(names)[:3]) or "none"
