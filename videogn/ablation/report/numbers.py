"""Figures as the report and the terminal print them: "-" for what is not known."""

import math

from videogn.ablation.report.statistics import Estimate
from videogn.ablation.report.words import counted


def number_text(value: float | None, *, digits: int = 2) -> str:
    """Return a number with so many digits after the point."""
    return "-" if value is None else f"{value:.{digits}f}"


def mean_text(estimate: Estimate | None) -> str:
    """Return a mean with its interval, such as "78.25 ± 3.10"."""
    if estimate is None:
        return "-"
    return number_text(estimate.mean) + ("" if estimate.half_width is None else f" ± {estimate.half_width:.2f}")


def difference_text(estimate: Estimate | None, *, digits: int = 2) -> str:
    """Return a difference with its sign and its interval, such as "−15.20 ± 3.10"."""
    if estimate is None:
        return "-"
    rounded = round(estimate.mean, digits)
    sign = "−" if rounded < 0 else "+" if rounded > 0 else ""
    width = "" if estimate.half_width is None else f" ± {estimate.half_width:.{digits}f}"
    return f"{sign}{abs(rounded):.{digits}f}{width}"


def paired_text(estimate: Estimate | None, *, num_seeds: int) -> str:
    """Return a difference, and over how many pairs it is where that is not all seeds: "+5.94 (1 pair)"."""
    if estimate is None or estimate.num == num_seeds:
        return difference_text(estimate)
    return f"{difference_text(estimate)} ({counted(estimate.num, 'pair')})"


def points_text(value: float) -> str:
    """Return percentage points in a sentence: one digit, or two where one would say nothing."""
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def bound_text(value: float) -> str:
    """Return percentage points that bound something, rounded up to one digit."""
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}"


def megabytes_text(num_bytes: int | None) -> str:
    """Return bytes as whole MiB."""
    return "-" if num_bytes is None else f"{num_bytes / 2**20:.0f}"
