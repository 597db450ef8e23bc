"""Means, spreads and 95 % intervals over seeds, by Student's t."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and how well it is known.

    Args:
        num: Values that it is over.
        mean: Their mean.
        deviation: Their sample standard deviation; None for one value.
        half_width: Half the width of the 95 % interval around the mean; None for one value.
    """

    num: int
    mean: float
    deviation: float | None
    half_width: float | None

    @property
    def low(self) -> float:
        """Lower end of the interval; the mean of one value."""
        return self.mean - (self.half_width or 0.0)

    @property
    def high(self) -> float:
        """Upper end of the interval; the mean of one value."""
        return self.mean + (self.half_width or 0.0)

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval, and 0 lies outside it."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def estimate(values: Sequence[float], *, least_deviation: float = 0.0) -> Estimate | None:
    """Return mean, sample standard deviation and interval of values; None where there are none.

    Args:
        values: Independent values of one quantity.
        least_deviation: The interval is that of at least so large a deviation: what the step between two possible
            values hides. Two seeds that agree by chance would else prove anything.
    """
    if not values:
        return None
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(1, mean, None, None)
    deviation = statistics.stdev(values)
    error = max(deviation, least_deviation) / math.sqrt(len(values))
    return Estimate(len(values), mean, deviation, student_t(len(values) - 1) * error)


def paired_difference(
    values: Mapping[int, float], reference: Mapping[int, float], *, least_deviation: float = 0.0
) -> Estimate | None:
    """Return what `values` have over `reference`, both by seed, over the seeds that both have; None without any."""
    differences = [value - reference[seed] for seed, value in values.items() if seed in reference]
    return estimate(differences, least_deviation=least_deviation)


@cache
def student_t(degrees: int, *, confidence: float = CONFIDENCE) -> float:
    """Return t for which a variable of Student's distribution lies between -t and t with probability `confidence`."""
    low, high = 0.0, 1.0
    while central_probability(high, degrees=degrees) < confidence:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if central_probability(middle, degrees=degrees) < confidence:
            low = middle
        else:
            high = middle
    return high


def central_probability(t: float, *, degrees: int) -> float:
    """Return the probability that a variable of Student's distribution lies between -t and t.

    The finite series for whole degrees of freedom: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    if degrees % 2:
        term, total = cosine, 0.0
        for k in range(1, degrees - 1, 2):
            total += term
            term *= cosine**2 * (k + 1) / (k + 2)
        return 2 / math.pi * (angle + sine * total)
    term, total = 1.0, 0.0
    for k in range(0, degrees - 1, 2):
        total += term
        term *= cosine**2 * (k + 1) / (k + 2)
    return sine * total


def binomial_error(accuracy: float, *, num_videos: int) -> float:
    """Return the standard error, in points, that an accuracy in percent has because it is of so many videos."""
    return math.sqrt(accuracy * (100 - accuracy) / num_videos)
