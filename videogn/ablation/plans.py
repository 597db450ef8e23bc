"""What a cell is going to do and to cost, as far as it is known before it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellPlan:
    """A cell's run, as `videogn fit` plans it, and what one measured step says of its cost.

    Args:
        learning_rate: Peak learning rate.
        num_steps: Optimiser steps ("updates") of the run.
        num_epochs: Epochs of the run.
        norm_batch_size: Clips that share batch statistics; None where none do.
        device_batch_size: Clips in one forward.
        total_batch_size: Clips per optimiser step.
        num_devices: Devices that the run uses.
        num_workers: Processes that decode.
        fit_seconds: Estimated time of the training, start and validation included; None where nothing was measured.
        test_seconds: Estimated time of the test, its start included; None where nothing was measured.
        peak_memory_bytes: Memory that one step took; None where nothing was measured.
    """

    learning_rate: float
    num_steps: int
    num_epochs: float
    norm_batch_size: int | None
    device_batch_size: int
    total_batch_size: int
    num_devices: int
    num_workers: int
    fit_seconds: float | None = None
    test_seconds: float | None = None
    peak_memory_bytes: int | None = None
