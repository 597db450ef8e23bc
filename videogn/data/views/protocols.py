"""How a video is tested: the protocols, and where their clips start. A new protocol is a name and a row here.

Loads no NumPy: reports read it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ClipPolicy = Literal["nonlocal", "spread"]
# Where the clips of a test start. (Of the model, "nonlocal" is also a layout, see models/layout.py.)
CLIP_POLICIES: dict[str, str] = {
    "nonlocal": (
        "clip j of n starts at frame N · j / n of a video's N frames, j from 0, and the last clips wrap around to its "
        "beginning, as in the code of Non-local Neural Networks"
    ),
    "spread": "clips start evenly from the first frame to the last at which a whole clip is left",
}


@dataclass(frozen=True)
class Protocol:
    """How a video is tested: num_clips clips in time, num_crops crops along the long side of each."""

    num_clips: int
    num_crops: int

    @property
    def num_views(self) -> int:
        return self.num_clips * self.num_crops


ProtocolName = Literal["10x3", "10x1", "1x1"]
PROTOCOLS: dict[str, Protocol] = {"10x3": Protocol(10, 3), "10x1": Protocol(10, 1), "1x1": Protocol(1, 1)}
