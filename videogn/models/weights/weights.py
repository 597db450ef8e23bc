"""What was read from a weights file.

Shapes: O output channels, I input channels, t frames, kh, kw, K classes, F features, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from videogn.models.weights.anatomy import Anatomy, anatomy
from videogn.models.weights.origin import MAY_BE, OTHER


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
        kind: What kind of file it is.
        norm: The norm that the weights were trained with: "bn" or "gn" of foreign files, any of videogn's of its own.
        num_groups: gn: groups per layer.
        channels_per_group: gn: channels in a group, where that was the setting.
        weight_standardization: Whether the convolutions' weights were standardized.
        layout: The layout that they were trained in, where known; "other" where it is known to be none of videogn's.
        path: The file.
        sha256: Of the file.
        rows: What went where.
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
            says = "" if self.kind.startswith("videogn") else " (as all known ones have: the file does not say)"
            words = f"{self.norm}, {self.num_groups} groups{says}"
        return f"{words}, weight standardization" if self.weight_standardization else words
