"""What each test video adds to an accuracy or a difference: seeds x videos, from the videos.csv of a study's runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videogn.ablation.cells import cell_folder
from videogn.ablation.outcome import Outcome
from videogn.training.video_scores import VideoScores, numbered_groups, read_videos

if TYPE_CHECKING:
    from numpy.typing import NDArray

Crossed = tuple["NDArray", list[int] | None]


def read_scores(outcomes: Iterable[Outcome], *, out: Path) -> tuple[dict[str, VideoScores], list[str]]:
    """Return the scores of cells that are done, by the name of the one that was run, and why some can't be used."""
    scores, problems = {}, []
    for outcome in outcomes:
        if outcome.result is None or outcome.cell.same_as is not None:
            continue
        try:
            found = read_videos(cell_folder(outcome.cell, out=out), outcome.result)
        except ValueError as error:
            problems.append(f"{outcome.cell.name}: its {error}; it is not used.")
            continue
        if found is not None:
            scores[outcome.cell.name] = found
    return scores, problems


def crossed(
    scores: Sequence[Mapping[int, VideoScores]], *, signs: Sequence[int], seeds: Sequence[int], k: int = 1
) -> Crossed | None:
    """Return what each video adds to a sum of top-k accuracies, [S, n] in points, and its group from 0, [n].

    Groups are None where the list says none: each video stands for itself.

    Args:
        scores: Of each summand, by seed.
        signs: Of each summand, 1 or -1.
        seeds: [S].
        k: Of top-k.

    Returns:
        None where a seed has no scores, or the runs did not score the same videos.
    """
    import numpy as np

    if not seeds or not all(seed in of for of in scores for seed in seeds):
        return None
    first = scores[0][seeds[0]]
    if any(of[seed].indices != first.indices for of in scores for seed in seeds):
        return None
    points = np.zeros((len(seeds), len(first.indices)))
    for sign, of in zip(signs, scores, strict=True):
        points += 100.0 * sign * (np.array([of[seed].ranks for seed in seeds]) < k)
    return points, numbered_groups(first.groups)
