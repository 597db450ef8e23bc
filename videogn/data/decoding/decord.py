"""Decoding by decord: a second decoder, for the files that it reads rightly (H.264 above all).

decord has been unmaintained since 2021. It mis-indexes some AVIs and refuses or aborts on truncated files: PyAV is the
default. On H.264 both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.sound import check_count, first_line, sound_frames
from videogn.data.decoding.video import DecodeError, TooFewFrames, distinct
from videogn.data.decoding.window import Frames, WindowOf, cut, whole


class DecordVideo:
    """A video file opened with decord; see `Video`. Frames come rotated from decord itself.

    Args:
        path: The file.
        index: Where what its packets tell is kept.

    Raises:
        DecodeError: It can't be opened by decord, or decord is not installed here.
    """

    def __init__(self, path: str | Path, *, index: PacketIndex | None = None) -> None:
        self.path = str(path)
        expected = sound_frames(self.path, backend="decord", codecs={"h264"}, index=index)
        try:
            import decord
        except ImportError as error:
            raise DecodeError(self.path, "decord is not installed here; use the decoder pyav") from error
        decord.logging.set_level(decord.logging.FATAL)
        self._error: Any = decord.DECORDError
        try:
            self._reader: Any = decord.VideoReader(self.path, num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise DecodeError(self.path, f"decord: {first_line(error)}") from error
        check_count(self.path, self.num_frames, expected, backend="decord")

    @property
    def num_frames(self) -> int:
        """Frames by decord's own index."""
        return len(self._reader)

    def count_frames(self) -> int:
        """The same: decord has no other count."""
        return self.num_frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frames]]:
        """The frames at `indices`, each distinct one as (index, frame); see `Video.read`."""
        wanted = distinct(indices)
        if wanted[-1] >= self.num_frames:
            raise TooFewFrames(self.path, wanted[-1], self.num_frames)
        for index in wanted:
            try:
                frame = self._reader[index].asnumpy()
            except (self._error, RuntimeError) as error:
                raise DecodeError(self.path, f"decord: {first_line(error)}") from error
            yield index, cut(frame, (window or whole)(*frame.shape[:2]))

    def close(self) -> None:
        """Lets the file go."""
        self._reader = None
