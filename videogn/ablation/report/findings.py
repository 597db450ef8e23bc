"""What the seeds of a study support, in sentences: a difference where its interval says so, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.report.comparisons import Comparison, Verdict, comparisons_of
from videogn.ablation.report.interactions import Interaction, interaction_words, interactions_of
from videogn.ablation.report.numbers import bound_text, difference_text, points_text
from videogn.ablation.report.points import Point, range_text
from videogn.ablation.report.starts import starts_caveat
from videogn.ablation.report.statistics import Estimate, binomial_error
from videogn.ablation.report.words import counted, listed, point_words
from videogn.ablation.study import Study

_JUDGED: tuple[Verdict, ...] = ("apart", "close", "open")
_UNJUDGED: tuple[Verdict, ...] = ("too few seeds", "mixed", "other videos", "no result")
NO_ANSWER = "No cell is done: there is no answer yet."


@dataclass(frozen=True)
class Findings:
    """What a study says, as sentences.

    Args:
        sentences: The findings.
        notes: What the seeds do not tell, and how far the findings reach.
    """

    sentences: tuple[str, ...]
    notes: tuple[str, ...]


def findings_of(study: Study, points: Sequence[Point]) -> Findings:
    """Return what the seeds support, and in one line each what they do not."""
    if not any(point.results for point in points):
        return Findings((), (NO_ANSWER,))
    comparisons = comparisons_of(study, points)
    everything: list[Comparison | Interaction] = [*comparisons, *interactions_of(study, points)]
    sentences = [_sentence(c) for c in everything if c.verdict in ("apart", "close")]
    sentences += _same_computation_sentences(comparisons)
    judged = [c for c in everything if c.verdict in _JUDGED]
    unjudged = [c for c in everything if c.verdict in _UNJUDGED]
    notes = []
    still_open = [c for c in everything if c.verdict == "open"]
    if still_open:
        pairs = "; ".join(f"{_pair(c)} ({_open_text(c.difference, study)})" for c in still_open)
        notes.append(
            f"Not told apart by these seeds, {counted(len(still_open), 'comparison')} of {len(judged)}: {pairs}."
        )
    caveat = starts_caveat(points, [c for c in comparisons if c.verdict in _JUDGED])
    notes += [] if caveat is None else [caveat]
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


def _sentence(comparison: Comparison | Interaction) -> str:
    estimate = comparison.difference
    assert estimate is not None
    assert estimate.half_width is not None
    seeds = f"({counted(estimate.num, 'seed')}, 95 % interval)"
    if isinstance(comparison, Interaction):
        return f"{_interaction_sentence(comparison, estimate)} {seeds}."
    names = [point_words(comparison.point.labels), point_words(comparison.reference.labels, is_short=True)]
    if comparison.verdict == "close":
        bound = bound_text(max(-estimate.low, estimate.high))
        return f"{names[0]} is within {bound} points of {names[1]} {seeds}."
    side = "below" if estimate.mean < 0 else "above"
    width = points_text(estimate.half_width)
    return f"{names[0]} is {points_text(abs(estimate.mean))} ± {width} points {side} {names[1]} {seeds}."


def _interaction_sentence(interaction: Interaction, estimate: Estimate) -> str:
    loss, level, reference = interaction_words(interaction)
    loss = loss[0].upper() + loss[1:]
    if interaction.verdict == "close":
        bound = bound_text(max(-estimate.low, estimate.high))
        return f"{loss} with {level} is within {bound} points of that with {reference}"
    size = f"{points_text(abs(estimate.mean))} ± {points_text(estimate.half_width or 0.0)} points"
    return f"{loss} is {size} {'smaller' if estimate.mean < 0 else 'larger'} with {level} than with {reference}"


def _same_computation_sentences(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a sentence for each run that is done and stands for several levels of an axis."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        if comparison.verdict == "same computation" and comparison.reference.results:
            reference = point_words(comparison.reference.labels, is_short=True)
            groups.setdefault((comparison.axis, reference), []).append(comparison)
    sentences = []
    for (axis, reference), group in groups.items():
        first = point_words(group[0].point.labels)
        if axis == NORM_BATCH_SIZE and len(group[0].point.labels) <= 2 and len(group) > 1:
            sizes = [comparison.point.labels[axis] for comparison in group]
            first = first.removesuffix(f"normalisation batch {sizes[0]}") + f"normalisation batches {listed(sizes)}"
        elif len(group) > 1:
            first = listed([point_words(comparison.point.labels) for comparison in group])
        verb = "is" if len(group) == 1 else "are"
        sentences.append(f"{first} {verb} the same computation as {reference}: run once a seed, equal by construction.")
    return sentences


def _open_text(difference: Estimate | None, study: Study) -> str:
    text = difference_text(difference, digits=1)
    assert difference is not None
    return text if difference.num == len(study.seeds) else f"{text}, {counted(difference.num, 'pair')}"


def _pair(comparison: Comparison | Interaction) -> str:
    if isinstance(comparison, Interaction):
        loss, level, reference = interaction_words(comparison)
        return f"{loss} with {level} and with {reference}"
    return f"{point_words(comparison.point.labels)} and {point_words(comparison.reference.labels, is_short=True)}"


def _reach(points: Sequence[Point], *, judged: Sequence[Comparison | Interaction]) -> list[str]:
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


def _are_of_same_videos(judged: Sequence[Comparison | Interaction]) -> bool:
    """Whether every result that was judged is known to be of all videos of one data set."""
    points = [
        point
        for one in judged
        for point in (one.points if isinstance(one, Interaction) else (one.point, one.reference))
    ]
    results = [result for point in points for result in point.results.values()]
    are_whole = all(r.num_videos_scored is not None and r.num_videos_scored == r.num_videos_expected for r in results)
    fingerprints = {result.dataset_fingerprint for result in results}
    return are_whole and len(fingerprints) == 1 and None not in fingerprints


def _unjudged_note(unjudged: Sequence[Comparison | Interaction]) -> str:
    reasons = {
        "too few seeds": "fewer than two seeds have both results",
        "no result": "a result is missing",
        "mixed": "the results are of different data, starts, protocols or code",
        "other videos": "the results are of other numbers of videos",
    }
    numbers = {reason: sum(one.verdict == verdict for one in unjudged) for verdict, reason in reasons.items()}
    parts = [(reason, number) for reason, number in numbers.items() if number]
    head = f"No judgement on {counted(len(unjudged), 'comparison')}"
    if len(parts) == 1:
        return f"{head}, because {parts[0][0]}."
    return f"{head}: {', '.join(f'{number} because {reason}' for reason, number in parts)}."
