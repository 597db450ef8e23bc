"""Views of a video in training: one random clip, by one random crop.

Shapes: T frames of a clip, H, W, C = 3; all uint8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding import Window, WindowOf
from videogn.data.views.sampling import Interval, random_clip

ASPECT_RATIOS = (3 / 4, 4 / 3)  # width by height
NUM_ATTEMPTS = 10


@dataclass(frozen=True)
class _RandomClip:
    """The clip of a training view, at a random place.

    Attributes:
        num_frames: T.
        frame_interval: Source frames from one to the next.
    """

    num_frames: int
    frame_interval: Interval

    def indices(self, total: int, rng: np.random.Generator, *, beside: int | None = None) -> NDArray[np.int64]:
        """Return the frame indices [1, T] of a clip in a video of `total` frames; `beside` as in `random_clip`."""
        clip = (self.num_frames, self.frame_interval)
        return random_clip(total, num_frames=clip[0], frame_interval=clip[1], rng=rng, beside=beside)[None]


class Augmentation(NamedTuple):
    """What is random about a training crop.

    Attributes:
        scale_size: Short side in px.
        top: Of the crop, as a share of the room there is.
        left: Of the crop, as a share of the room there is.
    """

    scale_size: int
    top: float
    left: float
    flip: bool


@dataclass(frozen=True)
class TrainViews(_RandomClip):
    """The short side scaled to a random size, then a random crop, the same in all frames of the clip.

    The crop is taken first, as whole pixels of the file, and only that is scaled: the same distribution of sizes and
    places (to half a pixel of the file), from a third of the work.

    Attributes:
        scale_size: Short side in px, uniform in [low, high], both included.
        crop_size: H = W in px of a crop at a uniform place.
    """

    scale_size: tuple[int, int]
    crop_size: int
    flip_probability: float

    def augmentation(self, rng: np.random.Generator) -> Augmentation:
        """Draw a crop."""
        low, high = self.scale_size
        scale_size = int(rng.integers(low, high + 1))
        top, left, flip = rng.random(3).tolist()
        return Augmentation(scale_size, top, left, flip < self.flip_probability)

    def window(self, rng: np.random.Generator) -> WindowOf:
        """Return the part of the frames that the crop shows."""
        drawn = self.augmentation(rng)

        def window_of(height: int, width: int) -> Window:
            side = max(1, round(self.crop_size / drawn.scale_size * min(height, width)))
            top, left = int(drawn.top * (height - side + 1)), int(drawn.left * (width - side + 1))
            return Window(top, left, side, side, self.crop_size, self.crop_size, drawn.flip)

        return window_of


class Region(NamedTuple):
    """A part of a frame, in px."""

    top: int
    left: int
    height: int
    width: int


def region_of(height: int, width: int, *, area: tuple[float, float], draws: NDArray[np.float64]) -> Region:
    """Return the region that numbers drawn before the frame's size was known stand for.

    The first attempt that fits into the frame; where none does, the largest centre region of an allowed aspect ratio.

    Args:
        height: Of the frame, px.
        width: Of the frame, px.
        area: Share of the frame's area, uniform in [low, high].
        draws: [attempts, 4] in [0, 1): area, aspect ratio (uniform in its logarithm), top, left.
    """
    low, high = area
    narrowest, widest = ASPECT_RATIOS
    for u_area, u_aspect, u_top, u_left in draws.tolist():
        pixels = height * width * (low + (high - low) * u_area)
        aspect = narrowest * (widest / narrowest) ** u_aspect
        w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < w <= width and 0 < h <= height:
            return Region(int(u_top * (height - h + 1)), int(u_left * (width - w + 1)), h, w)
    w, h = min(width, round(height * widest)), min(height, round(width / narrowest))
    return Region((height - h) // 2, (width - w) // 2, h, w)


@dataclass(frozen=True)
class RegionViews(_RandomClip):
    """A random region of the frame, the same in all frames of the clip, scaled to the size of a crop.

    Szegedy et al., "Going Deeper with Convolutions", 2015, section 6; the usual augmentation on ImageNet. Regions have
    the distribution of torchvision's RandomResizedCrop, pixels are those of its resized_crop (bilinear with
    antialiasing).

    Attributes:
        crop_area: Share of the frame's area, uniform in [low, high].
        crop_size: H = W in px that the region is scaled to.
    """

    crop_area: tuple[float, float]
    crop_size: int
    flip_probability: float

    def window(self, rng: np.random.Generator) -> WindowOf:
        """Return the region."""
        # All attempts are drawn at once: a region depends on the frame's size, which only the decoder will tell.
        draws = rng.random((NUM_ATTEMPTS, 4))
        flip = bool(rng.random() < self.flip_probability)

        def window_of(height: int, width: int) -> Window:
            region = region_of(height, width, area=self.crop_area, draws=draws)
            return Window(*region, self.crop_size, self.crop_size, flip)

        return window_of
