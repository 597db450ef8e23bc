"""How sure a study's findings are, in words: over what, of which videos, and among how many comparisons."""

from collections.abc import Sequence

from videogn.ablation.report.contrasts import Contrast
from videogn.ablation.report.estimates import ALPHA
from videogn.ablation.report.text import range_text
from videogn.ablation.study import Study
from videogn.intervals import binomial_error
from videogn.training.result import Result
from videogn.training.video_scores import numbered_groups
from videogn.wording import counted, percent_text


def sure_text(study: Study, results: Sequence[Result], judged: Sequence[Contrast]) -> str | None:
    """Return in short how sure the findings are; None where nothing was judged."""
    if not judged:
        return None
    differences = [contrast.difference for contrast in judged if contrast.difference is not None]
    seeds = range_text(each.num for each in differences)
    videos = range_text(result.num_videos_scored for result in results if result.num_videos_scored)
    has_more = any(each.videos is not None for each in differences)
    more = "over seeds and videos for videos like them" if has_more else "nothing is claimed of videos like them"
    text = f"How sure: {percent_text(ALPHA)} intervals over {seeds} seeds for these {videos} test videos, and {more}."
    if len(judged) > 1:
        is_named = study.seed_rule is not None and study.seed_rule.between is not None
        first = ", the one that seeds were added for first and by itself, the others only once it is apart"
        text += (
            f" Of {len(judged)} comparisons, findings are what survives Holm's procedure{first if is_named else ''}: "
            f"{'in each of the two answers, ' if study.tune else ''}at most one study in {1 / ALPHA:.0f} has any that "
            "is wrong."
        )
    return text


def reach_notes(results: Sequence[Result], judged: Sequence[Contrast]) -> list[str]:
    """Return what ± is and which videos are independent, and in a note of its own of what nothing is claimed."""
    differences = [contrast.difference for contrast in judged if contrast.difference is not None]
    crossed = [each for each in differences if each.videos is not None]
    text = (
        f"± is half of the interval of a comparison by itself, paired by seed{' and video' if crossed else ''}: over "
        "seeds by Student's t, and at least as wide as one video more or less would make it."
    )
    if crossed:
        num = range_text(sorted({each.num_groups for each in crossed if each.num_groups is not None}))
        text += (
            f" Videos are in {num} groups, by the list: those of one are no independent videos."
            if any(map(_is_grouped, judged))
            else " Each video is taken as independent of the others: the list names no groups."
        )
    notes = [text]
    if len(crossed) < len(differences):
        text = (
            f"Nothing is claimed of videos like them in {counted(len(differences) - len(crossed), 'comparison')}: "
            "their runs have no videos.csv, or not of the same videos."
        )
        videos = range_text(result.num_videos_scored for result in results)
        errors = range_text(
            (binomial_error(result.top1, num_videos=result.num_videos_scored or 1) for result in results),
            text=lambda value: f"{value:.1f}",
        )
        if results:
            text += f" Of {videos} videos, the binomial standard error of an accuracy is {errors} points here."
        notes.append(text)
    return notes


def _is_grouped(contrast: Contrast) -> bool:
    scores = [found for point in contrast.points for found in point.scores.values()]
    return bool(scores) and numbered_groups(scores[0].groups) is not None
