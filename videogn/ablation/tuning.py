"""The cells of a search, and those of each point at its best."""

from collections.abc import Mapping, Sequence
from typing import Any

from videogn.ablation.cells import Cell, grid_of, make_cell, with_shared_runs
from videogn.ablation.search import Candidate, candidate_slug, candidates_of, judge_settings
from videogn.ablation.study import Study


def tuning_cells_of(study: Study, base: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a study's search, seeds outermost; none where nothing is tuned.

    Each is scored on videos that no result is scored on (`judge_settings`).

    Raises:
        ValueError: A run holds out videos itself.
    """
    return with_shared_runs(
        _tuning_cell(study, base, levels, seed=seed, candidate=candidate)
        for seed in (study.tuning_seeds if study.tune else ())
        for levels in grid_of(study)
        for candidate in candidates_of(study.tune)
    )


def _tuning_cell(study: Study, base: Mapping[str, Any], levels: Any, *, seed: int, candidate: Candidate) -> Cell:
    judge = judge_settings(make_cell(study, base, levels, seed=seed).effective)
    slug = f"tuning-{candidate_slug(candidate)}"
    return make_cell(study, base, levels, seed=seed, kind="tuning", candidate=candidate, more=judge, slug=slug)


def best_cells_of(
    study: Study, base: Mapping[str, Any], cells: Sequence[Cell], *, chosen: Mapping[str, Candidate]
) -> list[Cell]:
    """Return the cells of each point at its best, with the study's seeds; none where nothing is tuned.

    Where the best is what the base config says, that cell of the same settings is run in its place.

    Args:
        chosen: The best of each point, by Cell.point, as far as it is chosen.
    """
    best = []
    for seed in study.all_seeds if study.tune else ():
        for levels in grid_of(study):
            candidate = chosen.get("-".join(level.slug for level in levels))
            slug = "best" if candidate is None else f"best-{candidate_slug(candidate)}"
            best.append(make_cell(study, base, levels, seed=seed, kind="best", candidate=candidate, slug=slug))
    return with_shared_runs([*cells, *best])[len(cells) :]
