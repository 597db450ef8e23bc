"""What goes into a step and what comes out of a prediction.

Shapes: B videos, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol, TypedDict

from torch import Tensor


class ClipBatch(TypedDict):
    """What a step takes; the data package's Batch.

    Attributes:
        views: uint8 [B, V, T, H, W, C], RGB.
        labels: int64 [B].
        indices: int64 [B], places in the list.
        weights: float32 [B] in the loss.
        missing: Rows of videos that could not be decoded: they are grey, and have no weight.
        failures: (place in the list, reason) of these videos.
    """

    views: Tensor
    labels: Tensor
    indices: Tensor
    weights: Tensor
    missing: list[int]
    failures: list[tuple[int, str]]


class Views(Protocol):
    """The views of a video, uint8 [T, H, W, C], RGB: a tensor [V, T, H, W, C], or what makes each when it is asked."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tensor]: ...


class VideoBatch(TypedDict):
    """What a validation, test or prediction step takes; the data package's VideoBatch.

    Attributes:
        views: Of each of B videos.
        labels: int64 [B].
        indices: int64 [B], places in the list.
        failures: (place in the list, reason) of videos that could not be decoded.
    """

    views: Sequence[Views]
    labels: Tensor
    indices: Tensor
    failures: list[tuple[int, str]]


def filled(batch: ClipBatch, *, norm_batch: int) -> Tensor:
    """The views of a batch, a clip that could not be decoded replaced by one of its normalisation batch that could.

    Batch statistics need a constant number of clips. What stands in for a missing one depends on the clips that it
    shares statistics with and on nothing else, so a larger forward that is split, several small ones and several
    devices give the same network (but for sync_bn, where it is one of the same device). Where no clip of a
    normalisation batch could be decoded, its views stay as they are.

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
    return batch["views"][sources]


def groups_without_clips(batch: ClipBatch, *, norm_batch: int) -> frozenset[int]:
    """Which normalisation batches of a forward, counted from 0, have no clip that could be decoded."""
    missing = Counter(row // norm_batch for row in batch["missing"])
    return frozenset(group for group, number in missing.items() if number == norm_batch)


class Prediction(TypedDict):
    """The most probable classes of a video, best first, with their probabilities."""

    index: int
    classes: list[int]
    probabilities: list[float]
