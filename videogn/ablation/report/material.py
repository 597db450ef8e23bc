"""All that a report says of a study, read from its folder alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from videogn.ablation.base import base_settings
from videogn.ablation.cells import cell_folder, cells_of
from videogn.ablation.outcome import Outcome, read_outcomes
from videogn.ablation.report.caveats import mixture_of, warnings_of
from videogn.ablation.report.curves import Curves, read_curves
from videogn.ablation.report.findings import Findings, findings_of
from videogn.ablation.report.paper import PaperRow, find_paper, nothing_beside_text, read_paper, row_beside
from videogn.ablation.report.points import Point, point_at, points_of
from videogn.ablation.study import Study
from videogn.ablation.study_folder import load_study


@dataclass(frozen=True)
class Material:
    """A study and what came of it.

    Args:
        out: Its folder.
        study: What was asked.
        base: The content of its base config.
        outcomes: What became of each cell.
        points: The grid over seeds.
        curves: Of the cells that are done, by the name of the one that was run.
        paper: The paper's figures; None where none are asked for, or they can't be read.
        mixture: What forbids comparing the results, as sentences.
        warnings: What limits them, as sentences.
        findings: What they say.
    """

    out: Path
    study: Study
    base: bytes
    outcomes: Sequence[Outcome]
    points: Sequence[Point]
    curves: Mapping[str, Curves]
    paper: Sequence[PaperRow] | None
    mixture: Sequence[str]
    warnings: Sequence[str]
    findings: Findings

    @property
    def is_complete(self) -> bool:
        """Whether every cell is done."""
        return all(outcome.state == "done" for outcome in self.outcomes)

    @property
    def baseline(self) -> Point:
        """The point that all others are compared with."""
        return point_at(self.points, self.study.baseline)

    def curves_of(self, outcome: Outcome) -> Curves | None:
        """Return the curves of a cell that is done."""
        return self.curves.get(outcome.cell.same_as or outcome.cell.name)

    def paper_row(self, point: Point) -> PaperRow | None:
        """Return the paper's row beside a point."""
        return row_beside(self.study, point.outcomes[0].cell, self.paper or ())

    @property
    def paper_note(self) -> str | None:
        """That no row of the paper's stands beside any point, where one was asked for and could be read."""
        if self.study.paper is None or self.paper is None or any(map(self.paper_row, self.points)):
            return None
        return nothing_beside_text(self.study.paper, self.paper)


def gather(out: Path) -> Material:
    """Read a study's folder.

    Raises:
        ValueError: It holds no study.
    """
    study, base = load_study(out)
    outcomes = read_outcomes(cells_of(study, base_settings(base, name=str(out / "base.yaml"))), out=out)
    points = points_of(study, outcomes)
    warnings = warnings_of(study, outcomes, out=out)
    paper: list[PaperRow] | None = None
    if study.paper is not None:
        try:
            paper = read_paper(find_paper(study.paper))
        except (OSError, ValueError) as error:  # days of training are behind us: the report is to be written
            warnings.append(f"Without the paper's figures: {error}")
    curves = {}
    for outcome in outcomes:
        found = read_curves(cell_folder(outcome.cell, out=out)) if outcome.state == "done" else None
        if found is not None:
            curves[outcome.cell.same_as or outcome.cell.name] = found
    return Material(
        out, study, base, outcomes, points, curves, paper, mixture_of(outcomes), warnings, findings_of(study, points)
    )
