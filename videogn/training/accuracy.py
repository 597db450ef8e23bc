"""Top-1 and top-5, micro: correct videos of all videos.

Shapes: B videos, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy


class TopK(nn.ModuleDict):
    """torchmetrics' accuracies of one split by k; with fewer than five classes, top-5 is top-K.

    Args:
        num_classes: K.
    """

    KS = (1, 5)

    def __init__(self, num_classes: int) -> None:
        super().__init__(
            {f"top{k}": MulticlassAccuracy(num_classes, top_k=min(k, num_classes), average="micro") for k in self.KS}
        )

    def metrics(self) -> Iterator[tuple[str, MulticlassAccuracy]]:
        """("top1", ...), ("top5", ...)."""
        for name, metric in self.items():
            assert isinstance(metric, MulticlassAccuracy)
            yield name, metric

    def add(self, scores: Tensor, labels: Tensor) -> None:
        """Takes in logits or probabilities [B, K] and labels [B]."""
        for _, metric in self.metrics():
            metric.update(scores, labels)

    def finish(self) -> dict[str, Tensor]:
        """Shares in [0, 1] over all devices, by name; begins anew."""
        shares = {}
        for name, metric in self.metrics():
            shares[name] = metric.compute()
            metric.reset()
        return shares
