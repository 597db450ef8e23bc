"""What is kept of a window that has slid over a video: when it was where, and the probabilities; no pictures.

Shapes: N windows, K classes.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from videogn.trained.sliding import TimeWindow


class Timeline:
    """The windows of a video, in the order of their starts: 4 bytes a class and 16 for their times."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self._starts, self._ends, self._scores = array("d"), array("d"), array("f")

    def __len__(self) -> int:
        return len(self._ends)  # the last that a window adds: Ctrl-C may come at any time

    def add(self, window: TimeWindow) -> None:
        """Add a window that starts after the others."""
        self._scores.extend(window.probabilities[name] for name in self.classes)
        self._starts.append(window.start)
        self._ends.append(window.end)

    @property
    def times(self) -> Sequence[tuple[float, float]]:
        """When each window starts and ends, in seconds."""
        return list(zip(self._starts, self._ends, strict=False))

    @property
    def scores(self) -> NDArray[np.float32]:
        """Probabilities [N, K]."""
        number = len(self) * len(self.classes)
        return np.array(self._scores[:number], np.float32).reshape(len(self), len(self.classes))

    def best(self, place: int, most: int) -> Iterator[tuple[str, float]]:
        """Yield the most probable classes of a window with their probabilities, best first."""
        first = place * len(self.classes)
        scores = self._scores[first : first + len(self.classes)]
        order = sorted(range(len(scores)), key=lambda label: -scores[label])
        yield from ((self.classes[label], scores[label]) for label in order[:most])

    def place_at(self, seconds: float) -> int | None:
        """Return the window whose middle is nearest to a time that it shows; None where no window shows it."""
        after = bisect(range(len(self)), seconds, key=self._middle)
        near = [place for place in (after - 1, after) if 0 <= place < len(self)]
        place = min(near, key=lambda place: abs(self._middle(place) - seconds), default=None)
        return place if place is not None and self._starts[place] <= seconds < self._ends[place] else None

    def _middle(self, place: int) -> float:
        return (self._starts[place] + self._ends[place]) / 2


def clock(seconds: float, *, decimals: int = 1) -> str:
    """Return a time as players show it: 0:07.5, 12:07.5, 1:02:07.5."""
    whole = round(max(seconds, 0) * 10**decimals)
    minutes, rest = divmod(whole, 60 * 10**decimals)
    hours, minutes = divmod(minutes, 60)
    width = 2 + (decimals + 1 if decimals else 0)
    shown = f"{rest / 10**decimals:0{width}.{decimals}f}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"
