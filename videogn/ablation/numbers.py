"""Figures as the report and the terminal print them: "-" for what is not known."""


def number_text(value: float | None, *, digits: int = 2) -> str:
    """Return a number with so many digits after the point."""
    return "-" if value is None else f"{value:.{digits}f}"


def deviation_text(value: float | None) -> str:
    """Return a standard deviation as "± x"."""
    return "-" if value is None else f"± {value:.2f}"


def megabytes_text(num_bytes: int | None) -> str:
    """Return bytes as whole MiB."""
    return "-" if num_bytes is None else f"{num_bytes / 2**20:.0f}"
