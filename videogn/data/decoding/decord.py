"""Decoding by decord: a second decoder, for the files that it reads rightly (H.264).

decord has been unmaintained since 2021. It mis-indexes some AVIs and refuses or aborts on truncated files: PyAV is the
default. On H.264 both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videogn.data.decoding.sound import SoundVideo
from videogn.data.decoding.video import DecodeError
from videogn.data.decoding.window import Frame


class DecordVideo(SoundVideo):
    """A video file opened with decord; see `SoundVideo`."""

    backend = "decord"
    codecs = frozenset(["h264"])

    def _open(self) -> Any:
        try:
            import decord
        except ImportError as error:
            raise DecodeError(self.path, "decord is not installed here; use the decoder pyav") from error
        decord.logging.set_level(decord.logging.FATAL)
        self._errors = (decord.DECORDError, RuntimeError)
        try:
            return decord.VideoReader(self.path, num_threads=1)
        except self._errors as error:
            raise self._failed(error) from error

    def _decode(self, wanted: list[int]) -> Iterator[Frame]:
        return (self._reader[index].asnumpy() for index in wanted)
