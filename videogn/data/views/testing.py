"""Views of a video in a test: clips and crops of a protocol, nothing random.

Shapes: T frames of a clip, H, W, C = 3; all uint8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding import Frame, Window, WindowOf
from videogn.data.views.protocols import ClipPolicy, Protocol
from videogn.data.views.sampling import Interval, protocol_clips


def long_side_offsets(height: int, width: int, crop_px: int, num_crops: int) -> list[tuple[int, int]]:
    """Return (top, left) of test crops: one in the centre, or three at the ends and the centre of the long side.

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
class TestViews:
    """The views of a video under a test protocol: nothing random.

    Attributes:
        num_frames: T.
        frame_interval: Source frames from one to the next.
        scale_size: Short side in px.
        crop_size: H = W in px.
    """

    num_frames: int
    frame_interval: Interval
    scale_size: int
    crop_size: int
    protocol: Protocol
    policy: ClipPolicy

    __test__ = False  # its name looks like a test's

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return [num_clips, T] frame indices in a video of `total` frames."""
        return protocol_clips(
            total,
            num_clips=self.protocol.num_clips,
            num_frames=self.num_frames,
            frame_interval=self.frame_interval,
            policy=self.policy,
        )

    def window(self, rng: np.random.Generator) -> WindowOf:
        """Return the whole frame, its short side scaled; the long side is rounded down."""

        def window_of(height: int, width: int) -> Window:
            short = min(height, width)
            out_height, out_width = (side * self.scale_size // short for side in (height, width))
            return Window(0, 0, height, width, out_height, out_width)

        return window_of

    def crops(self, frame: Frame) -> tuple[Frame, list[tuple[int, int]]]:
        """Return the part of a scaled frame that is under crops, and each crop's (top, left) in it."""
        height, width, _ = frame.shape
        offsets = long_side_offsets(height, width, self.crop_size, self.protocol.num_crops)
        top, left = (min(sides) for sides in zip(*offsets, strict=True))
        bottom, right = (max(sides) + self.crop_size for sides in zip(*offsets, strict=True))
        return frame[top:bottom, left:right], [(one - top, other - left) for one, other in offsets]
