"""Decoding by torchcodec, an optional extra: an independent check on FFmpeg's libraries of the system.

It mis-indexes the same AVIs as decord, and converts odd sizes and more than 8 bits in another way (up to tens of levels
at edges of strong colours): PyAV is the default. On ordinary H.264 both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.sound import check_count, first_line, sound_frames
from videogn.data.decoding.video import DecodeError, TooFewFrames, distinct
from videogn.data.decoding.window import Frames, WindowOf, cut, whole

FRAMES_AT_ONCE = 32  # what lies in memory at its full size


class TorchCodecVideo:
    """A video file opened with torchcodec; see `Video`. Frames come rotated from torchcodec itself.

    Args:
        path: The file.
        index: Where what its packets tell is kept.

    Raises:
        DecodeError: It can't be opened by torchcodec, or torchcodec (or an FFmpeg that it finds) is not there.
    """

    def __init__(self, path: str | Path, *, index: PacketIndex | None = None) -> None:
        self.path = str(path)
        expected = sound_frames(self.path, backend="torchcodec", index=index)
        try:
            from torchcodec.decoders import VideoDecoder
        except (ImportError, RuntimeError, OSError) as error:
            raise DecodeError(self.path, f"torchcodec can't be used here ({first_line(error)})") from error
        try:
            self._decoder: Any = VideoDecoder(self.path, dimension_order="NHWC", num_ffmpeg_threads=1)
        except (RuntimeError, ValueError) as error:
            raise DecodeError(self.path, f"torchcodec: {first_line(error)}") from error
        check_count(self.path, self.num_frames, expected, backend="torchcodec")

    @property
    def num_frames(self) -> int:
        """Frames by torchcodec's own index."""
        return len(self._decoder)

    def count_frames(self) -> int:
        """The same: torchcodec has no other count."""
        return self.num_frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frames]]:
        """The frames at `indices`, each distinct one as (index, frame); see `Video.read`."""
        wanted = distinct(indices)
        if wanted[-1] >= self.num_frames:
            raise TooFewFrames(self.path, wanted[-1], self.num_frames)
        for begin in range(0, len(wanted), FRAMES_AT_ONCE):
            part = wanted[begin : begin + FRAMES_AT_ONCE]
            try:
                frames = self._decoder.get_frames_at(part).data.numpy()
            except (RuntimeError, ValueError, IndexError) as error:
                raise DecodeError(self.path, f"torchcodec: {first_line(error)}") from error
            for index, frame in zip(part, frames, strict=True):
                yield index, cut(frame, (window or whole)(*frame.shape[:2]))

    def close(self) -> None:
        """Lets the file go."""
        self._decoder = None
