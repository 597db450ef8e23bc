"""How prepared files are encoded: what a user may choose, and what is fixed so that they are cheap to read at random.

A clip is every n-th frame from a random place. What it costs is the frames between the key frame before it and its
last frame, without those that no other frame refers to. So: key frames at a fixed, small distance; between them
B-frames in a fixed pattern, none of which is referred to; groups of pictures that are closed, so that every key frame
is a start.
"""

from __future__ import annotations

from dataclasses import dataclass

# Of what is fixed below: counts up with any change to the files that the same settings give.
RECIPE_VERSION = 1
# B-frames between two frames that are referred to.
_NUM_B_FRAMES = 3


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What may be chosen.

    Attributes:
        short_side: Of the pictures in px; smaller ones are not scaled up.
        key_interval: Frames from one key frame to the next.
        quality: x264's constant rate factor: 0 to 51, lower is better and larger.

    Raises:
        ValueError: One is out of range.
    """

    short_side: int = 320
    key_interval: int = 32
    quality: int = 20

    def __post_init__(self) -> None:
        if self.short_side < 16 or self.short_side % 2:
            raise ValueError(f"short_side is {self.short_side}; expected an even number of px, 16 or above")
        if not 1 <= self.key_interval <= 1000:
            raise ValueError(f"key_interval is {self.key_interval}; expected 1 to 1000 frames (16 to 32 for training)")
        if not 0 <= self.quality <= 51:
            raise ValueError(f"quality is {self.quality}; expected 0 (best) to 51 (x264's crf; 18 to 23 is usual)")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of prepared pictures for pictures of this size: even, as colour has half of each."""
        short = min(width, height)
        scale = min(1.0, min(self.short_side, short - short % 2) / short)
        return _even(width, scale), _even(height, scale)

    def options(self) -> dict[str, str]:
        """Return x264's, by FFmpeg's names."""
        return {
            "preset": "fast",
            "crf": str(self.quality),
            "g": str(self.key_interval),
            # A cut in the scene starts no group of its own.
            "keyint_min": str(self.key_interval),
            "sc_threshold": "0",
            "bf": str(_NUM_B_FRAMES),
            "b_strategy": "0",
            "b-pyramid": "none",
            # No deblocking, no CABAC: a clip is read in half the time, for a tenth more bytes.
            "tune": "fastdecode",
            "a53cc": "0",
            # The same bytes each time: one thread alone does not give them, see motions.py.
            "mbtree": "0",
            "threads": "1",
        }


def _even(length: int, scale: float) -> int:
    """Return the nearest even number to the scaled length, not above the length itself, and 2 at least."""
    return max(2, min(2 * round(length * scale / 2), length - length % 2))
