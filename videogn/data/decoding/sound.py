"""Decoding by libraries that misread some files and do not survive others: they get only what they read rightly."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import ByNumber, DecodeError
from videogn.data.decoding.window import Frame

# Where others count as a player does: every packet, from the first.
_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}


class SoundVideo(ByNumber):
    """A file opened by such a library; see `Video`. Frames come rotated from the library itself.

    Raises:
        DecodeError: The library can't open it, may misread it, or is not there.
    """

    backend: str  # the library's name
    codecs: Collection[str] | None = None  # FFmpeg's names of those that it reads rightly; None: all

    def __init__(self, path: str | Path, *, index: PacketIndex | None = None) -> None:
        self.path = str(path)
        expected = self._sound_frames(index)
        self._errors: tuple[type[Exception], ...] = ()
        self._reader: Any = self._open()
        self.num_frames = len(self._reader)
        if self.num_frames != expected:
            reason = f"{self.backend} counts {self.num_frames} frames of {expected}; use the decoder pyav"
            raise DecodeError(self.path, reason)

    def _open(self) -> Any:
        """Return the library's reader, of which `len` is the number of frames; set `_errors`."""
        raise NotImplementedError

    def _decode(self, wanted: list[int]) -> Iterator[Frame]:
        """Yield frames, rising and each once."""
        raise NotImplementedError

    def _sound_frames(self, index: PacketIndex | None) -> int:
        """Return the number of frames of a file whose packets tell which frame each shows, and hide none."""
        with contextlib.closing(PyAVVideo(self.path, index=index)) as video:
            codec, container = video.format
            self.rate = video.rate
            table = video.scan.table
            if self.codecs is not None and codec not in self.codecs:
                reason = f"{self.backend} does not read {codec} reliably; use the decoder pyav"
                raise DecodeError(self.path, reason)
            if table is None or container not in _CONTAINERS or len(table.pts) != table.num_frames:
                reason = f"{self.backend} may misread this file ({codec} in {container}), or not survive it"
                raise DecodeError(self.path, f"{reason}; use the decoder pyav")
            return table.num_frames

    def _failed(self, error: Exception) -> DecodeError:
        """Return what the library says, cut where it appends its stack."""
        return DecodeError(self.path, f"{self.backend}: {first_line(error)}")

    def _frames(self, wanted: list[int]) -> Iterator[Frame]:
        try:
            yield from self._decode(wanted)
        except self._errors as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._reader = None


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
