"""A checkpoint's own part: what it is of, and how it came about, in plain types alone (it loads with weights_only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from videogn.training.checkpoint_content import check_own
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
        CheckpointError: It has none, or one that can't be read.
    """
    own = checkpoint.get(CHECKPOINT_KEY)
    if own is None:
        raise CheckpointError("this is no checkpoint of videogn's")
    check_own(own)
    return own


def check_same_model(own: Mapping[str, Any], *, architecture: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Refuse a checkpoint of another network or of other classes, before anything is loaded from it.

    Raises:
        CheckpointError: It is of another network or of other classes; the error names what differs.
    """
    theirs = {"input": "rgb", "network": "i3d", "multi_label": False, **own["architecture"]}  # before there were others
    differing = [
        f"{name} {theirs.get(name)!r} (asked for: {value!r})"
        for name, value in {"multi_label": False, **architecture}.items()
        if name not in _MAY_DIFFER and theirs.get(name) != value
    ]
    if differing:
        raise CheckpointError(f"the checkpoint is of another model: it has {', '.join(differing)}")
    if own["classes"] and classes and own["classes"] != list(classes):
        raise CheckpointError(
            f"the checkpoint's classes are not the data set's: {own['classes'][:4]} ... and {list(classes[:4])} ..."
        )
