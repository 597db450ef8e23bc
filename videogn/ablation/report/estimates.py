"""Means and how sure they are, for two claims: of other seeds on these videos, and of other seeds on videos like them.

x[s, v] are values of S seeds on n videos, in percent or points; the mean is over both.

- These videos: Student's t over the S means, one for each seed.
- Videos like them: seeds and videos are two crossed random samples. The variance of the mean is taken as A + B: A is
  the variance over seeds / S; B is G / (G - 1) times the sum of the squares of what the G groups of videos (or the n
  videos) add to the mean's deviation, sum over a group of (x[s, v] - mean) / (S n). Degrees of freedom are
  Satterthwaite's (1946). The interval is never narrower than that of these videos. A + B holds the interaction of seed
  and video twice, so it is wide rather than narrow. In simulations the other ways were too narrow somewhere: with the
  interaction subtracted once (Cameron, Gelbach & Miller 2011), 90 % for ten groups; resampling seeds and videos (Owen
  2007, "The pigeonhole bootstrap"), 89 % for three seeds that differ much.

An accuracy's interval is Wilson's, see intervals.py. That of a difference is mean ± t x error.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from videogn.ablation.sequential import ALPHA
from videogn.intervals import Claim, Spread, error_over_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and what is claimed of it.

    Args:
        mean: Their mean.
        deviation: Their sample standard deviation; None for one.
        seeds: The claim over seeds, of these videos; None for too few seeds.
        videos: The claim over seeds and videos; None for too few seeds, or where the videos' own scores are not known.
        num_groups: Groups of videos that the latter takes as independent.
    """

    num: int
    mean: float
    deviation: float | None
    seeds: Claim | None
    videos: Claim | None = None
    num_groups: int | None = None

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval over seeds; None for too few seeds."""
        return None if self.seeds is None else self.seeds.half_width

    @property
    def low(self) -> float:
        """Lower end of the interval over seeds; the mean of too few values."""
        return self.mean if self.seeds is None else self.seeds.low

    @property
    def high(self) -> float:
        """Upper end of the interval over seeds; the mean of too few values."""
        return self.mean if self.seeds is None else self.seeds.high


def estimate(
    values: Sequence[float],
    *,
    alpha: float = ALPHA,
    least_deviation: float = 0.0,
    least_num: int = 2,
    scores: "NDArray | None" = None,
    groups: Sequence[int] | None = None,
    num_videos: int | None = None,
) -> Estimate | None:
    """Return mean, sample standard deviation and claims of values; None where there are none.

    Args:
        values: [S] independent values of one quantity, one for each seed.
        alpha: Intervals leave out the truth so often.
        least_deviation: The claims are those of at least so large a deviation over seeds: what the step between two
            possible values hides. Without it, two seeds that agree by chance would prove anything.
        least_num: Of fewer values, nothing is claimed.
        scores: [S, n] what each video adds: `values` are their means over videos. None: not known.
        groups: [n] the group of each video, from 0; None: each by itself.
        num_videos: The values are accuracies in percent, of so many videos; None: they are differences.
    """
    if not values:
        return None
    mean, num = statistics.fmean(values), len(values)
    if num == 1:
        return Estimate(1, mean, None, None)
    deviation = statistics.stdev(values)
    if num < least_num:
        return Estimate(num, mean, deviation, None)
    is_share = num_videos is not None
    of_seeds = Spread(max(deviation, least_deviation) / math.sqrt(num), num - 1, num * (num_videos or 1))
    seeds = Claim(mean, (of_seeds,), alpha, is_share)
    if scores is None:
        return Estimate(num, mean, deviation, seeds)
    error, num_groups = error_over_groups(scores, groups)
    if num_groups < 2:
        return Estimate(num, mean, deviation, seeds, num_groups=num_groups)
    parts = ((of_seeds.error**2, num - 1), (error**2, num_groups - 1))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / free for part, free in parts) if variance else num - 1
    of_both = Spread(math.sqrt(variance), freedom, num_groups)
    return Estimate(num, mean, deviation, seeds, Claim(mean, (of_seeds, of_both), alpha, is_share), num_groups)


def holm(own: float, others: Sequence[float]) -> float:
    """Return a p-value among others after Holm's procedure (1979): it survives where that is at most alpha."""
    ordered = sorted([*others, own])
    return min(1.0, max((len(ordered) - place) * p for place, p in enumerate(ordered) if p <= own))
