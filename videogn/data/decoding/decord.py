"""Decoding by decord: a second decoder, for the files that it reads rightly (H.264 above all).

decord has been unmaintained since 2021. It mis-indexes some AVIs and refuses or aborts on truncated files: PyAV is the
default. On H.264 both give the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError, Frames, TooFewFrames


class DecordVideo:
    """A video file opened with decord; see `Video`. Frames come rotated from decord itself.

    Args:
        path: The file.

    Raises:
        DecodeError: It can't be opened by decord, or decord is not installed here.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(self.path).is_file():
            raise DecodeError(self.path, "no such file")
        try:
            import decord
        except ImportError as error:
            raise DecodeError(self.path, "decord is not installed here; use the decoder pyav") from error
        decord.logging.set_level(decord.logging.FATAL)
        _check_is_read_rightly(self.path)
        self._error: Any = decord.DECORDError
        try:
            self._reader: Any = decord.VideoReader(self.path, num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise DecodeError(self.path, f"decord: {_first_line(error)}") from error

    @property
    def num_frames(self) -> int:
        """Frames by decord's own index."""
        return len(self._reader)

    def count_frames(self) -> int:
        """The same: decord has no other count."""
        return self.num_frames

    def frames(
        self, indices: Sequence[int], *, convert: Callable[[Frames], Frames] | None = None, to_end: bool = False
    ) -> Frames:
        """The frames at `indices` as uint8 [T, H, W, 3]; see `Video.frames`."""
        order = np.asarray(indices, dtype=np.int64)
        if not order.size or order.min() < 0:
            raise ValueError(f"expected frame indices from 0, got {order.tolist()}")
        if order.max() >= self.num_frames:
            raise TooFewFrames(self.path, int(order.max()), self.num_frames)
        unique, inverse = np.unique(order, return_inverse=True)
        try:
            frames = [self._reader[int(index)].asnumpy() for index in unique]
        except (self._error, RuntimeError) as error:
            raise DecodeError(self.path, f"decord: {_first_line(error)}") from error
        if convert is not None:
            frames = [convert(frame) for frame in frames]
        return np.stack([frames[place] for place in inverse])

    def close(self) -> None:
        """Lets the file go."""
        self._reader = None


def _check_is_read_rightly(path: str) -> None:
    """Raises DecodeError for a file that decord is known to misread or not to survive: anything but sound H.264."""
    with contextlib.closing(PyAVVideo(path)) as video:
        codec, container = video.format
        if codec != "h264" or "avi" in container:
            raise DecodeError(path, f"decord does not read {codec} in {container} reliably; use the decoder pyav")
        if video.count_frames() != video.num_packets:
            raise DecodeError(path, "decord does not survive damaged files; use the decoder pyav")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
