"""From decoded frames to views: scale, crop, flip; one choice for all frames of a clip.

Shapes: F distinct frames of a video, V views, T frames of a clip, H, W, C = 3; all uint8. Scaling is torchvision's
bilinear with antialiasing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from videogn.data.sampling import ClipPolicy, Protocol, protocol_clips, random_clip


def scale_short_side(frame: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Scales [H, W, C] so that the short side has `size_px` pixels; the long side is rounded down."""
    planes = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)
    return np.ascontiguousarray(F.resize(planes, [size_px], antialias=True).permute(1, 2, 0).numpy())


def long_side_offsets(height: int, width: int, crop_px: int, num_crops: int) -> list[tuple[int, int]]:
    """(top, left) of test crops: one in the centre, or three at the ends and the centre of the long side.

    Raises:
        ValueError: A number of crops other than 1 and 3.
    """
    top, left = (height - crop_px) // 2, (width - crop_px) // 2
    if num_crops == 1:
        return [(top, left)]
    if num_crops != 3:
        raise ValueError(f"{num_crops} crops; expected 1 or 3")
    if width >= height:
        return [(top, 0), (top, left), (top, width - crop_px)]
    return [(0, left), (top, left), (height - crop_px, left)]


@dataclass(frozen=True)
class TrainViews:
    """The one random view of a video in training.

    Attributes:
        num_frames: T.
        frame_interval: Source frames from one to the next.
        scale_size: Short side in px, uniform in [low, high], both included.
        crop_size: H = W in px of a crop at a uniform place.
        flip_probability: Of a horizontal flip.
    """

    num_frames: int
    frame_interval: int
    scale_size: tuple[int, int]
    crop_size: int
    flip_probability: float

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """[1, T] frame indices in a video of `total` frames."""
        return random_clip(total, num_frames=self.num_frames, frame_interval=self.frame_interval, rng=rng)[None]

    def scaling(self, rng: np.random.Generator) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
        """Scales a frame to the short side that was drawn."""
        low, high = self.scale_size
        return partial(scale_short_side, size_px=int(rng.integers(low, high + 1)))

    def crops(self, scaled: Tensor, rng: np.random.Generator) -> Tensor:
        """[1, F, crop, crop, C] of scaled frames [F, H, W, C]."""
        top = int(rng.integers(scaled.shape[1] - self.crop_size + 1))
        left = int(rng.integers(scaled.shape[2] - self.crop_size + 1))
        crop = scaled[:, top : top + self.crop_size, left : left + self.crop_size]
        if rng.random() < self.flip_probability:
            crop = crop.flip(2)
        return crop[None]


@dataclass(frozen=True)
class TestViews:
    """The views of a video under a test protocol: nothing random.

    Attributes:
        num_frames: T.
        frame_interval: Source frames from one to the next.
        scale_size: Short side in px.
        crop_size: H = W in px.
        protocol: How many clips and crops.
        policy: Where the clips start.
    """

    num_frames: int
    frame_interval: int
    scale_size: int
    crop_size: int
    protocol: Protocol
    policy: ClipPolicy

    __test__ = False  # its name looks like a test's

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """[num_clips, T] frame indices in a video of `total` frames."""
        return protocol_clips(
            total,
            num_clips=self.protocol.num_clips,
            num_frames=self.num_frames,
            frame_interval=self.frame_interval,
            policy=self.policy,
        )

    def scaling(self, rng: np.random.Generator) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
        """Scales a frame to the short side."""
        return partial(scale_short_side, size_px=self.scale_size)

    def crops(self, scaled: Tensor, rng: np.random.Generator) -> Tensor:
        """[num_crops, F, crop, crop, C] of scaled frames [F, H, W, C]."""
        height, width = scaled.shape[1:3]
        size = self.crop_size
        offsets = long_side_offsets(height, width, size, self.protocol.num_crops)
        return torch.stack([scaled[:, top : top + size, left : left + size] for top, left in offsets])
