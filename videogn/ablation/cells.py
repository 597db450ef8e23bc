"""The grid: which runs a study asks for, and with which commands each is made."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogn.ablation.study import BATCH_STATISTICS_NORMS, Study

COMMAND = (sys.executable, "-m", "videogn")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Args:
        norm: Its norm.
        norm_batch_sizes: The normalisation batches that its result stands for: one; or, of a norm without batch
            statistics with vary "split", all of the study's, because they are the same computation.
        seed: Its seed.
        device_batch_size: Clips in one forward.
        total_batch_size: Clips per optimiser step.
        is_shared: The result stands for every normalisation batch.
        splits_forward: The norm is told to split its forward into normalisation batches.
    """

    norm: str
    norm_batch_sizes: tuple[int, ...]
    seed: int
    device_batch_size: int
    total_batch_size: int
    is_shared: bool = False
    splits_forward: bool = False

    @property
    def name(self) -> str:
        """Name of its folder, such as bn-nb2-seed0."""
        batch = "any" if self.is_shared else f"nb{self.norm_batch_sizes[0]}"
        return f"{self.norm}-{batch}-seed{self.seed}"

    @property
    def label(self) -> str:
        """What a reader is told, such as "bn, normalisation batch 2, seed 0"."""
        batch = "any normalisation batch" if self.is_shared else f"normalisation batch {self.norm_batch_sizes[0]}"
        return f"{self.norm}, {batch}, seed {self.seed}"

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this cell from any other; stays the same when a study's axes are extended."""
        return {
            "norm": self.norm,
            "norm_batch_size": None if self.is_shared else self.norm_batch_sizes[0],
            "seed": self.seed,
            "device_batch_size": self.device_batch_size,
            "total_batch_size": self.total_batch_size,
        }


@dataclass(frozen=True)
class CellPlan:
    """A cell with its folder and the two commands that make its result."""

    cell: Cell
    folder: Path
    fit: list[str]
    score: list[str]


def cells_of(study: Study) -> list[Cell]:
    """Return the cells in the order in which they run.

    Seeds are outermost and norms innermost, so that a study that was stopped has whole comparisons.
    """
    cells = []
    for seed in study.seeds:
        for position, size in enumerate(study.norm_batch_sizes):
            for norm in study.norms:
                is_shared = study.vary == "split" and norm not in BATCH_STATISTICS_NORMS
                if is_shared and position > 0:
                    continue
                cells.append(
                    Cell(
                        norm=norm,
                        norm_batch_sizes=tuple(study.norm_batch_sizes) if is_shared else (size,),
                        seed=seed,
                        device_batch_size=study.forward_batch_size if study.vary == "split" else size,
                        total_batch_size=study.total_batch_size,
                        is_shared=is_shared,
                        splits_forward=study.vary == "split" and norm in BATCH_STATISTICS_NORMS,
                    )
                )
    return cells


def cell_folder(cell: Cell, *, out: Path) -> Path:
    """Return the folder of a cell's run, OUT/cells/NAME."""
    return out / "cells" / cell.name


def fit_command(study: Study, *, cell: Cell, out: Path, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that trains a cell."""
    words = [*command, "fit", "--config", study.base, "--run_dir", str(cell_folder(cell, out=out))]
    words += ["--seed_everything", str(cell.seed), "--model.norm", cell.norm]
    words += ["--data.batch_size", str(cell.device_batch_size), "--total_batch_size", str(cell.total_batch_size)]
    if cell.splits_forward:
        words += ["--model.norm_batch_size", str(cell.norm_batch_sizes[0])]
    # One word each: a value may begin with a dash.
    words += [f"--{name}={_value_text(value)}" for name, value in study.settings_of(cell.norm).items()]
    return words


def score_command(study: Study, *, cell: Cell, out: Path, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that scores a trained cell and writes its result.json."""
    words = [*command, "test", "--run_dir", str(cell_folder(cell, out=out))]
    if study.protocol is not None:
        words += ["--data.protocol", study.protocol]
    return words


def describe_cells(study: Study, out: Path, *, command: Sequence[str] = COMMAND) -> list[CellPlan]:
    """Return every cell with its folder and commands; runs nothing and touches nothing."""
    return [
        CellPlan(
            cell=cell,
            folder=cell_folder(cell, out=out),
            fit=fit_command(study, cell=cell, out=out, command=command),
            score=score_command(study, cell=cell, out=out, command=command),
        )
        for cell in cells_of(study)
    ]


def _value_text(value: Any) -> str:
    """Return a setting as a word of the command line: text as it is, all else as JSON (true, null, [256, 320])."""
    return value if isinstance(value, str) else json.dumps(value)
