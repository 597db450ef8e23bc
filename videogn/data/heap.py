"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys

EVERY = 256  # videos


class Heap:
    """Gives freed memory back after so many videos.

    Decoders allocate and free frames of every size, aligned, and glibc keeps what lies between those that live longer:
    a worker grew by some percent over thousands of videos. Trimming costs a few milliseconds.
    """

    def __init__(self) -> None:
        self._num_videos = 0

    def count(self, num_videos: int) -> None:
        """Count videos that were decoded."""
        self._num_videos += num_videos
        if self._num_videos >= EVERY:
            self._num_videos = 0
            if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # not musl
                libc.malloc_trim(0)
