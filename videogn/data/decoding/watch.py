"""One reading of a video, watched: whether it takes too long, and whether the file kept its packets' promise."""

from __future__ import annotations

import math
import time

from videogn.data.decoding.video import DecodeError

# Of the time that a reading may take, what counts at most from one look at the clock to the next: it may have been
# suspended in between (Ctrl-Z, a frozen container), and then it goes on.
_MOST_AT_ONCE = 0.25


class Watch:
    """What a reader is told of a reading that begins now, and what it tells of it.

    Args:
        most_seconds: After which the reading fails.
        in_full: Whether to decode the file in full at once: an earlier reading found that its packets do not show what
            they promise.

    Attributes:
        broke_promise: Whether this reading found that, and decoded the file in full.
    """

    def __init__(self, most_seconds: float = math.inf, *, in_full: bool = False) -> None:
        self.most_seconds = most_seconds
        self.in_full = in_full
        self.broke_promise = False
        self._seconds, self._looked = 0.0, time.monotonic()

    def check(self, path: str) -> None:
        """Do nothing while there is time; to be called often.

        Raises:
            DecodeError: The reading has taken too long; says how long.
        """
        now = time.monotonic()
        self._seconds += min(now - self._looked, _MOST_AT_ONCE * self.most_seconds)
        self._looked = now
        if self._seconds > self.most_seconds:
            raise DecodeError(path, too_long(self.most_seconds, f"it was given up after {self._seconds:.1f} s"))


def too_long(most_seconds: float, what_then: str) -> str:
    """Return the reason of a reading that took too long."""
    return f"reading it took longer than {most_seconds:g} s: {what_then} (--data.decode_seconds allows more)"
