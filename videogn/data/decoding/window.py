"""The part of a frame that is wanted, and at what size.

Shapes: H, W, C = 3, uint8 RGB. Scaling is torchvision's bilinear with antialiasing (its `resize`, bit for bit).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


class Window(NamedTuple):
    """A region of a frame as it is shown, and what becomes of it; all in px.

    Attributes:
        out_height: What the region is scaled to.
        out_width: What the region is scaled to.
        flip: Left and right change places.
    """

    top: int
    left: int
    height: int
    width: int
    out_height: int
    out_width: int
    flip: bool = False


# From the height and width of a frame as it is shown, which only the decoder knows, to the part that is wanted.
WindowOf = Callable[[int, int], Window]


def whole(height: int, width: int) -> Window:
    """Return the window that is all of a frame, as it is."""
    return Window(0, 0, height, width, height, width)


def cut(frame: Frame, window: Window) -> Frame:
    """Return what a window wants of a frame.

    Args:
        frame: uint8 [H, W, C].

    Returns:
        uint8 [out_height, out_width, C]; a view of the frame where nothing has to be done.
    """
    is_scaled = (window.height, window.width) != (window.out_height, window.out_width)
    region = frame[window.top : window.top + window.height, window.left : window.left + window.width]
    if is_scaled or window.flip:
        import torch  # here: frames that are taken as they are need none
        import torch.nn.functional as F
    if is_scaled:
        # One picture, [1, H, W, C] seen as [1, C, H, W]: the memory format in which torch scales bytes fastest, told by
        # strides of which even that of the first dimension counts.
        planes = torch.from_numpy(np.ascontiguousarray(region))[None].permute(0, 3, 1, 2)
        size = [window.out_height, window.out_width]
        region = F.interpolate(planes, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    if window.flip:
        region = torch.from_numpy(np.ascontiguousarray(region)).flip(1).numpy()
    return region
