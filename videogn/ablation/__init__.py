"""What turns runs into an answer: norms x normalisation batches x seeds, run as commands, and reported.

The same experiment with one thing changed: total batch, learning rate and number of updates stay; only the number of
clips that share batch statistics changes. This part imports nothing else of videogn and no torch: a cell of the grid
is a run of the command, and all that is known of it is what its result.json says.
"""

from videogn.ablation.cells import Cell, describe_cells
from videogn.ablation.launcher import run_study
from videogn.ablation.outcome import Outcome, read_outcomes
from videogn.ablation.report import write_report
from videogn.ablation.study import Study
from videogn.ablation.terminal import print_plan, print_summary

__all__ = [
    "Cell",
    "Outcome",
    "Study",
    "describe_cells",
    "print_plan",
    "print_summary",
    "read_outcomes",
    "run_study",
    "write_report",
]
