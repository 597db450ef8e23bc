"""Where a training is, between two updates, and how one begins there, to the same numbers as one that never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videogn.training.errors import CheckpointError


@dataclass(frozen=True)
class Position:
    """A place between two updates.

    Args:
        epochs: Whole epochs that are done.
        updates: Optimiser steps of the epoch after them that are done; fewer than it has.
    """

    epochs: int
    updates: int


def position_of(checkpoint: Mapping[str, Any], training: Mapping[str, Any]) -> Position:
    """Return where a checkpoint was saved.

    Args:
        checkpoint: Its content.
        training: What its own part says of the training.

    Raises:
        CheckpointError: An earlier version saved it within an epoch, and did not say where.
    """
    if (found := training.get("position")) is not None:
        return Position(**found)
    loops = checkpoint["loops"]["fit_loop"]
    if not loops["epoch_loop.batch_progress"]["is_last_batch"]:
        raise CheckpointError(
            "an earlier version wrote this checkpoint within an epoch, and it does not say where: begin a new run from "
            "its weights, with --model.weights"
        )
    return Position(epochs=loops["epoch_progress"]["current"]["ready"], updates=0)


def begin_at(position: Position, loops: dict[str, Any], *, steps: int, accumulate: int) -> None:
    """Make the progress that Lightning reads from a checkpoint that of a training at this place.

    What it saves by itself depends on the moment, counts forwards where the device batch may be another one now, and
    within an epoch would begin the epoch's videos anew.

    Args:
        position: The place.
        loops: A checkpoint's "fit_loop"; is changed.
        steps: Optimiser steps done in all.
        accumulate: Forwards of an update, now.
    """
    within = position.updates > 0  # the last batch then counts as not quite done, so that no validation follows it
    begun = position.epochs + within
    epochs = {"ready": begun, "started": begun, "processed": position.epochs, "completed": position.epochs}
    loops["epoch_progress"] = {"total": epochs, "current": dict(epochs)}
    batches = {
        name: {"ready": done, "started": done, "processed": done, "completed": done - within}
        for name, done in {"total": steps * accumulate, "current": position.updates * accumulate}.items()
    }
    loops["epoch_loop.batch_progress"] = {**batches, "is_last_batch": False}
    loops["epoch_loop.state_dict"] = {**loops["epoch_loop.state_dict"], "_batches_that_stepped": steps - within}
    loops.pop("epoch_loop.val_loop.batch_progress", None)
