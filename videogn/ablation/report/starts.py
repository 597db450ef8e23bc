"""Which rows start from which weights, where not all start from scratch."""

from collections.abc import Sequence

from videogn.ablation.cells import level_label
from videogn.ablation.report.comparisons import Comparison
from videogn.ablation.report.points import Point
from videogn.ablation.report.words import NORM_AXES, counted, level_words, listed, point_words

_SCRATCH = "scratch"


def start_of(point: Point) -> str:
    """Return the file that a point's runs start from, as its settings name it, else its results; or "scratch"."""
    asked = point.outcomes[0].cell.effective.get("model.weights")
    said = next((result.weights_file for result in point.results.values() if result.weights_file), None)
    return str(asked or said or _SCRATCH)


def starts_text(points: Sequence[Point], *, has_digests: bool = True) -> str | None:
    """Return such as "frozen BN starts from bn.ckpt (SHA-256 0a99), the others from scratch"; None where all do."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(start_of(point), []).append(point)
    if list(groups) == [_SCRATCH]:
        return None
    if len(groups) == 1:
        (start,) = groups
        return f"every run starts from {start}{_digests_text(points) if has_digests else ''}"
    # The most are "the others", and of as many those from scratch.
    ordered = sorted(groups, key=lambda start: (len(groups[start]), start == _SCRATCH))
    parts = []
    for place, start in enumerate(ordered):
        names = _names(groups[start], points)
        is_rest = place == len(ordered) - 1 and len(names) > 1
        verb = "" if place else " starts" if len(names) == 1 else " start"
        digests = _digests_text(groups[start]) if has_digests else ""
        parts.append(f"{'the others' if is_rest else listed(names)}{verb} from {start}{digests}")
    return ", ".join(parts)


def starts_caveat(points: Sequence[Point], compared: Sequence[Comparison]) -> str | None:
    """Return the caveat where points that were compared do not start alike; None where they do."""
    number = sum(start_of(c.point) != start_of(c.reference) for c in compared)
    if not number:
        return None
    starts = starts_text(points, has_digests=False)
    of = f"{counted(number, 'comparison')} here {'is' if number == 1 else 'are'}"
    return f"Not all start alike ({starts}): {of} of the start, too."


def _names(group: Sequence[Point], points: Sequence[Point]) -> list[str]:
    """Return the levels of one axis that are just these points, where there is such an axis; else the points."""
    for axis in points[0].labels:
        inside = dict.fromkeys(point.labels[axis] for point in group)
        if not any(point.labels[axis] in inside for point in points if point not in group):
            return [level_words(axis, label) if axis in NORM_AXES else level_label(axis, label) for label in inside]
    return [point_words(point.labels) for point in group]


def _digests_text(points: Sequence[Point]) -> str:
    digests = {result.weights_sha256 for point in points for result in point.results.values()} - {None}
    return f" (SHA-256 {' and '.join(sorted(map(str, digests)))})" if digests else ""
