"""Decoding by torchcodec, an optional extra: an independent check on FFmpeg's libraries of the system.

It mis-indexes the same AVIs as decord, and converts odd sizes and more than 8 bits in another way (up to tens of levels
at edges of strong colours): PyAV is the default. On ordinary H.264 both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videogn.data.decoding.sound import SoundVideo, first_line
from videogn.data.decoding.video import DecodeError
from videogn.data.decoding.window import Frame

FRAMES_AT_ONCE = 32  # what lies in memory at its full size


class TorchCodecVideo(SoundVideo):
    """A video file opened with torchcodec; see `SoundVideo`."""

    backend = "torchcodec"

    def _open(self) -> Any:
        try:
            from torchcodec.decoders import VideoDecoder
        except (ImportError, RuntimeError, OSError) as error:
            raise DecodeError(self.path, f"torchcodec can't be used here ({first_line(error)})") from error
        self._errors = (RuntimeError, ValueError, IndexError)
        try:
            return VideoDecoder(self.path, dimension_order="NHWC", num_ffmpeg_threads=1)
        except (RuntimeError, ValueError) as error:
            raise self._failed(error) from error

    def _decode(self, wanted: list[int]) -> Iterator[Frame]:
        for begin in range(0, len(wanted), FRAMES_AT_ONCE):
            yield from self._reader.get_frames_at(wanted[begin : begin + FRAMES_AT_ONCE]).data.numpy()
