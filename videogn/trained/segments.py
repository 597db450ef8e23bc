"""When a class is seen: stretches of time, from what a window that slides over a video says.

Shapes: N windows, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Probability from which on a class is seen, where no other is asked for.
THRESHOLD = 0.5


@dataclass(frozen=True)
class Segment:
    """A stretch of time in which a class is seen.

    Attributes:
        start: In seconds from the beginning of the video.
        highest: The highest probability of the class in a window of it.
    """

    label: int
    start: float
    end: float
    highest: float


def segments(times: Sequence[tuple[float, float]], scores: NDArray[np.float32], *, threshold: float) -> list[Segment]:
    """Return the stretches of time that windows cover in which a class has at least a probability.

    Windows of one class that overlap or touch are of one segment, also where one between them is below the threshold.

    Args:
        times: When each of N windows starts and ends, in seconds, in the order of their starts.
        scores: Probabilities [N, K].
        threshold: The least probability.

    Returns:
        In the order of their starts, then of classes.
    """
    found = []
    for label, is_seen in enumerate((scores >= threshold).T):
        open_segment: Segment | None = None
        for place in np.flatnonzero(is_seen).tolist():
            (start, end), score = times[place], float(scores[place, label])
            if open_segment is None or start > open_segment.end:
                found += [open_segment] if open_segment else []
                open_segment = Segment(label, start, end, score)
            else:
                first, last, highest = open_segment.start, open_segment.end, open_segment.highest
                open_segment = Segment(label, first, max(last, end), max(highest, score))
        found += [open_segment] if open_segment else []
    return sorted(found, key=lambda segment: (segment.start, segment.label))
