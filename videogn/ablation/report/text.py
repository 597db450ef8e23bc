"""How a report says things: axes, levels and points by name, figures with their digits, "-" for what is not known."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.cells import level_label
from videogn.ablation.report.estimates import Estimate
from videogn.intervals import Claim
from videogn.norms import NORMS, STANDARDIZED
from videogn.training.result import Result
from videogn.wording import counted

# The axis of norms: the setting, or an axis of labels that are called by their norms.
NORM_AXES = ("model.norm", "norm")


def axis_words(axis: str) -> str:
    """Return an axis as the head of a column: norm, normalisation batch, num_frames; a name of the study's as it is."""
    return "normalisation batch" if axis == NORM_BATCH_SIZE else axis.rsplit(".", 1)[-1]


def level_words(axis: str, label: str) -> str:
    """Return a level as an entry of its axis' column: GN, GN+WS, 2, 32x2."""
    norm = label.removesuffix(STANDARDIZED)
    if axis not in NORM_AXES or norm not in NORMS:
        return label
    return NORMS[norm].label + ("" if norm == label else "+WS")


def norm_axis(axes: Iterable[str]) -> str | None:
    """Return the name of the axis of norms, or None where there is none."""
    return next((axis for axis in axes if axis in NORM_AXES), None)


def point_words(labels: Mapping[str, str], *, is_short: bool = False) -> str:
    """Return the levels of all axes in words, such as "BN at normalisation batch 2".

    Args:
        is_short: Behind another point in one sentence: "BN at 16".
    """
    norm = norm_axis(labels)
    others = [level_label(axis, label) for axis, label in labels.items() if axis not in (norm, NORM_BATCH_SIZE)]
    head = []
    if norm is not None:
        head.append(level_words(norm, labels[norm]))
    if NORM_BATCH_SIZE in labels:
        size = level_label(NORM_BATCH_SIZE, labels[NORM_BATCH_SIZE])
        if head:
            head[0] += f" at {labels[NORM_BATCH_SIZE] if is_short else size}"
        else:
            head.append(size)
    return ", ".join([*head, *others])


def width_text(claim: Claim | None, *, digits: int = 2) -> str:
    """Return half the width of an interval, such as "± 3.10"."""
    return "-" if claim is None else f"± {claim.half_width:.{digits}f}"


def signed_text(value: float, *, digits: int = 2) -> str:
    """Return a difference with its sign, such as "−15.20"."""
    rounded = round(value, digits)
    sign = "−" if rounded < 0 else "+" if rounded > 0 else ""
    return f"{sign}{abs(rounded):.{digits}f}"


def difference_text(estimate: Estimate | None, *, digits: int = 2) -> str:
    """Return a difference with its sign and its interval over seeds, such as "−15.20 ± 3.10"."""
    if estimate is None:
        return "-"
    width = "" if estimate.seeds is None else f" {width_text(estimate.seeds, digits=digits)}"
    return signed_text(estimate.mean, digits=digits) + width


def paired_text(estimate: Estimate | None, *, num_seeds: int) -> str:
    """Return a difference, and over how many pairs it is where that is not all seeds: "+5.94 (1 pair)"."""
    if estimate is None or estimate.num == num_seeds:
        return difference_text(estimate)
    return f"{difference_text(estimate)} ({counted(estimate.num, 'pair')})"


def points_text(value: float) -> str:
    """Return percentage points in a sentence: one digit, or two where one would say nothing."""
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def bound_text(value: float) -> str:
    """Return percentage points that bound something, rounded up to one digit; enormous ones as such."""
    return f"{math.ceil(round(value * 10, 6)) / 10:.1f}" if value < 100 else "over 100"


def p_text(p: float | None) -> str:
    """Return a p-value: 0.034, <0.001, "-" where there is none."""
    if p is None:
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def protocol_text(results: Iterable[Result]) -> str:
    """Return the protocol of results, or all of them where they differ; "-" where none is known."""
    return " and ".join(_known(result.protocol_and_policy for result in results)) or "-"


def coverage_text(results: Iterable[Result]) -> str:
    """Return "scored / expected" videos, such as "60 / 60" or, over seeds that differ, "59–60 / 60"."""
    results = list(results)
    scored = range_text(result.num_videos_scored for result in results)
    return f"{scored} / {range_text(result.num_videos_expected for result in results)}"


def range_text(values: Iterable[float | None], *, text: Callable[[Any], str] = str) -> str:
    """Return the one value, or the least and the largest; "-" where none is known."""
    known = sorted(_known(values))
    if not known:
        return "-"
    ends = list(dict.fromkeys([text(known[0]), text(known[-1])]))
    return "–".join(ends)


def _known(values: Iterable[Any]) -> list[Any]:
    """Return the different values, in order of appearance, less None."""
    return list(dict.fromkeys(value for value in values if value is not None))
