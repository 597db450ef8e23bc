"""The cells of a study: which runs it asks for, which of them are the same, and with which commands each is made."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE, value_text
from videogn.ablation.batches import batches_of
from videogn.ablation.study import Study
from videogn.training.batch_sizes import BatchSizes

COMMAND = (sys.executable, "-m", "videogn")


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    Args:
        name: Its name and that of its folder, such as bn-nb2-seed0.
        labels: The label of its level on each axis, by the axis' name.
        seed: Its seed.
        settings: What `videogn fit` is told beside the base config and the seed, by dotted names.
        effective: The base config's settings and, over them, the cell's.
        batches: Its three batch sizes.
        same_as: Name of the cell that is the same computation (the same settings and seed) and is run in its place.
    """

    name: str
    labels: Mapping[str, str]
    seed: int
    settings: Mapping[str, Any]
    effective: Mapping[str, Any]
    batches: BatchSizes
    same_as: str | None = None

    @property
    def label(self) -> str:
        """What a reader is told, such as "bn, norm_batch_size 2, seed 0"."""
        return f"{point_label(self.labels)}, seed {self.seed}"

    @property
    def norm(self) -> str:
        """Its norm."""
        return self.effective["model.norm"]

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this cell's run from any other's; stays the same when a study's axes are extended."""
        return {"seed": self.seed, "settings": dict(self.settings)}


def point_label(labels: Mapping[str, str]) -> str:
    """Return the levels of all axes as a reader is told them, such as "bn, normalisation batch 2"."""
    return ", ".join(level_label(axis, label) for axis, label in labels.items())


def level_label(axis: str, label: str) -> str:
    """Return one level as a reader is told it: bn; normalisation batch 2; num_frames 8; a label as it is."""
    if axis == "model.norm":
        return label
    if axis == NORM_BATCH_SIZE:
        return f"normalisation batch {label}"
    return f"{axis.rsplit('.', 1)[-1]} {label}" if "." in axis else label


def cells_of(study: Study, base: Mapping[str, Any]) -> list[Cell]:
    """Return the cells in the order in which they run; touches nothing.

    Seeds are outermost, so that a study that was stopped has whole comparisons.

    Args:
        study: What is asked.
        base: The base config's settings, dotted.

    Raises:
        ValueError: Batch sizes that are not possible, or two cells of one name.
    """
    cells: list[Cell] = []
    first: dict[str, str] = {}  # of each computation, the cell that is run
    levels_by_name: dict[str, str] = {}
    axes = study.parsed_axes
    for seed in study.all_seeds:
        for levels in product(*(axis.levels for axis in axes)):
            own = {**study.settings, **{name: v for level in levels for name, v in level.settings.items()}}
            labels = {axis.name: level.label for axis, level in zip(axes, levels, strict=True)}
            batches, batch_settings = batches_of(study, {**base, **own})
            own.pop(NORM_BATCH_SIZE, None)
            settings = {**own, **batch_settings}
            effective = {**base, **settings}
            name = "-".join([*(level.slug for level in levels), f"seed{seed}"])
            if name in levels_by_name:
                raise ValueError(
                    f"axes: two cells would have the name {name}: {levels_by_name[name]} and {point_label(labels)}; "
                    "give the levels other labels"
                )
            levels_by_name[name] = point_label(labels)
            computation = repr((seed, sorted((key, _plain_text(value)) for key, value in effective.items())))
            same_as = first.get(computation)
            first.setdefault(computation, name)
            cells.append(Cell(name, labels, seed, settings, effective, batches, same_as))
    return cells


def _plain_text(value: Any) -> str:
    """Return a setting's value as text, a number as the number that it is: 1e-3, 0.001 and "1e-3" are one."""
    text = value_text(value)
    try:
        return repr(float(text))
    except ValueError:
        return text


def cell_folder(cell: Cell, *, out: Path) -> Path:
    """Return the folder of a cell's run, OUT/cells/NAME; that of another where that one is run in its place."""
    return out / "cells" / (cell.same_as or cell.name)


def fit_command(cell: Cell, *, out: Path, base: str | None = None, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that trains a cell.

    Args:
        cell: The cell.
        out: The study's folder.
        base: The base config; default: its copy in OUT.
        command: What the command begins with.
    """
    config, folder = base or str(out / "base.yaml"), str(cell_folder(cell, out=out))
    words = [*command, "fit", "--config", config, "--run_dir", folder, "--seed_everything", str(cell.seed)]
    # One word each: a value may begin with a dash.
    return [*words, *(f"--{name}={value_text(value)}" for name, value in cell.settings.items())]


def score_command(study: Study, *, cell: Cell, out: Path, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that scores a trained cell and writes its result.json."""
    words = [*command, "test", "--run_dir", str(cell_folder(cell, out=out)), "--ckpt_path", study.checkpoint]
    return words if study.protocol is None else [*words, "--data.protocol", study.protocol]
