"""A look at a file before a library gets it that misreads some files and does not survive others."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError

# Where others count as a player does: every packet, from the first.
_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}


def sound_frames(
    path: str | Path, *, backend: str, codecs: Collection[str] | None = None, index: PacketIndex | None = None
) -> int:
    """The number of frames of a file whose packets tell which frame each shows, and hide none.

    Args:
        path: The file.
        backend: The library's name, for the error.
        codecs: FFmpeg's names of those that it reads rightly; None: all.
        index: Where what the packets tell is kept.

    Raises:
        DecodeError: Another file.
    """
    with contextlib.closing(PyAVVideo(path, index=index)) as video:
        codec, container = video.format
        table = video.scan.table
        if codecs is not None and codec not in codecs:
            raise DecodeError(str(path), f"{backend} does not read {codec} reliably; use the decoder pyav")
        if table is None or container not in _CONTAINERS or len(table.pts) != table.num_frames:
            reason = f"{backend} may misread this file ({codec} in {container}), or not survive it"
            raise DecodeError(str(path), f"{reason}; use the decoder pyav")
        return table.num_frames


def check_count(path: str, num_frames: int, expected: int, *, backend: str) -> None:
    """Raises DecodeError where a library counts other frames than there are."""
    if num_frames != expected:
        raise DecodeError(path, f"{backend} counts {num_frames} frames of {expected}; use the decoder pyav")


def first_line(error: Exception) -> str:
    """What an error says, cut where a library appends its stack."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
