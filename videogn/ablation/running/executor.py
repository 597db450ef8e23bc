"""What runs cells, here or elsewhere."""

from concurrent.futures import Future
from typing import Protocol

from videogn.ablation.running.run_cell import CellJob


class Executor(Protocol):
    """Runs cells, as many at once as fit.

    Args:
        num_at_once: How many that is; None where that is not known.
    """

    num_at_once: int | None

    def submit(self, job: CellJob) -> "Future[float]":
        """Have a cell run when there is room; the future gives the seconds that it took."""
        ...

    def stop(self) -> None:
        """End what runs, as on Ctrl-C, drop what waits, and return when no child is left; asked again, end it now."""
        ...

    def close(self) -> None:
        """Give back what the executor holds; nothing runs any more."""
        ...
