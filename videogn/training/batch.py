"""What goes into a step and what comes out of a prediction.

Shapes: B videos, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

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


class Prediction(TypedDict):
    """The most probable classes of a video, best first, with their probabilities."""

    index: int
    classes: list[int]
    probabilities: list[float]
