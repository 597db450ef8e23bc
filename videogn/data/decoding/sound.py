"""A look at a file before a library gets it that misreads some files and does not survive others."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError


def check_sound(path: str | Path, *, backend: str, codecs: Collection[str] | None = None) -> None:
    """Lets only files pass whose packets tell which frame each shows.

    Args:
        path: The file.
        backend: The library's name, for the error.
        codecs: FFmpeg's names of those that it reads rightly; None: all.

    Raises:
        DecodeError: Another file.
    """
    with contextlib.closing(PyAVVideo(path)) as video:
        codec, container = video.format
        if codecs is not None and codec not in codecs:
            raise DecodeError(str(path), f"{backend} does not read {codec} reliably; use the decoder pyav")
        if video.scan.table is None:
            reason = f"{backend} may misread this file ({codec} in {container}), or not survive it"
            raise DecodeError(str(path), f"{reason}; use the decoder pyav")


def first_line(error: Exception) -> str:
    """What an error says, cut where a library appends its stack."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
