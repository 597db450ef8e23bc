"""How videos are scored: probabilities averaged over positions and views; validation, testing, prediction.

With one label a video, classes share a softmax, and the score is top-k accuracy; with several, each class has a sigmoid
of its own, and the score is mean average precision.

Shapes: B videos, V views, C channels, T frames, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypedDict

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics.aggregation import MeanMetric

from videogn.data.batch import VideoBatch, VideoViews
from videogn.data.datamodule import KineticsDataModule
from videogn.models.batch_norm import devices_share
from videogn.models.compiled import Run, positions
from videogn.models.features import listening
from videogn.models.network import VideoNetwork
from videogn.training.accuracy import TopK, ranks
from videogn.training.agreement import Agreement, from_all_devices
from videogn.training.average_precision import (
    AveragePrecision,
    average_precisions,
    mean_of_known,
    scored_labels,
)
from videogn.training.errors import NonFiniteLoss
from videogn.training.non_finite import first_not_finite
from videogn.training.result import ScoredVideo, ScoreName, ks_of, top_k
from videogn.training.result_of_labels import ScoredLabels


class Prediction(TypedDict):
    """Classes of a video, the most probable first, with their probabilities."""

    index: int
    classes: list[int]
    probabilities: list[float]


class Scorer(LightningModule):
    """A network that scores videos.

    Args:
        num_classes: K.
        multi_label: Whether a video has any number of labels.
        device_batch_size: Views that are forwarded at once, at most.
        compiled: Computes `positions` of as many views, where it is faster.
    """

    def __init__(
        self,
        model: VideoNetwork,
        *,
        num_classes: int,
        multi_label: bool = False,
        device_batch_size: int,
        compiled: Run | None = None,
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last_3d)
        self.num_classes = num_classes
        self.multi_label = multi_label
        self.device_batch_size = device_batch_size
        self.compiled = compiled
        self.class_names: list[str] = []
        self.val_accuracy = AveragePrecision() if multi_label else TopK(num_classes)
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.validated_at_step: int | None = None
        self.num_validations = 0
        self.scored: list[ScoredVideo] = []
        self.scored_labels: list[ScoredLabels] = []  # with several labels a video, instead
        self.failures: list[tuple[int, str]] = []
        # A prediction has the classes of this probability or more; None: the five most probable.
        self.threshold: float | None = None
        self._news: Agreement | None = None  # on whether there is anything to exchange

    @property
    def score(self) -> ScoreName:
        """What the best validation is the best by, as its figures are called."""
        return "map" if self.multi_label else "top1"

    @property
    def data(self) -> KineticsDataModule | None:
        """What it is trained on, or scores; None where the trainer was given loaders, or another datamodule."""
        found = getattr(self.trainer, "datamodule", None)  # Lightning sets it when its work begins
        return found if isinstance(found, KineticsDataModule) else None

    def forward(self, views: Tensor) -> Tensor:
        """Return logits [B * V, K] of uint8 views [B, V, T, H, W, C]."""
        return self._positions(views.flatten(0, 1)).mean(dim=-1)

    def _positions(self, views: Tensor) -> Tensor:
        # Another number of views is seldom, and not worth the minutes of another compilation.
        run = self.compiled if self.compiled and len(views) == self.device_batch_size else positions
        return run(self.model, views)

    def probabilities(self, videos: Sequence[VideoViews | Tensor] | Tensor) -> Tensor:
        """Return class probabilities [B, K] of the views of B videos, uint8 [T, H, W, C].

        Softmax (sigmoid where a video has any number of labels), averaged over positions, then over views (Wang et al.
        2018, "inference"). At most device_batch_size views are made and forwarded at once: memory does not grow with
        their number.
        """
        of_views = self._of_views(videos, lambda views: averaged(self._positions(views), multi_label=self.multi_label))
        probabilities = torch.stack([of_video.mean(dim=0) for of_video in of_views])
        self._check_finite(probabilities)
        return probabilities

    @torch.no_grad()
    def features(self, videos: Sequence[VideoViews | Tensor] | Tensor, *, layer: str | None = None) -> list[Tensor]:
        """Return float32 [V, C] of each of B videos: what a layer says of each view, averaged over time and space.

        The network is in evaluation for it. It runs as it is, without torch.compile.

        Args:
            videos: The views of each, uint8 [T, H, W, C], on the network's device; a tensor [B, V, T, H, W, C], too.
            layer: Name of a module in `model`, as `model.named_modules()` has it, whose output is taken. Default: what
                goes into the last layer.

        Raises:
            ValueError: The network has no such layer; says which it has.
        """
        training = self.training
        self.eval()
        try:
            with listening(self.model, layer) as heard:

                def of(views: Tensor) -> Tensor:
                    positions(self.model, views)
                    return heard.pop()

                found = self._of_views(videos, of)
        finally:
            self.train(training)
        self._check_finite(*found)
        return found

    def _check_finite(self, *outputs: Tensor) -> None:
        if not all(output.isfinite().all() for output in outputs):
            broken = first_not_finite(self.model)
            reason = "its weights and running statistics are" if broken is None else f"{broken} is not"
            raise NonFiniteLoss(f"the network's output is not finite: {reason}")

    def _of_views(self, videos: Sequence[VideoViews | Tensor] | Tensor, of: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return [V, ...] of each of B videos, made of at most device_batch_size views [N, T, H, W, C] at once."""
        views = (view for video in videos for view in video)
        parts = []
        while chunk := list(islice(views, self.device_batch_size)):
            parts.append(of(torch.stack(chunk)))
        return list(torch.cat(parts).split([len(video) for video in videos]))

    def setup(self, stage: str) -> None:
        self.class_names = list(self.data.classes) if self.data is not None else []

    def validation_step(self, batch: VideoBatch, batch_idx: int) -> None:
        if len(batch["labels"]):
            probabilities = self.probabilities(batch["views"])
            self.val_loss.update(self._losses(probabilities, batch["labels"]))
            self.val_accuracy.add(probabilities, batch["labels"])
        self.failures += batch["failures"]

    def _losses(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each video, [B], by its probabilities [B, K]."""
        return (_binary_cross_entropy if self.multi_label else _negative_log)(probabilities, labels)

    # Videos that fail

    def stop_together(self) -> None:
        """Stop, all devices at the same place, where together they know of more videos that failed than may.

        All of them ask as often as each other.
        """
        if self.data is None or not devices_share():
            return  # one device alone stops by itself
        self._news = self._news or Agreement(self.device)
        (news,) = self._news.of_all(any(known.is_new for known in self.data.known.values()))
        if news:
            self.exchange_known()

    def exchange_known(self) -> None:
        """Have all devices know what each has found out about videos.

        Raises:
            TooManyFailed: More videos of a list failed than may.
        """
        if self.data is None or not devices_share():
            return
        parts = from_all_devices([{split: known.to_plain() for split, known in self.data.known.items()}])
        for split, known in self.data.known.items():
            for part in parts:
                known.add(part[split])
            known.is_new = False
        for split in self.data.known:
            self.data.check_failed(split)

    def on_validation_batch_end(self, *_: Any) -> None:
        self.stop_together()

    def on_test_batch_end(self, *_: Any) -> None:
        self.stop_together()

    def on_validation_epoch_start(self) -> None:
        self.failures = []

    def on_validation_epoch_end(self) -> None:
        # Here, and not in the steps: a device may have had no video to score, and must take part all the same.
        self.exchange_known()
        self.failures = from_all_devices(self.failures)
        num_scored = sum(from_all_devices([int(self.val_loss.weight)]))
        if not self.trainer.sanity_checking:
            if not num_scored:
                raise ValueError(f"none of the validation videos could be decoded; the first: {self.failures[0][1]}")
            if self.failures and self.trainer.is_global_zero:
                print(f"{len(self.failures)} validation videos could not be decoded; the first: {self.failures[0][1]}")
            self.validated_at_step = self.global_step
            self.num_validations += 1
        self.log("val/loss", self.val_loss.compute())
        for name, share in self.val_accuracy.finish().items():
            if share.isnan() and not self.trainer.sanity_checking:
                raise ValueError(f"none of the {num_scored} validation videos that were scored has a label")
            self.log(f"val/{name}", share)
        self.val_loss.reset()

    def on_test_epoch_start(self) -> None:
        self.scored, self.scored_labels, self.failures = [], [], []

    def test_step(self, batch: VideoBatch, batch_idx: int) -> None:
        self.failures += batch["failures"]
        labels = batch["labels"]
        if not len(labels):
            return
        probabilities = self.probabilities(batch["views"])
        losses = self._losses(probabilities, labels)
        if self.multi_label:
            self.scored_labels += scored_labels(batch["indices"], probabilities, labels, losses)
            return
        highest = probabilities.max(dim=1)
        values = zip(
            batch["indices"].tolist(),
            labels.tolist(),
            ranks(probabilities, labels).tolist(),
            losses.tolist(),
            highest.indices.tolist(),
            highest.values.tolist(),
            strict=True,
        )
        self.scored += [ScoredVideo(*video) for video in values]

    def on_test_epoch_end(self) -> None:
        self.exchange_known()
        self.scored = sorted(from_all_devices(self.scored), key=lambda video: video.index)
        self.scored_labels = sorted(from_all_devices(self.scored_labels), key=lambda video: video.index)
        self.failures = sorted(from_all_devices(self.failures))
        if self.scored_labels:
            self.log("test/map", mean_of_known(average_precisions(self.scored_labels)))
        if self.scored:
            self.log_dict({f"test/top{k}": top_k(self.scored, k) for k in ks_of(self.num_classes)})

    def predict_step(self, batch: VideoBatch, batch_idx: int) -> list[Prediction]:
        self.failures += batch["failures"]
        if not len(batch["labels"]):
            return []
        most = min(5, self.num_classes) if self.threshold is None else self.num_classes
        best = self.probabilities(batch["views"]).topk(most)
        numbers = (best.values >= (self.threshold or 0.0)).sum(dim=1)
        columns = (each.tolist() for each in (batch["indices"], best.indices, best.values, numbers))
        return [
            Prediction(index=index, classes=classes[:number], probabilities=probabilities[:number])
            for index, classes, probabilities, number in zip(*columns, strict=True)
        ]

    def on_predict_epoch_start(self) -> None:
        self.failures = []


def averaged(logits: Tensor, *, multi_label: bool = False) -> Tensor:
    """Return probabilities [N, K], averaged over positions, of logits [N, K, P]; of each class by itself, or of one."""
    logits = logits.float()
    return (logits.sigmoid() if multi_label else logits.softmax(dim=1)).mean(dim=-1)


def _negative_log(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return -log of the probability of each label: [B] of [B, K] and [B]."""
    return -_log(probabilities.gather(1, labels[:, None]).squeeze(1))


def _binary_cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the binary cross-entropy of each video, the mean over its classes: [B] of [B, K] and [B, K]."""
    return -(labels * _log(probabilities) + (1 - labels) * _log(1 - probabilities)).mean(dim=1)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(torch.float32).tiny).log()
