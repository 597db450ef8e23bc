"""Mean average precision: how well each class's probabilities put its videos before all others, by torchmetrics.

Source: Sigurdsson et al., "Hollywood in Homes", 2016 (Charades). The mean is over the classes that have a video.

Shapes: N videos, K classes.
"""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import multilabel_average_precision

from videogn.training.agreement import from_all_devices
from videogn.training.result_of_labels import ScoredLabels


def scored_labels(indices: Tensor, probabilities: Tensor, labels: Tensor, losses: Tensor) -> list[ScoredLabels]:
    """Return videos of indices [N], probabilities [N, K], labels [N, K] of 0 and 1, and losses [N]."""
    shares = probabilities.float().cpu().numpy()
    values = zip(indices.tolist(), labels.cpu(), shares, losses.tolist(), strict=True)
    return [  # arrays: objects of as many numbers would take eight times the memory
        ScoredLabels(index, tuple(own.nonzero().flatten().tolist()), array("f", row.tobytes()), loss)
        for index, own, row, loss in values
    ]


def average_precisions(videos: Sequence[ScoredLabels]) -> Tensor:
    """Return the average precision of each class, float32 [K] in [0, 1]; nan for one that has no video."""
    probabilities = torch.from_numpy(np.array([video.probabilities for video in videos], np.float32))
    targets = torch.zeros(probabilities.shape, dtype=torch.int64)
    for row, video in zip(targets, videos, strict=True):
        row[list(video.labels)] = 1
    return _of_classes(probabilities, targets)


def mean_of_known(values: Tensor) -> Tensor:
    """Return the mean of the values that are numbers; nan where none is."""
    return values[~values.isnan()].mean()


def _of_classes(probabilities: Tensor, targets: Tensor) -> Tensor:
    with warnings.catch_warnings():  # of a class without a video torchmetrics makes 0, which would count
        warnings.filterwarnings("ignore", message="No positive samples found")
        found = multilabel_average_precision(probabilities, targets, targets.shape[1], average=None)
    return torch.where(targets.any(dim=0), found, torch.nan)


class AveragePrecision:
    """Mean average precision of one split, over all devices, by name: "map"."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, Tensor]] = []

    def add(self, probabilities: Tensor, labels: Tensor) -> None:
        """Take in probabilities [N, K] and labels [N, K] of 0 and 1."""
        self._parts.append((probabilities.cpu(), labels.long().cpu()))

    def finish(self) -> Mapping[str, Tensor]:
        """Return it in [0, 1] over all devices, nan where no video has a label; begin again."""
        parts, self._parts = from_all_devices(self._parts), []
        if not parts:
            return {"map": torch.tensor(torch.nan)}
        probabilities, targets = (torch.cat(part) for part in zip(*parts, strict=True))
        return {"map": mean_of_known(_of_classes(probabilities, targets))}
