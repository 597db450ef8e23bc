"""The cells of a study: which runs it asks for, which of them are the same, and with which commands each is made."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from videogn.ablation.axes import NORM_BATCH_SIZE, Level, plain_text, value_text
from videogn.ablation.batches import batches_of
from videogn.ablation.search import Candidate, candidate_text
from videogn.ablation.study import Study
from videogn.training.batch_sizes import BatchSizes

# What a cell is of: the answer at the same settings, a search for better ones, the answer at each point's best.
Kind = Literal["same", "tuning", "best"]
COMMAND = (sys.executable, "-m", "videogn")


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    Args:
        labels: The label of its level on each axis, by the axis' name.
        settings: What `videogn fit` is told beside the base config and the seed, by dotted names.
        effective: The base config's settings and, over them, the cell's.
        same_as: Name of the cell that is the same computation (the same settings and seed) and is run in its place.
        point: The name of its point, the same for all seeds, such as bn-nb2.
        candidate: The values of the tuned settings; of a point's best, None as long as they are not chosen: such a cell
            can't run yet, and its settings are those of the base config.
    """

    name: str
    labels: Mapping[str, str]
    seed: int
    settings: Mapping[str, Any]
    effective: Mapping[str, Any]
    batches: BatchSizes
    same_as: str | None = None
    point: str = ""
    kind: Kind = "same"
    candidate: Candidate | None = None

    @property
    def label(self) -> str:
        """What a reader is told, such as "bn, norm_batch_size 2, seed 0"."""
        parts = [point_label(self.labels)]
        if self.kind == "best":
            parts.append("at its best" + ("" if self.candidate is None else f" ({candidate_text(self.candidate)})"))
        elif self.candidate is not None:
            parts.append(f"tuning {candidate_text(self.candidate)}")
        return f"{', '.join(parts)}, seed {self.seed}"

    @property
    def is_open(self) -> bool:
        """Whether its settings are not chosen yet."""
        return self.kind == "best" and self.candidate is None

    @property
    def open_name(self) -> str:
        """The name that a cell at its point's best has before that is chosen."""
        return f"{self.point}-best-seed{self.seed}"

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
        base: The base config's settings, dotted.

    Raises:
        ValueError: Batch sizes that are not possible, or two cells of one name.
    """
    cells = [make_cell(study, base, levels, seed=seed) for seed in study.all_seeds for levels in grid_of(study)]
    levels_by_name: dict[str, str] = {}
    for cell in cells:
        if cell.name in levels_by_name:
            raise ValueError(
                f"axes: two cells would have the name {cell.name}: {levels_by_name[cell.name]} and "
                f"{point_label(cell.labels)}; give the levels other labels"
            )
        levels_by_name[cell.name] = point_label(cell.labels)
    return with_shared_runs(cells)


def grid_of(study: Study) -> list[tuple[Level, ...]]:
    """Return the points of a study: a level on each axis."""
    return list(product(*(axis.levels for axis in study.parsed_axes)))


def make_cell(
    study: Study,
    base: Mapping[str, Any],
    levels: Sequence[Level],
    *,
    seed: int,
    kind: Kind = "same",
    candidate: Candidate | None = None,
    more: Mapping[str, Any] | None = None,
    slug: str = "",
) -> Cell:
    """Return a cell at a level on each axis, which may be the same computation as another.

    Args:
        more: Further settings, which win over all others.
        slug: A part of its name, before the seed.

    Raises:
        ValueError: Batch sizes that are not possible, or videos of any number of labels.
    """
    own = {**study.settings, **{name: v for level in levels for name, v in level.settings.items()}}
    own |= {**(candidate or {}), **(more or {})}
    if {**base, **own}.get("data.multi_label"):
        raise ValueError(
            "data.multi_label is on, and a study compares top-1 accuracies, of one class a video: train the runs "
            "one by one (videogn fit, videogn test) and compare their result.json"
        )
    axes = study.parsed_axes
    labels = {axis.name: level.label for axis, level in zip(axes, levels, strict=True)}
    batches, batch_settings = batches_of(study, {**base, **own})
    own.pop(NORM_BATCH_SIZE, None)
    settings = {**own, **batch_settings}
    point = "-".join(level.slug for level in levels)
    name = "-".join(part for part in (point, slug, f"seed{seed}") if part)
    return Cell(
        name=name,
        labels=labels,
        seed=seed,
        settings=settings,
        effective={**base, **settings},
        batches=batches,
        point=point,
        kind=kind,
        candidate=candidate,
    )


def with_shared_runs(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells, those that are the same computation as one before marked as such."""
    first: dict[str, str] = {}  # of each computation, the cell that is run
    marked = []
    for cell in cells:
        settings = sorted((key, plain_text(value)) for key, value in cell.effective.items())
        computation = repr((cell.seed, cell.is_open, settings))
        marked.append(replace(cell, same_as=first.get(computation)))
        first.setdefault(computation, cell.name)
    return marked


def cell_folder(cell: Cell, *, out: Path) -> Path:
    """Return the folder of a cell's run, OUT/cells/NAME; that of another where that one is run in its place."""
    return out / "cells" / (cell.same_as or cell.name)


def fit_command(cell: Cell, *, out: Path, base: str | None = None, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that trains a cell.

    Args:
        base: The base config; default: its copy in OUT.
    """
    config, folder = base or str(out / "base.yaml"), str(cell_folder(cell, out=out))
    words = [*command, "fit", "--config", config, "--run_dir", folder, "--seed_everything", str(cell.seed)]
    # One word each: a value may begin with a dash.
    return [*words, *(f"--{name}={value_text(value)}" for name, value in cell.settings.items())]


def score_command(study: Study, *, cell: Cell, out: Path, command: Sequence[str] = COMMAND) -> list[str]:
    """Return the words of the command that scores a trained cell and writes its result.json."""
    words = [*command, "test", "--run_dir", str(cell_folder(cell, out=out)), "--ckpt_path", study.checkpoint]
    words.append("--no_report")  # the study has its own
    return words if study.protocol is None else [*words, "--data.protocol", study.protocol]
