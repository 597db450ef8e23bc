"""Clips of a batch that could not be decoded, and batch statistics, which need a constant number of clips.

Shapes: B clips, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from videogn.data.batch import Batch


def filled(batch: Batch, *, norm_batch: int) -> Tensor:
    """Return the views of a batch, each missing clip replaced by one of its normalisation batch that is there.

    What stands in for a missing clip depends on the clips that it shares statistics with and on nothing else. So a
    larger forward that is split, several small ones and several devices give the same network (except for sync_bn,
    where it is one of the same device). Where no clip of a normalisation batch could be decoded, its views stay as they
    are.

    Args:
        batch: With the rows that are missing.
        norm_batch: Clips that share statistics; divides B.

    Returns:
        uint8 [B, V, T, H, W, C]; the batch's own where nothing is missing.
    """
    missing = set(batch["missing"])
    if not missing:
        return batch["views"]
    sources: list[int] = []
    for start in range(0, len(batch["labels"]), norm_batch):
        rows = range(start, start + norm_batch)
        first = next((row for row in rows if row not in missing), None)
        sources += [row if row not in missing or first is None else first for row in rows]
    # One by one: a list of rows would have to reach the device first, and the GPU be waited for.
    return torch.stack([batch["views"][row] for row in sources])


def groups_without_clips(batch: Batch, *, norm_batch: int) -> frozenset[int]:
    """Return which normalisation batches of a forward, counted from 0, have no clip that could be decoded."""
    missing = Counter(row // norm_batch for row in batch["missing"])
    return frozenset(group for group, number in missing.items() if number == norm_batch)
