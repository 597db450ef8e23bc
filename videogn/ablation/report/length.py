"""How long a run is: who says so, and whether it was that long."""

from collections.abc import Iterable, Mapping
from typing import Any

from videogn.ablation.cells import Cell
from videogn.ablation.outcome import Outcome
from videogn.ablation.study import Study
from videogn.training.schedule import EQUAL_EPOCHS, EQUAL_UPDATES, SCALINGS, length_in_steps
from videogn.wording import counted


def length_text(cells: Iterable[Cell]) -> str:
    """Return who says how long the runs are, and what follows for other total batches."""
    return "; ".join(sorted({_length_text(cell.effective) for cell in cells}))


def length_warning(study: Study, outcome: Outcome) -> str | None:
    """Return that a run was of another length than was asked for; None where it was of that, or that can't be known.

    A checkpoint before the last does not say how long the run was.
    """
    result, asked = outcome.result, _asked(outcome.cell)
    if result is None or study.checkpoint != "last":
        return None
    made = {"update": result.steps, "epoch": result.epochs}
    if not asked or any(made[unit] in (None, number) for unit, number in asked.items()):
        return None
    found = " and ".join(counted(made[unit] or 0, unit) for unit in asked)
    wanted = " or ".join(counted(number, unit) for unit, number in asked.items())
    return f"{outcome.cell.name}: its training took {found}; asked for: {wanted}."


def _asked(cell: Cell) -> dict[str, int]:
    """Return how many updates, or epochs, end a cell's run, by the first of them; nothing where that is not said."""
    ends = _ends_of(cell.effective)
    if ends:
        return {"update" if name == "trainer.max_steps" else "epoch": end for name, end in ends.items()}
    length = cell.effective.get("model.schedule.length")
    scaling: Any = cell.effective.get("model.schedule.scaling") or "equal_epochs"
    if not isinstance(length, int | float) or scaling not in SCALINGS:
        return {}
    if cell.effective.get("model.schedule.unit") == "epochs":
        return {"epoch": int(length)}
    return {"update": length_in_steps(length, scaling, total_batch_size=cell.batches.total)}


def _length_text(effective: Mapping[str, Any]) -> str:
    ends = _ends_of(effective)
    if not ends:
        rule = str(effective.get("model.schedule.scaling") or "equal_epochs")
        return f"follows the schedule's scaling, {rule}" + (f" ({SCALINGS[rule]})" if rule in SCALINGS else "")
    text = " or ".join(f"{name} {end}" for name, end in ends.items())
    if len(ends) > 1:
        return f"is {text}, whichever comes first, whatever the schedule's length and scaling"
    meaning = EQUAL_UPDATES if "trainer.max_steps" in ends else EQUAL_EPOCHS
    return f"is {text}, whatever the schedule's length and scaling ({meaning})"


def _ends_of(effective: Mapping[str, Any]) -> dict[str, int]:
    """Return the ends that the trainer is given itself: they win over the schedule (training/optimizer.py)."""
    ends = {name: effective.get(name) for name in ("trainer.max_steps", "trainer.max_epochs")}
    return {name: end for name, end in ends.items() if isinstance(end, int) and end >= 0}
