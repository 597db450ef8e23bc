"""Words and figures as people read them: lists, counts, times, sizes; "-" for what is not known."""

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a number of things: 1 seed, 3 seeds, 1,250 classes."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def number_text(value: float | None, *, digits: int = 2) -> str:
    """Return a number with so many digits after the point."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent_text(alpha: float) -> str:
    """Return how often an interval holds the truth: 95 %."""
    return f"{100 * (1 - alpha):.3g} %"


def megabytes_text(num_bytes: int | None) -> str:
    """Return bytes as whole MiB."""
    return "-" if num_bytes is None else f"{num_bytes / 2**20:.0f}"


def duration_text(seconds: float | None) -> str:
    """Return a time in the unit that suits it: 41 s, 2.5 min, 48 min, 30.2 h; "-" for what is not known."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        minutes = seconds / 60
        return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
    return f"{seconds / 3600:,.1f} h"
