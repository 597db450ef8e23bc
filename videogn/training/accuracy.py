"""Top-1 and top-5, micro: correct videos of all videos. One definition of "correct", used everywhere.

Shapes: B videos, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchmetrics.aggregation import MeanMetric

from videogn.training.result import ks_of


def ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the rank of each video's class: how many other classes have a score that is at least as high.

    0 is the best. A video counts as correct in top-k where its rank is below k. Ties count against: a network that
    gives all classes the same score has decided nothing, and is right nowhere. (torch.topk breaks ties by their place
    in memory.)

    Args:
        scores: Logits or probabilities [B, K].
        labels: int64 [B].

    Returns:
        int64 [B], 0 to K - 1.
    """
    own = scores.gather(1, labels[:, None])
    return (~(scores < own)).sum(dim=1) - 1  # not >=: what is not a number counts against, too


class TopK(nn.ModuleDict):
    """Top-k accuracies of one split, over all devices, by name: "top1" and, among five classes or more, "top5".

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__({f"top{k}": MeanMetric(nan_strategy="disable") for k in ks_of(num_classes)})

    def add(self, scores: Tensor, labels: Tensor) -> None:
        """Take in logits or probabilities [B, K] and labels [B]."""
        found = ranks(scores, labels)
        for name, metric in self.items():
            assert isinstance(metric, MeanMetric)
            metric.update((found < int(name.removeprefix("top"))).float())

    def finish(self) -> Mapping[str, Tensor]:
        """Return shares in [0, 1] over all devices, by name; begin again."""
        shares = {}
        for name, metric in self.items():
            assert isinstance(metric, MeanMetric)
            shares[name] = metric.compute()
            metric.reset()
        return shares
