"""When the frames of a prepared file are shown."""

from __future__ import annotations

from fractions import Fraction

_MOST_TICKS_A_SECOND = 1_000_000
_USUAL_TICKS_A_SECOND = 90_000
_MOST_RATE = 1000
# A file's times may run back, or far ahead, where it was cut or joined: what follows is set on the frame before.
_LONGEST_STEP_BACK_SECONDS = 1
_LONGEST_STEP_SECONDS = 3600


class Clock:
    """Gives the frames their times: the original's from its first frame on, made to rise strictly.

    Args:
        rate: Its frames a second, for those without a time.
    """

    def __init__(self, time_base: Fraction | None, rate: Fraction | None) -> None:
        usual = Fraction(1, _USUAL_TICKS_A_SECOND)
        self._source_base = time_base or usual
        is_fine = self._source_base.denominator <= _MOST_TICKS_A_SECOND
        self.time_base = self._source_base if is_fine else usual
        self.rate = Fraction(rate) if rate and 0 < rate <= _MOST_RATE else Fraction(25)
        self._step = max(1, round(1 / (self.rate * self.time_base)))
        self._offset: int | None = None
        self._last = -1

    def __call__(self, pts: int | None) -> int:
        """Return the time of the next frame in `time_base`.

        Args:
            pts: In the original's time base; None where it has none.
        """
        usual = 0 if self._last < 0 else self._last + self._step
        if pts is None:
            at = usual
        else:
            own = round(pts * self._source_base / self.time_base)
            at = usual if self._offset is None else own - self._offset
            if (
                self._offset is None
                or not -_LONGEST_STEP_BACK_SECONDS <= (at - self._last) * self.time_base <= _LONGEST_STEP_SECONDS
            ):
                at, self._offset = usual, own - usual
        self._last = max(at, self._last + 1)
        return self._last
