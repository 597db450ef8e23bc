"""Frames that lie in memory as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from videogn.data.decoding.video import DecodeError, Shown, TooFewFrames, distinct, stream_at_rate, window_on
from videogn.data.decoding.window import Frame, WindowOf, cut, whole


class MemoryVideo:
    """Decoded frames as a video; see `Video`.

    Args:
        frames: uint8 [N, H, W, 3], RGB: all frames of the video.
        frames_per_second: Which they do not say; None: not known.

    Raises:
        DecodeError: There is no frame, or they are of another shape or dtype.
    """

    rate: Fraction | None

    def __init__(self, frames: Frame, *, frames_per_second: float | None = None) -> None:
        self.path = "the frames given"
        self.rate = None if frames_per_second is None else Fraction(frames_per_second).limit_denominator(1001)
        if frames.ndim != 4 or frames.shape[-1] != 3 or str(frames.dtype) != "uint8" or 0 in frames.shape:
            got = f"{frames.dtype} {list(frames.shape)}"
            raise DecodeError(self.path, f"got {got}; expected uint8 [N, H, W, 3], RGB: all frames of one video")
        self._frames = frames

    @property
    def num_frames(self) -> int:
        """Frames of the video."""
        return len(self._frames)

    def count_frames(self) -> int:
        """Return frames of the video."""
        return self.num_frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield the frames at `indices`; see `Video.read`."""
        wanted = distinct(indices)
        if wanted[-1] >= self.num_frames:
            raise TooFewFrames(self.path, wanted[-1], self.num_frames)
        of_video = window_on(self.path, window or whole, *self._frames.shape[1:3])
        for index in wanted:
            yield index, cut(self._frames[index], of_video)

    def stream(self, *, window: WindowOf | None = None) -> Iterator[Shown]:
        """Yield all frames in order; see `Video.stream`."""
        return stream_at_rate(self, window=window)

    def close(self) -> None:
        """Do nothing: no file is held open."""
