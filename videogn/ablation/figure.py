"""The picture: error against normalisation batch, one line per norm, large batches left as in the paper's Figure 1."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videogn.ablation.study import Study
from videogn.ablation.summary import Point, protocol_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which is told apart with any colour vision; a marker of its own says the same without colour.
_STYLES = {
    "gn": ("#0072B2", "o"),
    "bn": ("#D55E00", "s"),
    "frozen_bn": ("#E69F00", "D"),
    "ln": ("#009E73", "^"),
    "in": ("#56B4E9", "v"),
    "brn": ("#CC79A7", "P"),
    "none": ("#000000", "x"),
}
# Below this span of the error axis, in percentage points, noise would look like a finding.
_MIN_SPAN = 4.0


def draw_error(study: Study, points: Sequence[Point], *, notices: Sequence[str]) -> bytes | None:
    """Return a PNG of error against normalisation batch, or None where no point has a mean.

    Args:
        study: What was asked.
        points: A point for each norm and normalisation batch.
        notices: What to beware of, such as a partial study: lines of the title.
    """
    drawn = [point for point in points if point.top1 is not None]
    if not drawn:
        return None
    # Here and not above: importing videogn.ablation must stay cheap. No pyplot: it keeps global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.6), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for norm in study.norms:
        line = [point for point in drawn if point.norm == norm]
        if not line:
            continue
        colour, marker = _STYLES[norm]
        shared = line[0].is_shared
        axes.errorbar(
            [point.norm_batch_size for point in line],
            [_error(point) for point in line],
            yerr=[point.top1_deviation or 0.0 for point in line] if any(p.top1_deviation for p in line) else None,
            color=colour,
            marker=marker,
            markersize=9,
            linewidth=2.2,
            linestyle="--" if shared else "-",
            capsize=5,
            label=norm.upper() + (" (same run by construction)" if shared else ""),
        )
    _label_values(axes, drawn)
    axes.set_xscale("log", base=2)
    sizes = sorted(study.norm_batch_sizes, reverse=True)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] * 1.3, sizes[-1] / 1.3)
    axes.set_ylim(*_error_limits(drawn))
    axes.set_xlabel("normalisation batch (clips that share batch statistics)", fontsize=12)
    axes.set_ylabel("error, 100 − top-1 (%)", fontsize=12)
    axes.set_title("\n".join(_title(study, drawn, notices=notices)), fontsize=11.5)
    axes.tick_params(labelsize=12)
    axes.grid(axis="y", color="#DDDDDD")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=12, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _error(point: Point) -> float:
    assert point.top1 is not None
    return 100.0 - point.top1


def _label_values(axes: "Axes", drawn: Sequence[Point]) -> None:
    """Write the values of one or two lines beside their markers, the higher above; with more, they would overlap."""
    if len({point.norm for point in drawn}) > 2:
        return
    for point in drawn:
        others = [p for p in drawn if p.norm_batch_size == point.norm_batch_size and p.norm != point.norm]
        is_lower = any((_error(point), point.norm) < (_error(other), other.norm) for other in others)
        axes.annotate(
            f"{_error(point):.1f}",
            (point.norm_batch_size, _error(point)),
            xytext=(9, -8 if is_lower else 8),
            textcoords="offset points",
            va="top" if is_lower else "bottom",
            color=_STYLES[point.norm][0],
            fontsize=11,
        )


def _error_limits(drawn: Sequence[Point]) -> tuple[float, float]:
    low = min(_error(point) - (point.top1_deviation or 0.0) for point in drawn)
    high = max(_error(point) + (point.top1_deviation or 0.0) for point in drawn)
    missing = max(0.0, _MIN_SPAN - (high - low)) / 2
    low, high = low - missing, high + missing
    below_zero = max(0.0, -low)  # an error is never less than 0
    low, high = low + below_zero, high + below_zero
    margin = 0.12 * (high - low)
    return low - margin, high + margin


def _title(study: Study, drawn: Sequence[Point], *, notices: Sequence[str]) -> list[str]:
    results = [result for point in drawn for result in point.results]
    num_videos = {result.num_videos_scored for result in results}
    videos = f", {num_videos.pop()} videos" if len(num_videos) == 1 and None not in num_videos else ""
    num_seeds = sorted({len(point.results) for point in drawn})
    seeds = "1 seed" if num_seeds == [1] else f"{'-'.join(map(str, num_seeds))} seeds, bars: standard deviation"
    lines = [
        f"{Path(study.base).name}: protocol {protocol_text(results)}{videos}",
        f"total batch {study.total_batch_size}, {seeds}",
    ]
    return [*lines, *notices]
