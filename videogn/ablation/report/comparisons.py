"""The comparisons that findings are among, one by one: as a table of the report, and as comparisons.csv."""

from collections.abc import Mapping, Sequence
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.report.contrasts import JUDGED, Contrast, Reach
from videogn.ablation.report.estimates import ALPHA
from videogn.ablation.report.findings import sides_text
from videogn.ablation.report.gather import Answer, Gathered, answers_of
from videogn.ablation.report.text import bound_text, p_text, signed_text, width_text
from videogn.files import csv_text
from videogn.intervals import Claim
from videogn.page import Column, Table
from videogn.wording import counted, percent_text

_REACHES: tuple[Reach, ...] = ("these", "like them")
_WORDS = {"these": "these videos", "like them": "videos like them"}
# A float32's noise ends at the digits behind these.
_DIGITS = 4


def comparison_table(answer: Answer, *, bound: float | None) -> Table | None:
    """Return every comparison with what survives among them; None where none can be judged.

    Args:
        bound: Points within which settings count as equal; None: that was not tested.
    """
    contrasts = [contrast for contrast in answer.contrasts if contrast.verdict != "same computation"]
    judged = [contrast for contrast in contrasts if contrast.verdict in JUDGED]
    if not judged:
        return None
    reaches = [reach for reach in _REACHES if any(("apart", reach) in contrast.ps for contrast in contrasts)]
    rows = [_entries(contrast, reaches, bound=bound) for contrast in contrasts]
    columns = tuple(
        Column(head, is_name=head == "comparison", is_text=head in ("comparison", "finding")) for head in rows[0]
    )
    within = (
        "" if bound is None else f"; Holm within: so, too, if the true one were {bound:g} points or more either way"
    )
    caption = (
        f"Top-1 of the first less that of the second, paired by seed{' and video' if len(reaches) > 1 else ''}, in "
        f"points. ±: half of the {percent_text(ALPHA)} interval of this one by itself. p: how likely so large a "
        f"difference were without any. Holm: the same {_among_text(judged)}; up to {ALPHA:g} it is a "
        "finding (* on these videos, ** on videos like them, too)"
        f"{within}. Would show: the true difference that 4 of 5 such studies tell apart on these videos among so many."
    )
    return Table(columns, tuple(tuple(row.values()) for row in rows), caption)


def _among_text(judged: Sequence[Contrast]) -> str:
    """Return what comparisons are judged among, such as "among all 4 comparisons"."""
    sizes = {contrast.num_together for contrast in judged}
    if sizes == {len(judged)}:
        return f"among all {counted(len(judged), 'comparison')}"
    rest = f", and that of the others among {max(sizes)}, once the first is apart" if len(judged) > 1 else ""
    return f"of the first, which seeds were added for, by itself{rest}"


def _entries(contrast: Contrast, reaches: Sequence[Reach], *, bound: float | None) -> dict[str, str]:
    """Return a row by the heads of its columns."""
    difference = contrast.difference
    smallest = contrast.smallest_shown
    found = {
        "comparison": sides_text(contrast),
        "points": "-" if difference is None else signed_text(difference.mean),
        "finding": _finding_text(contrast, bound=bound),
        "would show": "-" if smallest is None else bound_text(smallest),
    }
    for reach in reaches:
        words = _WORDS[reach]
        found[words] = width_text(contrast.claim(reach))
        found[f"p, {words}"] = p_text(contrast.ps.get(("apart", reach)))
        found[f"Holm, {words}"] = p_text(contrast.adjusted.get(("apart", reach)))
        if bound is not None:
            found[f"Holm within, {words}"] = p_text(contrast.adjusted.get(("within", reach)))
    return found


def _finding_text(contrast: Contrast, *, bound: float | None) -> str:
    words = []
    if contrast.shows("apart", "these"):
        words.append(f"apart {'**' if contrast.shows('apart', 'like them') else '*'}")
    if contrast.shows("within", "these"):
        words.append(f"within {bound:g} {'**' if contrast.shows('within', 'like them') else '*'}")
    if words:
        return ", ".join(words)
    if contrast.verdict == "open" and contrast.is_apart_by_itself():
        return "open: waits for the first" if contrast.waits else "open: apart by itself, not among all"
    return contrast.verdict


def comparisons_csv(gathered: Gathered) -> str:
    """Return a row for each comparison: its points, and its figures as report.json has them."""
    rows = [
        {"answer": answer.points[0].outcomes[0].cell.kind} | _row(contrast)
        for _, answer in answers_of(gathered)
        for contrast in answer.contrasts
    ]
    return csv_of(rows)


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, below the names of the first row's fields."""
    names = list(rows[0]) if rows else []
    return csv_text([names, *([row.get(name) for name in names] for row in rows)])


def _row(contrast: Contrast) -> dict[str, Any]:
    """Return a row; of losses, the points are those at the largest normalisation batch."""
    point, reference = contrast.points[:2]
    row: dict[str, Any] = {"axis": contrast.axis}
    row |= {f"point.{axis}": label for axis, label in point.labels.items()}
    row |= {f"reference.{axis}": label for axis, label in reference.labels.items()}
    row["smaller_norm_batch_size"] = contrast.points[2].labels[NORM_BATCH_SIZE] if contrast.is_of_losses else None
    for name, value in comparison_fields(contrast).items():
        row |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
    return row


def comparison_fields(contrast: Contrast) -> dict[str, Any]:
    """Return a comparison's figures: means and intervals in points, p-values by themselves and after Holm's."""
    difference = contrast.difference
    fields: dict[str, Any] = {
        "verdict": contrast.verdict,
        "num_seeds": 0 if difference is None else difference.num,
        "mean": None if difference is None else rounded(difference.mean),
        "deviation": None if difference is None else rounded(difference.deviation),
        "num_groups": None if difference is None else difference.num_groups,
        "smallest_shown": rounded(contrast.smallest_shown),
    }
    for reach in _REACHES:
        fields[_WORDS[reach].replace(" ", "_")] = {
            **claim_fields(contrast.claim(reach)),
            **{
                f"{name}{ending}": None if (p := values.get((kind, reach))) is None else float(f"{p:.6g}")
                for name, values in (("p", contrast.ps), ("holm", contrast.adjusted))
                for kind, ending in (("apart", ""), ("within", "_within"))
            },
        }
    return fields


def claim_fields(claim: Claim | None) -> dict[str, Any]:
    """Return the ends of an interval."""
    return {
        "low": None if claim is None else rounded(claim.low),
        "high": None if claim is None else rounded(claim.high),
    }


def rounded(value: Any) -> Any:
    """Return a float as it is written; any other value as it is."""
    return round(value, _DIGITS) if isinstance(value, float) else value
