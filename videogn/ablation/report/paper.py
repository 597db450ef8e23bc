"""The paper's figures beside ours: rows of a CSV, each said to be the paper's and of which data set.

Columns: dataset, source, top1, top5, and settings by their names (model.norm, data.num_frames, norm_batch_size); an
empty setting is one that the row does not speak of. A column total_batch_size is told, and not matched.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE, value_text
from videogn.ablation.cells import Cell
from videogn.ablation.study import Study

_OWN_COLUMNS = ("dataset", "source", "top1", "top5")
_TOTAL_BATCH = "total_batch_size"


@dataclass(frozen=True)
class PaperRow:
    """One result of the paper.

    Args:
        source: Where it stands, and what it is of.
        settings: The settings that it is at, by name, as text.
        top1: Accuracy in percent.
        top5: Top-5 accuracy in percent, where the paper gives it.
        total_batch_size: Clips per update, where the paper gives them.
    """

    dataset: str
    source: str
    settings: Mapping[str, str]
    top1: float
    top5: float | None
    total_batch_size: int | None


def find_paper(name: str) -> Path:
    """Return the file of a path, or of a packaged one's bare name.

    Raises:
        ValueError: There is neither.
    """
    package = Path(__file__).parents[2]
    folders = (package / "paper", package.parent / "data" / "paper")
    for path in (Path(name), *(folder / name for folder in folders)):
        if path.is_file():
            return path
    packaged = ", ".join(sorted(path.name for folder in folders for path in folder.glob("*.csv"))) or "none"
    raise ValueError(f"paper: there is no {name}; expected a CSV, or one of the packaged ones: {packaged}")


def read_paper(path: Path) -> list[PaperRow]:
    """Read the paper's figures.

    Raises:
        ValueError: The file lacks a column, or a figure is no percentage.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        missing = [name for name in _OWN_COLUMNS if name not in columns]
        if missing:
            raise ValueError(f"paper: {path} lacks the columns {', '.join(missing)}; it has {', '.join(columns)}")
        return [_row(fields, where=f"paper: {path}, line {reader.line_num}") for fields in reader]


def row_beside(study: Study, cell: Cell, rows: Sequence[PaperRow]) -> PaperRow | None:
    """Return the row whose every setting is the cell's, or None."""
    if value_text(cell.effective.get("model.weight_standardization", False)) == "true":  # the paper has none
        return None
    own = {**cell.effective, NORM_BATCH_SIZE: asked_norm_batch_size(study, cell)}
    for row in rows:
        if all(own.get(name) is not None and value_text(own[name]) == value for name, value in row.settings.items()):
            return row
    return None


def nothing_beside_text(name: str, rows: Sequence[PaperRow]) -> str:
    """Return that no row fits a cell, and which settings the rows are for."""
    settings: dict[str, list[str]] = {}
    for row in rows:
        for setting, value in row.settings.items():
            settings.setdefault(setting, [])
            settings[setting] += [] if value in settings[setting] else [value]
    text = "; ".join(f"{setting} {', '.join(values)}" for setting, values in settings.items()) or "nothing: it has none"
    return f"No figure of the paper's: no row of {name} fits a cell of this study; its rows are for {text}."


def other_total(row: PaperRow, cell: Cell) -> int | None:
    """Return the paper's total batch where it is not the cell's; None where it is, or is not known."""
    return None if row.total_batch_size == cell.batches.total else row.total_batch_size


def other_totals_text(pairs: Iterable[tuple[PaperRow, Cell]]) -> str | None:
    """Return where the paper's total batch is another than ours, such as "total batch 32 where ours is 64"."""
    totals = dict.fromkeys((total, cell.batches.total) for row, cell in pairs if (total := other_total(row, cell)))
    return f"total batch {', '.join(f'{theirs} where ours is {own}' for theirs, own in totals)}" if totals else None


def asked_norm_batch_size(study: Study, cell: Cell) -> int | None:
    """Return the normalisation batch that the study asks of a cell, also of a norm that does not depend on it."""
    for axis in study.parsed_axes:
        level = next(level for level in axis.levels if level.label == cell.labels[axis.name])
        if NORM_BATCH_SIZE in level.settings:
            return level.settings[NORM_BATCH_SIZE]
    return study.settings.get(NORM_BATCH_SIZE, cell.batches.norm)


def _row(fields: Mapping[str, Any], *, where: str) -> PaperRow:
    return PaperRow(
        dataset=fields["dataset"],
        source=fields["source"],
        settings={name: value for name, value in fields.items() if name not in (*_OWN_COLUMNS, _TOTAL_BATCH) and value},
        top1=_percent(fields["top1"], where=f"{where}, top1"),
        top5=_percent(fields["top5"], where=f"{where}, top5") if fields["top5"] else None,
        total_batch_size=_clips(fields.get(_TOTAL_BATCH), where=f"{where}, {_TOTAL_BATCH}"),
    )


def _percent(text: str, *, where: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 100:
        raise ValueError(f"{where}: got {text!r}; expected a percentage")
    return value


def _clips(text: str | None, *, where: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{where}: got {text!r}; expected a whole number of clips")
    return int(text)
