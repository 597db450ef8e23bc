"""What can go wrong in a run, by name."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint that does not belong to this model."""


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite."""


class ToldToEnd(RuntimeError):
    """A signal asked the process to end; what there was to save is saved."""
