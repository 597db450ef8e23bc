"""Whether a network is right as often as its probabilities say.

Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2: bins of equal width over the confidence, that is
the probability of the predicted class, and the expected calibration error over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from videogn.intervals import Claim
from videogn.trained.report.scores import Scores, share

NUM_BINS = 15  # Guo et al., section 5


@dataclass(frozen=True)
class Bin:
    """Videos whose confidence lies in [low, high), in the last bin with its end.

    Of any number of labels a video: pairs of a video and a class, by the probability of the class; accuracy is the
    share of them that are labelled.

    Args:
        low: From 0.
        high: Up to 1.
        num: How many.
        confidence: Their mean, from 0 to 1.
        accuracy: The share that is predicted rightly, in percent, with its interval.
    """

    low: float
    high: float
    num: int
    confidence: float
    accuracy: Claim


@dataclass(frozen=True)
class Calibration:
    """How far accuracy and confidence are apart.

    Args:
        bins: Those that hold a video.
        error: The expected calibration error, in points: |accuracy - confidence| of each bin, weighted by its videos.
        by_chance: About what that would be, in points, of a network that is right exactly as often as it says, on as
            many videos of these confidences: it falls with their number, and is never 0.
        confidence: Mean, in percent.
        accuracy: In percent.
    """

    bins: Sequence[Bin]
    error: float
    by_chance: float
    confidence: float
    accuracy: float


def calibration_of(scores: Scores) -> Calibration | None:
    """Return the calibration of a test; None where its confidences are not known."""
    if scores.confidence is None:
        return None
    return calibration(scores.confidence, scores.ranks < 1, scores.groups)


def calibration(
    confidence: NDArray[np.floating], is_right: NDArray[np.bool_], groups: NDArray[np.intp] | None
) -> Calibration:
    """Return the calibration of probabilities [n], by what came of each, [n]; see `share` for groups."""
    places = np.minimum((confidence * NUM_BINS).astype(np.intp), NUM_BINS - 1)
    bins, gap, scatter = [], 0.0, 0.0
    for place in np.unique(places).tolist():
        inside = places == place
        accuracy = share(is_right[inside], None if groups is None else groups[inside])
        assert accuracy is not None
        mean = float(confidence[inside].mean())
        bins.append(Bin(place / NUM_BINS, (place + 1) / NUM_BINS, int(inside.sum()), mean, accuracy))
        gap += abs(100 * mean - accuracy.mean) * bins[-1].num
        # The mean of |x| of a normal distribution is sqrt(2 / pi) times its deviation.
        scatter += 100 * math.sqrt(2 / math.pi * float((confidence[inside] * (1 - confidence[inside])).sum()))
    num = len(confidence)
    return Calibration(bins, gap / num, scatter / num, 100 * float(confidence.mean()), 100 * float(is_right.mean()))


def calibration_csv(found: Calibration) -> list[list[object]]:
    """Return the rows of calibration.csv: shares from 0 to 1 but for accuracies, in percent."""
    lines: list[list[object]] = [["low", "high", "videos", "confidence", "accuracy", "accuracy_low", "accuracy_high"]]
    for each in found.bins:
        accuracy = each.accuracy
        ends = [f"{value:.2f}" for value in (accuracy.mean, accuracy.low, accuracy.high)]
        lines.append([f"{each.low:.4f}", f"{each.high:.4f}", each.num, f"{each.confidence:.6f}", *ends])
    return lines
