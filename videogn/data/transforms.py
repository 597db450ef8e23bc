"""From frames to views: scale, crop, flip; one choice for all frames of a clip.

Shapes: V views, T frames of a clip, H, W, C = 3; all uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding import Frames, Window, WindowOf
from videogn.data.sampling import ClipPolicy, Protocol, protocol_clips, random_clip


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


class Augmentation(NamedTuple):
    """What is random about a training crop.

    Attributes:
        scale_size: Short side in px.
        top: Of the crop, as a share of the room there is.
        left: Of the crop, as a share of the room there is.
        flip: Left and right change places.
    """

    scale_size: int
    top: float
    left: float
    flip: bool


@dataclass(frozen=True)
class TrainViews:
    """The one random view of a video in training: the short side scaled to a random size, then a random crop.

    The crop is taken first, as whole pixels of the file, and only that is scaled: the same distribution of sizes and
    places (to half a pixel of the file), from a third of the work.

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

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self.num_frames, self.crop_size, self.crop_size

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """[1, T] frame indices in a video of `total` frames."""
        return random_clip(total, num_frames=self.num_frames, frame_interval=self.frame_interval, rng=rng)[None]

    def augmentation(self, rng: np.random.Generator) -> Augmentation:
        """Draws a crop."""
        low, high = self.scale_size
        scale_size = int(rng.integers(low, high + 1))
        top, left, flip = rng.random(3).tolist()
        return Augmentation(scale_size, top, left, flip < self.flip_probability)

    def window(self, rng: np.random.Generator) -> WindowOf:
        """The part of the frames that the crop shows."""
        drawn = self.augmentation(rng)

        def window_of(height: int, width: int) -> Window:
            side = max(1, round(self.crop_size / drawn.scale_size * min(height, width)))
            top, left = int(drawn.top * (height - side + 1)), int(drawn.left * (width - side + 1))
            return Window(top, left, side, side, self.crop_size, self.crop_size, drawn.flip)

        return window_of


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

    def window(self, rng: np.random.Generator) -> WindowOf:
        """The whole frame, its short side scaled; the long side is rounded down."""

        def window_of(height: int, width: int) -> Window:
            short = min(height, width)
            out_height, out_width = (side * self.scale_size // short for side in (height, width))
            return Window(0, 0, height, width, out_height, out_width)

        return window_of

    def crops(self, frame: Frames) -> tuple[Frames, list[tuple[int, int]]]:
        """The part of a scaled frame that is under crops, and each crop's (top, left) in it."""
        height, width, _ = frame.shape
        offsets = long_side_offsets(height, width, self.crop_size, self.protocol.num_crops)
        top, left = (min(sides) for sides in zip(*offsets, strict=True))
        bottom, right = (max(sides) + self.crop_size for sides in zip(*offsets, strict=True))
        return frame[top:bottom, left:right], [(one - top, other - left) for one, other in offsets]
