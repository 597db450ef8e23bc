"""What the seeds of a study support, in sentences: a difference where its interval says so, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.cells import level_label
from videogn.ablation.report.contrasts import JUDGED, Contrast
from videogn.ablation.report.estimates import binomial_error
from videogn.ablation.report.points import Point
from videogn.ablation.report.question import start_of, starts_text
from videogn.ablation.report.text import (
    bound_text,
    counted,
    difference_text,
    listed,
    point_words,
    points_text,
    range_text,
)
from videogn.ablation.study import Study

NO_ANSWER = "No cell is done: there is no answer yet."
# Why a contrast is not judged.
_UNJUDGED = {
    "too few seeds": "fewer than two seeds have both results",
    "no result": "a result is missing",
    "mixed": "the results are of different data, starts, protocols or code",
    "other videos": "the results are of other numbers of videos",
}


@dataclass(frozen=True)
class Findings:
    """What a study says, as sentences.

    Args:
        sentences: The findings.
        notes: What the seeds do not tell, and how far the findings reach.
    """

    sentences: tuple[str, ...]
    notes: tuple[str, ...]


def findings_of(study: Study, points: Sequence[Point], contrasts: Sequence[Contrast]) -> Findings:
    """Return what the seeds support, and in one line each what they do not."""
    if not any(point.results for point in points):
        return Findings((), (NO_ANSWER,))
    sentences = [_sentence(contrast) for contrast in contrasts if contrast.verdict in ("apart", "close")]
    sentences += _same_computation_sentences(contrasts)
    judged = [contrast for contrast in contrasts if contrast.verdict in JUDGED]
    unjudged = [contrast for contrast in contrasts if contrast.verdict in _UNJUDGED]
    notes = []
    still_open = [contrast for contrast in contrasts if contrast.verdict == "open"]
    if still_open:
        pairs = "; ".join(f"{_sides(c)} ({_open_text(c)})" for c in still_open)
        notes.append(
            f"Not told apart by these seeds, {counted(len(still_open), 'comparison')} of {len(judged)}: {pairs}."
        )
    notes += _starts_notes(points, judged)
    if judged:
        notes += _reach(points, judged=judged)
    if unjudged and len(study.seeds) == 1 and all(c.verdict in ("too few seeds", "no result") for c in unjudged):
        notes.append(
            "One seed: no finding. How much a result differs from seed to seed is not known, so two single runs cannot "
            "be told apart; extend the study to three seeds or more."
        )
    elif unjudged:
        notes.append(_unjudged_note(unjudged))
    return Findings(tuple(sentences), tuple(notes))


def _sentence(contrast: Contrast) -> str:
    """Return what is apart, or close."""
    estimate = contrast.difference
    assert estimate is not None
    assert estimate.half_width is not None
    is_close, is_less = contrast.verdict == "close", estimate.mean < 0
    bound = f"within {bound_text(max(-estimate.low, estimate.high))} points of"
    size = f"{points_text(abs(estimate.mean))} ± {points_text(estimate.half_width)} points"
    if contrast.is_of_losses:
        loss, level, reference = _loss_words(contrast)
        loss = loss[0].upper() + loss[1:]
        close = f"{loss} with {level} is {bound} that with {reference}"
        apart = f"{loss} is {size} {'smaller' if is_less else 'larger'} with {level} than with {reference}"
    else:
        name, reference = _pair_words(contrast)
        close = f"{name} is {bound} {reference}"
        apart = f"{name} is {size} {'below' if is_less else 'above'} {reference}"
    return f"{close if is_close else apart} ({counted(estimate.num, 'seed')}, 95 % interval)."


def _sides(contrast: Contrast) -> str:
    """Return what a contrast is between."""
    if contrast.is_of_losses:
        loss, level, reference = _loss_words(contrast)
        return f"{loss} with {level} and with {reference}"
    return " and ".join(_pair_words(contrast))


def _pair_words(contrast: Contrast) -> tuple[str, str]:
    point, reference = contrast.points
    return point_words(point.labels), point_words(reference.labels, is_short=True)


def _loss_words(contrast: Contrast) -> tuple[str, str, str]:
    """Return the loss, the level and the baseline's level as a sentence names them."""
    large, large_reference, small, _ = contrast.points
    size, largest = small.labels[NORM_BATCH_SIZE], large.labels[NORM_BATCH_SIZE]
    levels = [level_label(contrast.axis, point.labels[contrast.axis]) for point in (large, large_reference)]
    return f"the loss at normalisation batch {size} (top-1 at {largest} less that at {size})", levels[0], levels[1]


def _same_computation_sentences(contrasts: Sequence[Contrast]) -> list[str]:
    """Return a sentence for each run that is done and stands for several levels of an axis."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for contrast in contrasts:
        if contrast.verdict == "same computation" and contrast.points[1].results:
            point, reference = contrast.points
            groups.setdefault((contrast.axis, point_words(reference.labels, is_short=True)), []).append(point)
    sentences = []
    for (axis, reference_words), group in groups.items():
        first = point_words(group[0].labels)
        if axis == NORM_BATCH_SIZE and len(group[0].labels) <= 2 and len(group) > 1:
            sizes = [point.labels[axis] for point in group]
            first = first.removesuffix(f"normalisation batch {sizes[0]}") + f"normalisation batches {listed(sizes)}"
        elif len(group) > 1:
            first = listed([point_words(point.labels) for point in group])
        verb = "is" if len(group) == 1 else "are"
        sentences.append(
            f"{first} {verb} the same computation as {reference_words}: run once a seed, equal by construction."
        )
    return sentences


def _open_text(contrast: Contrast) -> str:
    difference = contrast.difference
    text = difference_text(difference, digits=1)
    assert difference is not None
    is_whole = difference.num == len(contrast.points[0].outcomes)
    return text if is_whole else f"{text}, {counted(difference.num, 'pair')}"


def _starts_notes(points: Sequence[Point], judged: Sequence[Contrast]) -> list[str]:
    """Return the caveat where points that were compared do not start alike."""
    pairs = [contrast.points for contrast in judged if not contrast.is_of_losses]
    number = sum(start_of(point) != start_of(reference) for point, reference in pairs)
    if not number:
        return []
    of = f"{counted(number, 'comparison')} here {'is' if number == 1 else 'are'}"
    return [f"Not all start alike ({starts_text(points, has_digests=False)}): {of} of the start, too."]


def _reach(points: Sequence[Point], *, judged: Sequence[Contrast]) -> list[str]:
    """Return what the intervals are over, and what they leave out."""
    results = [result for point in points for result in point.results.values() if result.num_videos_scored]
    videos = range_text(result.num_videos_scored for result in results)
    errors = range_text(
        (binomial_error(result.top1, num_videos=result.num_videos_scored or 1) for result in results),
        text=lambda value: f"{value:.1f}",
    )
    notes = [
        "Intervals are 95 % by Student's t over seeds (an interval is at least as wide as one video more or less would "
        "make it), differences paired by seed"
        f"{', all on the same test videos' if _are_of_same_videos(judged) else ''}."
    ]
    if results:
        notes[0] += (
            f" On other videos the accuracies would be others, too: of {videos} videos, the binomial standard error of "
            f"an accuracy is {errors} points here."
        )
    if len(judged) > 1:
        notes.append(
            f"{len(judged)} comparisons were made, with no correction for their number: where nothing differs in "
            "truth, about one in twenty is told apart by chance."
        )
    return notes


def _are_of_same_videos(judged: Sequence[Contrast]) -> bool:
    """Return whether every result that was judged is known to be of all videos of one data set."""
    points = [point for contrast in judged for point in contrast.points]
    results = [result for point in points for result in point.results.values()]
    are_whole = all(r.num_videos_scored is not None and r.num_videos_scored == r.num_videos_expected for r in results)
    fingerprints = {result.dataset_fingerprint for result in results}
    return are_whole and len(fingerprints) == 1 and None not in fingerprints


def _unjudged_note(unjudged: Sequence[Contrast]) -> str:
    numbers = {reason: sum(one.verdict == verdict for one in unjudged) for verdict, reason in _UNJUDGED.items()}
    parts = [(reason, number) for reason, number in numbers.items() if number]
    head = f"No judgement on {counted(len(unjudged), 'comparison')}"
    if len(parts) == 1:
        return f"{head}, because {parts[0][0]}."
    return f"{head}: {', '.join(f'{number} because {reason}' for reason, number in parts)}."
