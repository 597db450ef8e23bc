"""A checkpoint's own part: what it is of, and how it came about, in plain types alone (it loads with weights_only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from videogn.training.errors import CheckpointError

CHECKPOINT_KEY = "videogn"
# What checkpoints that do not name these settings have.
_EARLIER: dict[str, Any] = {"temporal_convs": True, "nonlocal_blocks": False, "weight_standardization": False}
# The same parameters work on longer and larger clips: these two may differ.
_MAY_DIFFER = frozenset({"num_frames", "crop_size"})


def own_part(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """videogn's part of a checkpoint: architecture, classes, training.

    Raises:
        CheckpointError: It has none.
    """
    own = checkpoint.get(CHECKPOINT_KEY)
    if own is None:
        raise CheckpointError("this is no checkpoint of videogn's")
    return own


def check_same_model(own: Mapping[str, Any], *, architecture: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Refuses a checkpoint of another network or of other classes, before anything is loaded from it.

    Raises:
        CheckpointError: So it is; says in what they differ.
    """
    theirs = _EARLIER | own["architecture"]
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
