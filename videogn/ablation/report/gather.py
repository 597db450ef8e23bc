"""All that a report says of a study, read from its folder alone, each value once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videogn.ablation.base import base_settings
from videogn.ablation.cells import Kind, cell_folder, cells_of
from videogn.ablation.choices import Search, chosen_of, searches_of, with_no_best
from videogn.ablation.outcome import Outcome, read_outcomes
from videogn.ablation.report.caveats import mixture_of, warnings_of
from videogn.ablation.report.contrasts import Contrast, contrast_of, contrasts_of
from videogn.ablation.report.curves import Curves, read_curves
from videogn.ablation.report.deciding import Look, look_at, outcomes_asked, stopping_note
from videogn.ablation.report.findings import Findings, findings_of
from videogn.ablation.report.paper import PaperRow, find_paper, nothing_beside_text, read_paper, row_beside
from videogn.ablation.report.points import Point, point_at, points_of
from videogn.ablation.report.scores import read_scores
from videogn.ablation.report.tuned import tuning_outcomes, tuning_warnings
from videogn.ablation.study import Study
from videogn.ablation.study_folder import load_study, seeds_seen
from videogn.ablation.tuning import best_cells_of
from videogn.training.video_scores import VideoScores

_NOT_SURE = "These shares do not hold here: seeds were added when results were there, see the warning."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the results say of the grid.

    Args:
        baseline: The point that the tables compare all others with.
        to_baseline: Each point against it, by Point.levels.
        contrasts: Every comparison that the findings speak of.
    """

    points: Sequence[Point]
    baseline: Point
    to_baseline: Mapping[tuple[str, ...], Contrast]
    contrasts: Sequence[Contrast]
    findings: Findings


@dataclass(frozen=True, kw_only=True)
class Gathered(Answer):
    """A study and what came of it; the answer is the one at the same settings.

    Args:
        outcomes: What became of each cell of a result.
        best: The answer with each point at its best; None where nothing is tuned.
        searches: How the best of each point was chosen.
        curves: Of the cells that are done, by the name of the one that was run.
        paper: The paper's row beside a point, by Point.levels.
        paper_note: That none stands beside any point, where the paper's figures were asked for and could be read.
        mixture: What forbids comparing the results, as sentences.
        warnings: What limits them, as sentences.
        look: Where the study stands, where its seeds are added by a rule; else None.
    """

    out: Path
    study: Study
    base: bytes
    outcomes: Sequence[Outcome]
    best: Answer | None
    searches: Sequence[Search]
    curves: Mapping[str, Curves]
    paper: Mapping[tuple[str, ...], PaperRow]
    paper_note: str | None
    mixture: Sequence[str]
    warnings: Sequence[str]
    look: Look | None

    @property
    def every_outcome(self) -> list[Outcome]:
        """What became of each cell of a result, and of each of the search that is a computation of its own."""
        return [*self.outcomes, *tuning_outcomes(self.searches)]

    @property
    def is_complete(self) -> bool:
        """Whether every cell is done that can be."""
        return all(outcome.state in ("done", "no best") for outcome in self.outcomes)

    def curves_of(self, outcome: Outcome) -> Curves | None:
        """Return the curves of a cell that is done."""
        return self.curves.get(outcome.cell.same_as or outcome.cell.name)


def gather(out: Path) -> Gathered:
    """Read a study's folder.

    Raises:
        ValueError: It holds no study.
    """
    study, base = load_study(out)
    settings = base_settings(base, name=str(out / "base.yaml"))
    cells = cells_of(study, settings)
    best = best_cells_of(study, settings, cells, chosen=chosen_of(study, out=out))
    searches = searches_of(study, settings, out=out)
    all_outcomes = with_no_best(study, searches, read_outcomes([*cells, *best], out=out))
    scores, problems = read_scores(all_outcomes, out=out)
    look = None if study.seed_rule is None else look_at(study, all_outcomes, scores)
    outcomes = outcomes_asked(all_outcomes, look)
    seen = seeds_seen(out)
    answer = answer_of(study, outcomes, scores, kind="same", seen=seen)
    if look is not None:
        notes = (stopping_note(study, look, outcomes), *answer.findings.notes)
        answer = replace(answer, findings=replace(answer.findings, notes=notes))
    warnings = [*warnings_of(study, outcomes, out=out), *problems, *tuning_warnings(study, searches, outcomes)]
    paper, paper_note = {}, None
    if study.paper is not None:
        try:
            rows = read_paper(find_paper(study.paper))
        except (OSError, ValueError) as error:  # days of training are behind us: the report is to be written
            warnings.append(f"Without the paper's figures: {error}.")
        else:
            beside = {point.levels: row_beside(study, point.outcomes[0].cell, rows) for point in answer.points}
            paper = {levels: row for levels, row in beside.items() if row is not None}
            paper_note = None if paper else nothing_beside_text(study.paper, rows)
    curves = {}
    for outcome in outcomes:
        found = read_curves(cell_folder(outcome.cell, out=out)) if outcome.state == "done" else None
        if found is not None:
            curves[outcome.cell.same_as or outcome.cell.name] = found
    return Gathered(
        out=out,
        study=study,
        base=base,
        outcomes=outcomes,
        **vars(answer),
        best=answer_of(study, outcomes, scores, kind="best", seen=seen) if best else None,
        searches=searches,
        curves=curves,
        paper=paper,
        paper_note=paper_note,
        mixture=mixture_of(outcomes),
        warnings=warnings,
        look=look,
    )


def answers_of(gathered: Gathered) -> list[tuple[str, Answer]]:
    """Return a study's one answer, or two, each under its head; a note that both have stands with the first."""
    answers: list[tuple[str, Answer]] = [("At the same settings", gathered)]
    if gathered.best is not None:
        findings = gathered.best.findings
        notes = tuple(note for note in findings.notes if note not in gathered.findings.notes)
        answers.append(("Each at its best", replace(gathered.best, findings=replace(findings, notes=notes))))
    return answers


def answer_of(
    study: Study,
    outcomes: Sequence[Outcome],
    scores: Mapping[str, VideoScores],
    *,
    kind: Kind,
    seen: Sequence[int] | None,
) -> Answer:
    """Return what the results of one kind of cells say.

    Args:
        seen: The list of seeds that had results when others were added to it (seeds_seen).
    """
    points = points_of(study, outcomes, scores, kind=kind)
    baseline, contrasts = point_at(points, study.baseline), contrasts_of(study, points)
    findings = findings_of(study, points, contrasts)
    if seen is not None and findings.sure is not None:
        findings = replace(findings, sure=f"{findings.sure} {_NOT_SURE}")
    return Answer(
        points=points,
        baseline=baseline,
        to_baseline={point.levels: contrast_of(point, baseline, axis="") for point in points},
        contrasts=contrasts,
        findings=findings,
    )
