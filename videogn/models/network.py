"""What the networks have in common: parts in a row, the last of which gives logits at positions.

Shapes: N clips, C channels, T frames, H, W, K classes, P positions over time and space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from videogn.models.input import InputName, check_input
from videogn.models.layout import Size3
from videogn.models.recompute import recomputed
from videogn.norms import find_norm


class VideoNetwork(nn.Module):
    """Parts in `blocks`; the last maps features to one vector of K logits at each position.

    Args:
        head_pool: (T, H, W) that the last part makes one position of.
        input: What its three channels are to be; see `normalize`.
        last_norm_size: (T, H, W) that the last norm sees of a training clip.
    """

    part_names: ClassVar[Sequence[str]] = ()

    def __init__(
        self, blocks: Sequence[nn.Module], *, head_pool: Size3, input: InputName, last_norm_size: Size3
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head_pool = head_pool
        self.input: InputName = input
        self.last_norm_size = last_norm_size
        # Units of which the input alone is kept for the backward pass.
        self.recomputed: list[nn.Module] = []

    def positions(self, clips: Tensor) -> Tensor:
        """Return logits at every position that the last part finds: fully convolutional.

        Args:
            clips: float [N, 3, T, H, W], normalised. Of the training size there is one position; a 256 px view of an
                I3D trained at 224 px has 2 x 2.

        Returns:
            [N, K, P] logits.

        Raises:
            ValueError: The clip is smaller than the network was made for.
        """
        self.check_size(*clips.shape[-3:])
        x = clips
        for part in self.blocks:
            x = recomputed(part, x) if part in self.recomputed else part(x)
        return x.flatten(2)

    def check_size(self, frames: int, height: int, width: int) -> None:
        """Raise ValueError for a clip that is too small for the last part."""
        left = self.size_left((frames, height, width))
        if any(got < least for got, least in zip(left, self.head_pool, strict=True)):
            raise ValueError(
                f"a clip of {frames} frames of {height}x{width} px is too small: {left} (T, H, W) of it reach a last "
                f"part that takes {self.head_pool}; give at least the frames and the crop that the network was made for"
            )

    def size_left(self, size: Size3) -> Size3:
        """Return (T, H, W) that reaches the last part, of a clip of (T, H, W)."""
        raise NotImplementedError

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits [N, K] of normalised clips [N, 3, T, H, W], averaged over positions (one at the training size).

        Testing averages probabilities instead: softmax of `positions`, then the mean.
        """
        return self.positions(clips).mean(dim=-1)


def check_settings(
    norm: str,
    *,
    width: int,
    num_classes: int,
    num_frames: int,
    dropout: float,
    weight_standardization: bool,
    input: str,
) -> None:
    """Refuse what no network can be built with.

    Raises:
        ValueError: A name or number that is not possible.
    """
    if width < 1 or num_classes < 1:
        raise ValueError(f"width is {width} and num_classes {num_classes}; both must be at least 1")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; expected a rate in [0, 1)")
    check_input(input, num_frames=num_frames)
    if weight_standardization and not find_norm(norm).normalises:
        raise ValueError(f"weight_standardization needs a norm behind the convolutions: norm is {norm}")
