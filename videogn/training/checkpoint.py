"""A checkpoint's own part: what it is of, and how it came about, in plain types alone (it loads with weights_only)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from videogn.training.errors import CheckpointError

CHECKPOINT_KEY = "videogn"
# The same parameters work on longer and larger clips: these two may differ.
_MAY_DIFFER = frozenset({"num_frames", "crop_size"})


def read_own_part(path: str | Path) -> dict[str, Any]:
    """Return videogn's part of a checkpoint's file; tensors and plain types alone are accepted, and nothing is run.

    Raises:
        CheckpointError: It has none.
    """
    return own_part(torch.load(path, weights_only=True, map_location="cpu", mmap=True))


def own_part(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return videogn's part of a checkpoint: architecture, classes, training.

    Raises:
        CheckpointError: It has none.
    """
    own = checkpoint.get(CHECKPOINT_KEY)
    if own is None:
        raise CheckpointError("this is no checkpoint of videogn's")
    return own


def check_same_model(own: Mapping[str, Any], *, architecture: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Refuse a checkpoint of another network or of other classes, before anything is loaded from it.

    Raises:
        CheckpointError: It is of another network or of other classes; the error names what differs.
    """
    theirs = {"input": "rgb", **own["architecture"]}  # of before there were others
    differing = [
        f"{name} {theirs.get(name)!r} (asked for: {value!r})"
        for name, value in architecture.items()
        if name not in _MAY_DIFFER and theirs.get(name) != value
    ]
    if differing:
        raise CheckpointError(f"the checkpoint is of another model: it has {', '.join(differing)}")
    if own["classes"] and classes and own["classes"] != list(classes):
        raise CheckpointError(
            f"the checkpoint's classes are not the data set's: {own['classes'][:4]} ... and {list(classes[:4])} ..."
        )


def check_same_recipe(
    own: Mapping[str, Any], recipe: Mapping[str, Any], *, off: Mapping[str, Any], fingerprint: str | None
) -> None:
    """Refuse to go on with a training under settings that its first part was not trained with.

    The optimiser's state would keep the old learning rate, momentum and weight decay, and the result would name
    settings that trained a part of it at most.

    Args:
        own: Of the checkpoint.
        recipe: What the training is asked to be, by the names of settings, in plain types.
        off: Settings that are later than some checkpoints, which were trained with them at these values.
        fingerprint: Of the training videos; None where it is not known.

    Raises:
        CheckpointError: A setting or the videos differ; says what, and what to do.
    """
    theirs = own["training"].get("recipe")
    if theirs is None:
        raise CheckpointError(
            "the checkpoint does not say all the settings that it was trained with (an earlier version wrote it), so "
            "its training can't go on: begin a new run from its weights, with --model.weights"
        )
    if fingerprint is not None and fingerprint != own["training"]["train_fingerprint"]:
        raise CheckpointError(
            "the training videos are not those that the run was trained on so far (other names, labels or sizes of "
            "files): bring them back to go on, or begin a new run from its weights, with --model.weights"
        )
    theirs = {**off, **theirs}
    differing = [
        f"{name} {json.dumps(theirs[name])} (asked for: {json.dumps(value)})"
        for name, value in recipe.items()
        if name in theirs and theirs[name] != value
    ]
    if differing:
        raise CheckpointError(
            f"the run was trained with {', '.join(differing)}. A run goes on with its own settings: leave these out "
            f"(--run_dir without --config takes the run's own), or begin a new run from its weights, with "
            f"--model.weights and another --run_dir"
        )
