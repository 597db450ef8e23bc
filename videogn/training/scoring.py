"""How videos are scored: probabilities averaged over positions and views; validation, testing, prediction.

Shapes: B videos, V views, C channels, T frames, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypedDict, TypeVar

import torch
import torch.distributed
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
from videogn.training.agreement import Agreement
from videogn.training.errors import NonFiniteLoss
from videogn.training.non_finite import first_not_finite
from videogn.training.result import ScoredVideo, ks_of, top_k

Item = TypeVar("Item")


class Prediction(TypedDict):
    """The most probable classes of a video, best first, with their probabilities."""

    index: int
    classes: list[int]
    probabilities: list[float]


class Scorer(LightningModule):
    """A network that scores videos.

    Args:
        model: The network; its memory format becomes channels_last_3d.
        num_classes: K.
        device_batch_size: Views that are forwarded at once, at most.
        compiled: Computes `positions` of as many views, where it is faster.
    """

    def __init__(
        self, model: VideoNetwork, *, num_classes: int, device_batch_size: int, compiled: Run | None = None
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last_3d)
        self.num_classes = num_classes
        self.device_batch_size = device_batch_size
        self.compiled = compiled
        self.class_names: list[str] = []
        self.val_accuracy = TopK(num_classes)
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.validated_at_step: int | None = None
        self.num_validations = 0
        self.scored: list[ScoredVideo] = []
        self.failures: list[tuple[int, str]] = []
        self._news: Agreement | None = None  # on whether there is anything to exchange

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

        Softmax, averaged over positions, then over views (Wang et al. 2018, "inference"). At most device_batch_size
        views are made and forwarded at once: memory does not grow with their number.
        """
        of_views = self._of_views(videos, lambda views: averaged(self._positions(views)))
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
            self.val_loss.update(_negative_log(probabilities, batch["labels"]))
            self.val_accuracy.add(probabilities, batch["labels"])
        self.failures += batch["failures"]

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
        parts = self._from_all_devices([{split: known.to_plain() for split, known in self.data.known.items()}])
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
        self.failures = self._from_all_devices(self.failures)
        num_scored = sum(self._from_all_devices([int(self.val_loss.weight)]))
        if not self.trainer.sanity_checking:
            if not num_scored:
                raise ValueError(f"none of the validation videos could be decoded; the first: {self.failures[0][1]}")
            if self.failures and self.trainer.is_global_zero:
                print(f"{len(self.failures)} validation videos could not be decoded; the first: {self.failures[0][1]}")
            self.validated_at_step = self.global_step
            self.num_validations += 1
        self.log("val/loss", self.val_loss.compute())
        for name, share in self.val_accuracy.finish().items():
            self.log(f"val/{name}", share)
        self.val_loss.reset()

    def on_test_epoch_start(self) -> None:
        self.scored, self.failures = [], []

    def test_step(self, batch: VideoBatch, batch_idx: int) -> None:
        self.failures += batch["failures"]
        labels = batch["labels"]
        if not len(labels):
            return
        probabilities = self.probabilities(batch["views"])
        losses = _negative_log(probabilities, labels)
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
        self.scored = sorted(self._from_all_devices(self.scored), key=lambda video: video.index)
        self.failures = sorted(self._from_all_devices(self.failures))
        if self.scored:
            self.log_dict({f"test/top{k}": top_k(self.scored, k) for k in ks_of(self.num_classes)})

    def _from_all_devices(self, own: list[Item]) -> list[Item]:
        """Return the items of all devices, those of the first one first."""
        if not devices_share():
            return own
        parts: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, own)
        return [item for part in parts for item in part]

    def predict_step(self, batch: VideoBatch, batch_idx: int) -> list[Prediction]:
        self.failures += batch["failures"]
        if not len(batch["labels"]):
            return []
        best = self.probabilities(batch["views"]).topk(min(5, self.num_classes))
        return [
            Prediction(index=index, classes=classes, probabilities=probabilities)
            for index, classes, probabilities in zip(
                batch["indices"].tolist(), best.indices.tolist(), best.values.tolist(), strict=True
            )
        ]

    def on_predict_epoch_start(self) -> None:
        self.failures = []


def averaged(logits: Tensor) -> Tensor:
    """Return probabilities [N, K], averaged over positions, of logits [N, K, P]."""
    return logits.float().softmax(dim=1).mean(dim=-1)


def _negative_log(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return -log of the probability of each label: [B] of [B, K] and [B]."""
    return -probabilities.gather(1, labels[:, None]).squeeze(1).clamp_min(torch.finfo(torch.float32).tiny).log()
