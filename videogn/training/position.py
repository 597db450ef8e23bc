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
        updates: Optimiser steps of the epoch after them that are done; fewer than it has, but before its validation.
        is_validating: Whether the validation after these updates was begun, and is to be done again.
    """

    epochs: int
    updates: int
    is_validating: bool = False


def position_of(
    checkpoint: Mapping[str, Any], training: Mapping[str, Any], *, updates_per_epoch: int | None
) -> Position:
    """Return where a checkpoint was saved.

    Args:
        training: What its own part says of the training.
        updates_per_epoch: Optimiser steps of a whole epoch; None where that is not known.

    Raises:
        CheckpointError: An earlier version saved it within an epoch, and did not say where; or its counts contradict
            each other.
    """
    position, steps = _position_in(checkpoint, training), training["steps"]
    if updates_per_epoch is not None and position.epochs * updates_per_epoch + position.updates != steps:
        raise CheckpointError(
            f"the checkpoint says that it was saved {position.updates:,} updates after epoch {position.epochs:,}, of "
            f"{updates_per_epoch:,} updates each, and after {steps:,} updates in all: videogn did not write it so"
        )
    return position


def _position_in(checkpoint: Mapping[str, Any], training: Mapping[str, Any]) -> Position:
    if (found := training.get("position")) is not None:
        return Position(found["epochs"], found["updates"], is_validating=bool(found.get("is_validating")))
    try:
        loops = checkpoint["loops"]["fit_loop"]
        is_whole, num_epochs = (
            loops["epoch_loop.batch_progress"]["is_last_batch"],
            loops["epoch_progress"]["current"]["ready"],
        )
    except (LookupError, TypeError):
        raise CheckpointError("the checkpoint does not say where in its training it was saved") from None
    if not is_whole:
        raise CheckpointError(
            "an earlier version wrote this checkpoint within an epoch, and it does not say where: begin a new run from "
            "its weights, with --model.weights"
        )
    return Position(epochs=num_epochs, updates=0)


def begin_at(
    position: Position, loops: dict[str, Any], *, steps: int, accumulate: int, batches_per_epoch: int | None
) -> None:
    """Make the progress that Lightning reads from a checkpoint that of a training at this place.

    What it saves by itself depends on the moment, counts forwards where the device batch may be another one now, and
    within an epoch would begin the epoch's videos anew.

    Args:
        loops: A checkpoint's "fit_loop"; is changed.
        steps: Optimiser steps done in all.
        accumulate: Forwards of an update, now.
        batches_per_epoch: Forwards of an epoch, now; None where it is not known, and its last update is a whole one.
    """
    within = position.updates > 0
    begun = position.epochs + within
    epochs = {"ready": begun, "started": begun, "processed": position.epochs, "completed": position.epochs}
    loops["epoch_progress"] = {"total": epochs, "current": dict(epochs)}
    current, before = position.updates * accumulate, (steps - position.updates) * accumulate
    if batches_per_epoch is not None:
        current, before = min(current, batches_per_epoch), position.epochs * batches_per_epoch
    # Where the last batch is not quite done, no validation follows it; where it is, one that was begun does.
    undone = within and not position.is_validating
    batches = {
        name: {"ready": done, "started": done, "processed": done, "completed": done - undone}
        for name, done in {"total": before + current, "current": current}.items()
    }
    is_last = current == batches_per_epoch
    loops["epoch_loop.batch_progress"] = {**batches, "is_last_batch": is_last}
    taken = {"ready": steps, "completed": steps}  # what Lightning's global_step is
    optimizer = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    optimizer["step"] = {**optimizer["step"], "total": taken}
    loops["epoch_loop.state_dict"] = {**loops["epoch_loop.state_dict"], "_batches_that_stepped": steps - within}
    begun_batch = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    none = dict.fromkeys(begun_batch, 0)
    total = begun_batch if position.is_validating else none
    loops["epoch_loop.val_loop.batch_progress"] = {"total": total, "current": none, "is_last_batch": False}
