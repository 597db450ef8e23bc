"""When each frame of a file is shown."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

_FFMPEG_RATE = Fraction(25)  # FFmpeg's own where a format says none


def begin_of(container: InputContainer) -> Fraction | None:
    """Return the time at which a file begins, in seconds; None where it does not say, as some cameras.

    What is before 0 is not shown: sound that a decoder needs to begin with.
    """
    return None if container.start_time is None else max(Fraction(container.start_time, av.time_base), Fraction(0))


class Clock:
    """Tells when frames are shown, in seconds from the beginning of their file, which may be that of its sound.

    Those are the file's own times. AVI has none, and some files want to show a frame before the one that it follows:
    there, a frame follows the one before it by the time that the rate gives it.
    """

    def __init__(self, container: InputContainer, *, rate: Fraction | None) -> None:
        self._begin = begin_of(container)
        self._has_times = container.format.name != "avi"
        self._step = 1 / (rate or _FFMPEG_RATE)
        self._last: Fraction | None = None

    def time_of(self, frame: VideoFrame) -> Fraction:
        """Return when the next frame is shown; always later than the one before it."""
        last = self._last
        self._last = Fraction(0) if last is None else last + self._step
        if self._has_times and frame.pts is not None and frame.time_base:
            time = frame.pts * frame.time_base
            if self._begin is None:
                self._begin = time
            if last is None or time - self._begin > last:
                self._last = time - self._begin
        return self._last

    def end_of(self, frame: VideoFrame) -> Fraction:
        """Return when a frame ends that is the last of the file, and that `time_of` was asked about."""
        assert self._last is not None
        duration = frame.duration * frame.time_base if frame.duration and frame.time_base else self._step
        return self._last + duration
