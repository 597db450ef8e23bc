"""Tables of a report in Markdown, by column."""


def table(text: str, *, first: str) -> list[dict[str, str]]:
    """Return the rows of the Markdown table whose head begins with `first`, by column."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    head, _, *rows = [line.strip("|").replace("**", "").split(" | ") for line in lines[start:] if line.startswith("|")]
    heads = [name.strip() for name in head]
    return [dict(zip(heads, map(str.strip, row), strict=True)) for row in rows if len(row) == len(heads)]


def point(text: str, norm: str, size: str) -> dict[str, str]:
    return next(r for r in table(text, first="norm") if (r["norm"], r["normalisation batch"]) == (norm, size))
