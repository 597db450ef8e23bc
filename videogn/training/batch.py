"""What goes into a step and what comes out of a prediction.

Shapes: B videos, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypedDict

import torch
from torch import Tensor


class ClipBatch(TypedDict):
    """What a step takes; the data package's Batch.

    Attributes:
        views: uint8 [B, V, T, H, W, C], RGB.
        labels: int64 [B].
        indices: int64 [B], places in the list.
        weights: float32 [B] in the loss.
        failures: (place in the list, reason) of videos that could not be decoded.
    """

    views: Tensor
    labels: Tensor
    indices: Tensor
    weights: Tensor
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
    devices give the same network. Where no clip of a normalisation batch could be decoded, its views stay as they are.

    Args:
        batch: Whose `weights` are 0 for such a clip.
        norm_batch: Clips that share statistics; divides B.

    Returns:
        uint8 [B, V, T, H, W, C]; the batch's own where nothing is missing.
    """
    if not batch["failures"]:
        return batch["views"]
    is_there = (batch["weights"] > 0).view(-1, norm_batch)
    places = torch.arange(is_there.numel(), device=is_there.device).view_as(is_there)
    first = places.gather(1, is_there.int().argmax(dim=1, keepdim=True))
    return batch["views"].index_select(0, torch.where(is_there, places, first).flatten())


class Prediction(TypedDict):
    """The most probable classes of a video, best first, with their probabilities."""

    index: int
    classes: list[int]
    probabilities: list[float]
