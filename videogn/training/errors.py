"""What can go wrong in a run, by name."""

from __future__ import annotations

from typing import Any


class CheckpointError(ValueError):
    """A checkpoint that does not belong to this model."""


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite.

    Args:
        text: What is said of it.
        forward: Where it was, and its videos' places in the training list, if they are known.
    """

    def __init__(self, text: str, forward: tuple[Any, list[int]] | None = None) -> None:
        super().__init__(text)
        self.forward = forward


class ToldToEnd(BaseException):
    """A signal asked the process to end. No Exception, as KeyboardInterrupt is none: it may come anywhere."""
