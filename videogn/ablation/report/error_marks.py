"""What the error figure draws: a mark for each point, with its bar, its seeds and the paper's figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.report.gather import Gathered
from videogn.ablation.report.paper import PaperRow, other_totals_text
from videogn.ablation.report.points import Point
from videogn.ablation.report.text import norm_axis, range_text
from videogn.drawing import GROUND, category

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Below this span of the error axis, in points, noise would look like a finding.
_MIN_SPAN = 4.0
# From so many seeds on, an interval says more than the single seeds do; of two, it spans 18 deviations.
_MIN_SEEDS_OF_INTERVAL = 3

Bars = Literal["none", "interval", "deviation"]


@dataclass(frozen=True)
class Mark:
    """A point that is drawn: errors are 100 - top-1, in percent; its bar goes from low to high, where there is one."""

    point: Point
    error: float
    low: float
    high: float
    seeds: tuple[float, ...]
    paper: PaperRow | None


def bars_of(points: Sequence[Point]) -> Bars:
    """Return what the bars are: intervals where every point has seeds enough for one, else deviations."""
    nums = [point.top1.num for point in points if point.top1 is not None]
    if not nums or max(nums) < 2:
        return "none"
    return "interval" if min(nums) >= _MIN_SEEDS_OF_INTERVAL else "deviation"


def mark_of(gathered: Gathered, point: Point, *, bars: Bars) -> Mark:
    """Return a point that has a mean as it is drawn."""
    top1 = point.top1
    assert top1 is not None
    error, spread = 100 - top1.mean, top1.deviation or 0.0
    low, high = {
        "none": (error, error),
        "interval": (100 - top1.high, 100 - top1.low),
        "deviation": (max(0.0, error - spread), min(100.0, error + spread)),
    }[bars]
    seeds = tuple(100 - result.top1 for result in point.results.values())
    return Mark(point, error, low, high, seeds if len(seeds) > 1 else (), gathered.paper.get(point.levels))


def style_of(labels: Mapping[str, str], *, place: int) -> tuple[str, str]:
    """Return colour and marker of a line: its norm's where norms are all that tells lines apart."""
    norm = norm_axis(labels)
    others = [axis for axis in labels if axis not in (norm, NORM_BATCH_SIZE)]
    return category(labels[norm] if norm is not None and not others else "", place=place)


def bar_of(mark: Mark) -> tuple[list[float], list[float]] | None:
    """Return how far a bar goes down and up, as matplotlib takes it; None where it has no length."""
    if mark.low == mark.high:
        return None
    return [mark.error - mark.low], [mark.high - mark.error]


def draw_seeds(axes: "Axes", xs: Sequence[float], ys: Sequence[float], *, colour: str) -> None:
    """Draw single seeds as dots."""
    axes.scatter(xs, ys, s=10, color=colour, alpha=0.55, linewidths=0, zorder=3.5)


def draw_paper(axes: "Axes", x: float, y: float, *, colour: str, marker: str) -> None:
    """Draw a figure of the paper's, hollow."""
    edge = {"markeredgecolor": colour, "markerfacecolor": GROUND} if marker != "x" else {"color": colour}
    axes.plot([x], [y], marker=marker, markersize=8, markeredgewidth=1.3, linestyle="none", zorder=4, **edge)  # type: ignore[arg-type]


def paper_lines(marks: Sequence[Mark]) -> list[str]:
    """Return a line of the title that says what the hollow markers are, where there are some."""
    datasets = dict.fromkeys(mark.paper.dataset for mark in marks if mark.paper is not None)
    return [plain(f"hollow: paper ({', '.join(datasets)})")] if datasets else []


def limits_of(marks: Sequence[Mark]) -> tuple[float, float]:
    """Return the ends of the error axis."""
    values = [v for m in marks for v in (m.low, m.high, *m.seeds)]
    values += [100 - mark.paper.top1 for mark in marks if mark.paper is not None]
    low, high = max(0.0, min(values)), min(100.0, max(values))
    missing = max(0.0, _MIN_SPAN - (high - low)) / 2
    low, high = low - missing, high + missing
    low, high = (0.0, high - low) if low < 0 else (low, high)  # an error is never less than 0
    margin = 0.09 * (high - low)
    return max(low - margin, -0.4 * margin), high + margin


def bars_text(marks: Sequence[Mark], bars: Bars) -> str:
    """Return what means, bars and dots are."""
    if bars == "none":
        return "One seed: no bars"
    nums = range_text(len(mark.point.results) for mark in marks)
    what = {"interval": "95 % intervals over seeds (these videos)", "deviation": "standard deviations"}[bars]
    return f"Means over {nums} seeds, bars: {what}, dots: single seeds"


def caption_of(marks: Sequence[Mark], bars: Bars, *, has_lines: bool) -> str:
    """Return what bars, dots, dashes and hollow markers are."""
    parts = [f"{bars_text(marks, bars)}."]
    if has_lines and any(mark.point.same_as for mark in marks):
        parts.append("Dashed: the same runs at every normalisation batch, by construction.")
    beside = [(mark.paper, mark.point.outcomes[0].cell) for mark in marks if mark.paper is not None]
    if beside:
        total = other_totals_text(beside)
        datasets = " and ".join(dict.fromkeys(row.dataset for row, _ in beside))
        parts.append(f"Hollow: the paper's figures, on {datasets}{'' if total is None else f', {total}'}.")
    return " ".join(parts)


def size_of(mark: Mark) -> int:
    """Return a point's normalisation batch."""
    return int(mark.point.labels[NORM_BATCH_SIZE])


def plain(text: str) -> str:
    """Return text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
