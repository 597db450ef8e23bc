"""What a study supports, in sentences: a difference, or that there is none to speak of, where a test shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.cells import level_label
from videogn.ablation.report.certainty import reach_notes, sure_text
from videogn.ablation.report.contrasts import JUDGED, Contrast
from videogn.ablation.report.estimates import ALPHA
from videogn.ablation.report.points import Point
from videogn.ablation.report.question import start_of, starts_text
from videogn.ablation.report.text import bound_text, difference_text, point_words, points_text, width_text
from videogn.ablation.study import Study
from videogn.wording import counted, listed, percent_text

NO_ANSWER = "No cell is done: there is no answer yet."
# So many comparisons that are open stand in a sentence; all of them in a table.
_MOST_OPEN = 4
# Why a contrast is not judged.
_UNJUDGED = {
    "too few seeds": "fewer than {} seeds have both results",
    "no result": "a result is missing",
    "mixed": "the results are of different data, starts, protocols or code",
    "other videos": "the results are not of the same videos",
}


@dataclass(frozen=True)
class Findings:
    """What a study says, as sentences.

    Args:
        notes: What the seeds do not tell, and how far the findings reach.
        sure: How sure they are, in short; None where nothing was judged.
    """

    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    sure: str | None = None


def findings_of(study: Study, points: Sequence[Point], contrasts: Sequence[Contrast]) -> Findings:
    """Return what the seeds support, and in one line each what they do not."""
    if not any(point.results for point in points):
        return Findings((), (NO_ANSWER,))
    judged = [contrast for contrast in contrasts if contrast.verdict in JUDGED]
    sentences = []
    for contrast in judged:
        if contrast.shows("apart", "these"):
            sentences.append(_apart_sentence(contrast))
        if contrast.shows("within", "these"):
            sentences.append(_within_sentence(contrast, study))
    sentences += _same_computation_sentences(contrasts)
    unjudged = [contrast for contrast in contrasts if contrast.verdict in _UNJUDGED]
    still_open = [contrast for contrast in contrasts if contrast.verdict == "open"]
    notes = [_open_note(still_open, num=len(judged))] if still_open else []
    notes += _starts_notes(points, judged)
    results = [result for point in points for result in point.results.values() if result.num_videos_scored]
    if judged:
        notes += reach_notes(results, judged)
    if unjudged and len(points[0].outcomes) == 1 and all(c.verdict in ("too few seeds", "no result") for c in unjudged):
        notes.append(
            "One seed: no finding. How much a result differs from seed to seed is not known, so two single runs cannot "
            "be told apart; extend the study to three seeds or more."
        )
    elif unjudged:
        notes.append(_unjudged_note(unjudged, least_num=study.least_num))
    return Findings(tuple(sentences), tuple(notes), sure_text(study, results, judged))


def _apart_sentence(contrast: Contrast) -> str:
    """Return what is apart, by how much, and on which videos."""
    difference = contrast.difference
    assert difference is not None
    assert difference.seeds is not None
    is_less, size = difference.mean < 0, points_text(abs(difference.mean))
    few, these = _pairs_text(contrast), points_text(difference.seeds.half_width)
    shows_more = contrast.shows("apart", "like them")
    amount = f"{size} points" if shows_more else f"{size} ± {these} points"
    if contrast.is_of_losses:
        loss, level, reference = _loss_words(contrast)
        less = "smaller" if is_less else "larger"
        head = f"{loss[0].upper()}{loss[1:]} is {amount} {less} with {level} than with {reference}"
    else:
        name, reference = _pair_words(contrast)
        head = f"{name} is {amount} {'below' if is_less else 'above'} {reference}"
    if difference.videos is None:
        return f"{head} on these videos{few}."
    like = points_text(difference.videos.half_width)
    if shows_more:
        return f"{head}: ± {these} on these videos, ± {like} on videos like them{few}."
    return f"{head} on these videos{few}; on videos like them this is not shown (± {like})."


def _within_sentence(contrast: Contrast, study: Study) -> str:
    """Return what is within the study's bound, and on which videos."""
    difference, points = contrast.difference, study.equivalence
    assert difference is not None
    bound = f"{points:g} point{'' if points == 1 else 's'}"
    if contrast.is_of_losses:
        loss, level, reference = _loss_words(contrast)
        head = f"{loss[0].upper()}{loss[1:]} with {level} is within {bound} of that with {reference}"
    else:
        name, reference = _pair_words(contrast)
        head = f"{name} is within {bound} of {reference}"
    text = f"{head} on these videos ({difference_text(difference)})"
    if difference.videos is not None:
        is_more, like = contrast.shows("within", "like them"), width_text(difference.videos)
        text += f" and on videos like them ({like})" if is_more else f"; on videos like them this is not shown ({like})"
    return f"{text}{_pairs_text(contrast)}."


def _pairs_text(contrast: Contrast) -> str:
    """Return over how many seeds a difference is, where these are not all that were asked for."""
    assert contrast.difference is not None
    num, num_asked = contrast.difference.num, len(contrast.points[0].outcomes)
    return "" if num == num_asked else f", by {num} of {num_asked} seeds"


def _open_note(still_open: Sequence[Contrast], *, num: int) -> str:
    """Return what is not told apart, and the smallest difference that would have been."""
    parts = []
    for contrast in still_open[:_MOST_OPEN]:
        difference, smallest = contrast.difference, contrast.smallest_shown
        assert difference is not None
        assert smallest is not None
        text = difference_text(difference, digits=1) + _pairs_text(contrast)
        if contrast.is_apart_by_itself():
            among = (
                "what is judged first is not" if contrast.waits else f"not among {contrast.num_together} comparisons"
            )
            text += f"; apart at {percent_text(ALPHA)} by itself, {among}"
        parts.append(f"{sides_text(contrast)} ({text}; would show {bound_text(smallest)})")
    more = len(still_open) - len(parts)
    parts += [f"{more} more, see the table of comparisons"] if more else []
    return (
        f"Not told apart on these videos, {counted(len(still_open), 'comparison')} of {num}: {'; '.join(parts)}. "
        "“Would show”: the true difference, in points, that 4 of 5 such studies tell apart."
    )


def sides_text(contrast: Contrast) -> str:
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


def _starts_notes(points: Sequence[Point], judged: Sequence[Contrast]) -> list[str]:
    """Return the caveat where points that were compared do not start alike."""
    pairs = [contrast.points for contrast in judged if not contrast.is_of_losses]
    number = sum(start_of(point) != start_of(reference) for point, reference in pairs)
    if not number:
        return []
    of = f"{counted(number, 'comparison')} here {'is' if number == 1 else 'are'}"
    return [f"Not all start alike ({starts_text(points, has_digests=False)}): {of} of the start, too."]


def _unjudged_note(unjudged: Sequence[Contrast], *, least_num: int) -> str:
    least = "two" if least_num == 2 else str(least_num)
    numbers = {
        reason.format(least): sum(one.verdict == verdict for one in unjudged) for verdict, reason in _UNJUDGED.items()
    }
    parts = [(reason, number) for reason, number in numbers.items() if number]
    head = f"No judgement on {counted(len(unjudged), 'comparison')}"
    if len(parts) == 1:
        return f"{head}, because {parts[0][0]}."
    return f"{head}: {', '.join(f'{number} because {reason}' for reason, number in parts)}."
