"""What became of a cell: done with a result, failed with a reason, or not run; read from its folder alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from videogn.ablation.cells import Cell, cell_folder
from videogn.files import read_json, write_json
from videogn.training.result import Result, ResultError, read_result

FailureKind = Literal["out of memory", "not finite", "killed", "refused", "crashed", "no result"]


@dataclass(frozen=True)
class Failure:
    """Why a cell has no result.

    Args:
        kind: What happened, in two words.
        stage: The command that failed, "fit" or "test".
        exit_status: Its exit status; negative for a signal, 0 where it ended well and yet left no result.
    """

    kind: FailureKind
    stage: str
    exit_status: int
    reason: str
    log_tail: list[str]


# "stopped": begun, and neither done nor failed; it goes on from its last checkpoint. "no best": never to be run, as no
# value of its point's search trains.
State = Literal["done", "failed", "stopped", "waiting", "no best"]


@dataclass(frozen=True)
class Outcome:
    """A cell and what became of it; of one that is run as another (Cell.same_as), what became of that."""

    cell: Cell
    state: State
    result: Result | None = None
    failure: Failure | None = None


def read_outcomes(cells: Sequence[Cell], *, out: Path) -> list[Outcome]:
    """Return what became of each cell, in their order."""
    return [read_outcome(cell, folder=cell_folder(cell, out=out)) for cell in cells]


def read_outcome(cell: Cell, *, folder: Path) -> Outcome:
    """Return what became of one cell. A failure that was recorded counts more than a result from before it."""
    failure = _read_failure(folder / "failure.json")
    if failure is not None:
        return Outcome(cell, "failed", failure=failure)
    path = folder / "result.json"
    if not path.exists():
        return Outcome(cell, "stopped" if (folder / "cell.json").exists() else "waiting")
    try:
        return Outcome(cell, "done", result=read_result(path))
    except ResultError as error:
        return Outcome(cell, "failed", failure=Failure("no result", "test", 0, str(error), []))


def write_failure(failure: Failure, *, folder: Path) -> None:
    """Record in CELL/failure.json why a cell has no result."""
    write_json(folder / "failure.json", asdict(failure), ensure_ascii=True)


def _read_failure(path: Path) -> Failure | None:
    try:
        fields = read_json(path)
        return Failure(**fields)
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        return Failure("no result", "fit", 0, f"{path.name} cannot be read: {error}", [])
