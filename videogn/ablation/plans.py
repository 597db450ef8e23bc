"""What a cell is going to do and to cost, as far as it is known before it runs."""

from dataclasses import dataclass

from videogn.training.batch_sizes import BatchSizes


@dataclass(frozen=True)
class CellPlan:
    """A cell's run, as `videogn fit` plans it, and what one measured step says of its cost.

    Args:
        num_steps: Optimiser steps ("updates") of the run.
        num_workers: Processes that decode.
        fit_seconds: Estimated time of the training, start and validation included; None where nothing was measured.
        test_seconds: Estimated time of the test, its start included; None where nothing was measured.
        peak_memory_bytes: Memory that one step took; None where nothing was measured.
    """

    learning_rate: float
    num_steps: int
    num_epochs: float
    sizes: BatchSizes
    num_workers: int
    fit_seconds: float | None = None
    test_seconds: float | None = None
    peak_memory_bytes: int | None = None
