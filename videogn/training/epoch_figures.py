"""The figures of a training epoch, over all of its clips on all devices, also where the epoch is stopped within."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import SumMetric

from videogn.training.update import Mean


class EpochFigures(nn.Module):
    """Means over the clips that an epoch has trained on so far, and how many videos it had to do without."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.means = nn.ModuleDict({name: Mean() for name in names})
        self.num_skipped = SumMetric(nan_strategy="disable", sync_on_compute=False)
        self._has_updates = False
        self._at_end: dict[str, list[float]] | None = None

    def begin(self) -> None:
        """Begin an epoch, or the rest of one; Lightning has set the figures to nothing by then."""
        self._has_updates, self._at_end = False, None

    def add(self, sums: Mapping[str, Tensor], clips: Tensor, *, skipped: Tensor) -> None:
        """Take account of an update: sums over its clips, how many they are, and videos that it had to do without."""
        for name, total in sums.items():
            self._mean(name).update(total, clips)
        self.num_skipped.update(skipped)
        self._has_updates = True

    def log(self, module: LightningModule) -> None:
        """Have Lightning log the figures at the epoch's end."""
        for name, mean in self.means.items():
            assert isinstance(mean, Mean)
            module.log(f"train/{name}_epoch", mean, on_step=False, on_epoch=True)
        module.log("train/skipped_videos", self.num_skipped, on_step=False, on_epoch=True)

    def end(self, module: LightningModule) -> None:
        """End an epoch: Lightning forgets its figures now, and the epoch may have been cut short."""
        if not self._has_updates:  # all of them were before the training was stopped
            self.log(module)
        self._at_end = self._now()

    def to_go_on(self) -> dict[str, list[float]]:
        """Return what the figures are made of, to the bit, for a training that goes on from here."""
        return self._at_end or self._now()

    def go_on(self, found: Mapping[str, Sequence[float]], *, device: torch.device) -> None:
        """Go on with what `to_go_on` returned."""
        for name in self.means:
            mean = self._mean(name)
            mean.total, mean.count = torch.tensor(found[name], device=device).unbind()
        self.num_skipped.sum_value = torch.tensor(found["skipped"][0], device=device)

    def _now(self) -> dict[str, list[float]]:
        found = {"skipped": [float(self.num_skipped.sum_value)]}
        for name in self.means:
            mean = self._mean(name)
            found[name] = [float(mean.total), float(mean.count)]
        return found

    def _mean(self, name: str) -> Mean:
        mean = self.means[name]
        assert isinstance(mean, Mean)
        return mean
