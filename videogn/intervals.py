"""How far a mean may lie from the truth: intervals by Student's t, and Wilson's for accuracies.

An accuracy's interval is Wilson's (1927) with the quantile of t, at the number of videos that would give that variance:
near 100 % a symmetric one would leave out too much below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How often a study should show a difference that there is.
POWER = 0.8


@dataclass(frozen=True)
class Spread:
    """How far a mean may lie from the truth: its standard error, and the degrees of freedom that this is known with.

    Args:
        freedom: Of Student's t.
        num: Independent values that the mean is over.
    """

    error: float
    freedom: float
    num: float

    def quantile(self, alpha: float) -> float:
        """Return the quantile of t that leaves alpha / 2 on each side."""
        from scipy.special import stdtrit  # here: reports need it, and the command's help does not

        return float(stdtrit(self.freedom, 1 - alpha / 2))

    def tail(self, distance: float) -> float:
        """Return the chance of a mean that is so far above the truth, or farther."""
        from scipy.special import stdtr

        if self.error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.freedom, -distance / self.error))

    def smallest_shown(self, alpha: float) -> float:
        """Return the difference, in points, that a two-sided test at alpha shows with a power of 80 %."""
        from scipy.special import nctdtrinc

        return float(nctdtrinc(self.freedom, 1 - POWER, self.quantile(alpha))) * self.error


@dataclass(frozen=True)
class Claim:
    """What is claimed of a mean: the widest of its spreads counts.

    Args:
        mean: In percent or points.
        spreads: One or more.
        alpha: Its interval leaves out the truth so often.
        is_share: Whether it is an accuracy, from 0 to 100, and no difference.
    """

    mean: float
    spreads: tuple[Spread, ...]
    alpha: float
    is_share: bool = False

    @cached_property
    def half_width(self) -> float:
        """Half the width of the symmetric interval."""
        return max(spread.quantile(self.alpha) * spread.error for spread in self.spreads)

    @cached_property
    def low(self) -> float:
        """Lower end of the interval."""
        if self.is_share:
            return min(_wilson(self.mean, spread, self.alpha)[0] for spread in self.spreads)
        return self.mean - self.half_width

    @cached_property
    def high(self) -> float:
        """Upper end of the interval."""
        if self.is_share:
            return max(_wilson(self.mean, spread, self.alpha)[1] for spread in self.spreads)
        return self.mean + self.half_width

    @cached_property
    def p(self) -> float:
        """How likely so large a difference, or a larger one, would be without any; two-sided."""
        return min(1.0, max(2 * spread.tail(abs(self.mean)) for spread in self.spreads))

    def p_within(self, bound: float) -> float:
        """Return how likely such a difference would be if the true one were `bound` points or more, either way.

        Two one-sided tests (Schuirmann 1987).
        """
        return max(spread.tail(bound - abs(self.mean)) for spread in self.spreads)

    def smallest_shown(self, alpha: float) -> float:
        """Return the true difference, in points, that 4 of 5 such studies would show by a test at alpha."""
        return max(spread.smallest_shown(alpha) for spread in self.spreads)


def interval_text(claim: Claim | None) -> str:
    """Return the ends of an interval, such as "74.2–81.5"."""
    return "-" if claim is None else f"{claim.low:.1f}–{claim.high:.1f}"


def error_over_groups(scores: "NDArray", groups: Sequence[int] | None) -> tuple[float, int]:
    """Return the standard error that a mean has by its videos, and the number of their groups.

    Args:
        scores: [S, n] what each of n videos adds, in S runs.
        groups: [n] the group of each video, from 0; None: each by itself.
    """
    import numpy as np

    adds = (scores - scores.mean()).sum(axis=0) / scores.size
    if groups is not None:
        adds = np.bincount(groups, weights=adds)
    num = len(adds)
    return (math.sqrt(num / (num - 1) * float((adds**2).sum())) if num > 1 else 0.0), num


def binomial_error(accuracy: float, *, num_videos: int) -> float:
    """Return the standard error, in points, that an accuracy in percent has because it is of so many videos."""
    return math.sqrt(accuracy * (100 - accuracy) / num_videos)


def _wilson(mean: float, spread: Spread, alpha: float) -> tuple[float, float]:
    """Return the ends of an accuracy's interval, in percent."""
    share, t2 = mean / 100, spread.quantile(alpha) ** 2
    scatter = share * (1 - share)
    if scatter > 0 and spread.error == 0:
        return mean, mean
    num = scatter / (spread.error / 100) ** 2 if scatter > 0 else spread.num
    middle = (share + t2 / (2 * num)) / (1 + t2 / num)
    half_width = math.sqrt(t2 * (scatter / num + t2 / (4 * num**2))) / (1 + t2 / num)
    return 100 * max(0.0, middle - half_width), 100 * min(1.0, middle + half_width)
