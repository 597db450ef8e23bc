"""Frames that lie in memory as a video."""

from __future__ import annotations

from collections.abc import Iterator

from videogn.data.decoding.video import ByNumber, DecodeError, exact_rate
from videogn.data.decoding.window import Frame


class MemoryVideo(ByNumber):
    """Decoded frames as a video; see `Video`.

    Args:
        frames: uint8 [N, H, W, 3], RGB: all frames of the video.
        frames_per_second: Which they do not say; None: not known.

    Raises:
        DecodeError: There is no frame, or they are of another shape or dtype.
    """

    def __init__(self, frames: Frame, *, frames_per_second: float | None = None) -> None:
        self.path = "the frames given"
        self.rate = exact_rate(frames_per_second)
        if frames.ndim != 4 or frames.shape[-1] != 3 or str(frames.dtype) != "uint8" or 0 in frames.shape:
            got = f"{frames.dtype} {list(frames.shape)}"
            raise DecodeError(self.path, f"got {got}; expected uint8 [N, H, W, 3], RGB: all frames of one video")
        self._given, self.num_frames = frames, len(frames)

    def _frames(self, wanted: list[int]) -> Iterator[Frame]:
        return (self._given[index] for index in wanted)
