"""Seeds until decided: the rule by which a study adds seeds, and the level of intervals that are looked at often.

Whoever looks at a 95 % interval after every seed, and ends where it excludes 0, is wrong far more often than in 5 % of
studies. Repeated confidence intervals (Jennison and Turnbull, J. R. Statist. Soc. B 51, 1989, 305-361) are wider, so
that the chance that any of them misses the truth is 5 %: they hold whenever, and for whatever reason, one ends. Here
all are of one nominal level, as in Pocock's tests (Biometrika 64, 1977, 191-199). In simulations of up to 20 seeds,
these ended studies sooner than levels that grow from look to look, and than confidence sequences, which hold for ever
(Lai, Annals of Statistics 4, 1976, 265-280; Wang and Ramdas, arXiv 2310.03722).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# Of a study's intervals together, where nothing else is said: 1 less their confidence.
ALPHA = 0.05
# An end must be named, and so many seeds of trainings are more than anyone waits for.
_MAX_SEEDS = 100
# Bins of the p-value; twice as many change the chance of a miss by less than a thousandth of it.
_NUM_BINS = 64
RULE_FORM = "{from: 3, until: 1.0, at_most: 20}"


@dataclass(frozen=True)
class SeedRule:
    """Seeds 0, 1, 2, ... one after the other, until comparisons are decided.

    Args:
        start: Seeds that are run before the first look ("from").
        until: Half the width of an interval, in points of top-1, that is narrow enough.
        at_most: Seeds after which the study ends, decided or not.
        between: The two points that are compared, each as axis: label; None: every two that the report compares.
    """

    start: int
    until: float
    at_most: int
    between: tuple[dict[str, Any], dict[str, Any]] | None = None

    @property
    def seeds(self) -> list[int]:
        """All seeds that there may be, in their order."""
        return list(range(self.at_most))

    def nominal(self, alpha: float = ALPHA) -> float:
        """Return the nominal level of an interval that is looked at after every seed, so that all hold with `alpha`."""
        return nominal_alpha(self.at_most, alpha, start=self.start)

    def worth(self, p: float) -> float:
        """Return the p-value of a test at one of the looks, as that of all looks together."""
        return chance_of_a_miss(p, at_most=self.at_most, start=self.start)


def read_seed_rule(given: Mapping[str, Any]) -> SeedRule:
    """Read a rule of the form {from: 3, until: 1.0, at_most: 20, between: [{axis: label}, {axis: label}]}.

    Raises:
        ValueError: It has not that form, or a number is out of range.
    """
    names = {"from", "until", "at_most", "between"}
    missing, unknown = names - {"between"} - given.keys(), given.keys() - names
    if missing or unknown:
        what = f"lacks {', '.join(sorted(missing))}" if missing else f"has {', '.join(sorted(map(str, unknown)))}"
        raise ValueError(
            f"seeds: got {dict(given)!r}, which {what}; expected {RULE_FORM}, and between where two are meant"
        )
    start, until, at_most, between = given["from"], given["until"], given["at_most"], given.get("between")
    if not _is_number(start, int) or start < 2:
        raise ValueError(f"seeds, from: got {start!r}; expected a whole number of seeds, at least 2")
    if not _is_number(at_most, int) or not start < at_most <= _MAX_SEEDS:
        raise ValueError(f"seeds, at_most: got {at_most!r}; expected more than from ({start}), up to {_MAX_SEEDS}")
    if not _is_number(until, int | float) or not 0 < until < 100:
        raise ValueError(f"seeds, until: got {until!r}; expected points of top-1, more than 0 and less than 100")
    if between is None:
        return SeedRule(start, float(until), at_most)
    if not isinstance(between, list | tuple) or len(between) != 2 or not all(isinstance(b, Mapping) for b in between):
        raise ValueError(
            f"seeds, between: got {between!r}; expected two settings of the study, such as "
            "[{model.norm: bn, norm_batch_size: 2}, {model.norm: gn, norm_batch_size: 2}]"
        )
    return SeedRule(start, float(until), at_most, (dict(between[0]), dict(between[1])))


@cache
def nominal_alpha(at_most: int, alpha: float = ALPHA, *, start: int = 2) -> float:
    """Return the level at which t intervals over start, ... at_most values all hold together with chance 1 - alpha.

    Args:
        at_most: The largest number of values.
        alpha: The chance that any of the intervals misses the mean that the values are drawn around.
        start: The number of values at the first look.
    """
    from scipy.optimize import brentq  # here: the command's help does not need it

    def excess(log_level: float) -> float:
        return math.log(chance_of_a_miss(math.exp(log_level), at_most=at_most, start=start) / alpha)

    # No more than the sum of the looks' chances, no less than that of one look.
    return math.exp(brentq(excess, math.log(alpha / at_most), math.log(alpha), xtol=1e-4)) if at_most > start else alpha


def chance_of_a_miss(level: float, *, at_most: int, start: int = 2) -> float:
    """Return the chance that any t interval over the first start, ... at_most of independent normal values misses.

    Of a t test's p-value in the level's place, it is the p-value that holds where one looked after every value.

    The p-values of successive looks are a Markov chain that knows neither mean nor deviation. Of values x around the
    truth, the mean's share of the sum of squares Q is w = n mean^2 / Q; one value more makes of it
    (sqrt(n w) + r)^2 / ((n + 1) (1 + r^2)), where r = x / sqrt(Q) is Student's t with n degrees of freedom over sqrt(n)
    and independent of all w before (Q is, of centred normal values, independent of their direction). So the chance is
    found by passing the p-value's distribution on, in bins.

    Args:
        level: Nominal level: the chance that one interval misses.
        at_most: The number of values at the last look.
        start: Those at the first look.
    """
    import numpy as np
    from scipy.special import stdtr, stdtrit

    if not 0 < level < 1:
        return level
    edges = np.geomspace(level, 1.0, _NUM_BINS + 1)
    centres = np.sqrt(edges[1:] * edges[:-1])

    def share(p: Any, n: int) -> Any:
        t_squared = stdtrit(n - 1, p / 2) ** 2
        return t_squared / (n - 1 + t_squared)

    chance = level
    holding = np.diff(edges)  # of each bin, the chance to be in it and to have missed at no look so far
    for n in range(start, at_most):
        a = np.sqrt(np.maximum(n * share(centres, n), 1e-30))[:, None]  # of a p-value of 1, not 0 / 0 below
        k = (n + 1) * share(edges, n + 1)[None, :]
        # The share of n + 1 values is above an edge between the roots in r of (a + r)^2 = k (1 + r^2); below k = 1,
        # outside them.
        root = np.sqrt(k * np.maximum(1 + a**2 - k, 0))
        with np.errstate(divide="ignore"):
            low, high = (k - a**2) / (a + root), (a + root) / (k - 1)
        between = stdtr(n, high * math.sqrt(n)) - stdtr(n, low * math.sqrt(n))
        above = np.where(k > 1 + a**2, 0.0, between + (k < 1))
        chance += float(holding @ above[:, 0])
        holding = holding @ np.diff(above, axis=1)
    return chance


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
