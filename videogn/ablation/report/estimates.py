"""Means, spreads and 95 % intervals over seeds, by Student's t."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from videogn.ablation.sequential import ALPHA


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


def estimate(values: Sequence[float], *, alpha: float = ALPHA, least_deviation: float = 0.0) -> Estimate | None:
    """Return mean, sample standard deviation and interval of values; None where there are none.

    Args:
        values: Independent values of one quantity.
        alpha: 1 less the nominal confidence of the interval (Study.alpha).
        least_deviation: The interval is that of at least so large a deviation: what the step between two possible
            values hides. Without it, two seeds that agree by chance would prove anything.
    """
    if not values:
        return None
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(1, mean, None, None)
    from scipy.special import stdtrit  # here: reports need it, and the command's help does not

    deviation = statistics.stdev(values)
    error = max(deviation, least_deviation) / math.sqrt(len(values))
    return Estimate(len(values), mean, deviation, float(stdtrit(len(values) - 1, 1 - alpha / 2)) * error)


def binomial_error(accuracy: float, *, num_videos: int) -> float:
    """Return the standard error, in points, that an accuracy in percent has because it is of so many videos."""
    return math.sqrt(accuracy * (100 - accuracy) / num_videos)
