"""Times as people read them."""


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
