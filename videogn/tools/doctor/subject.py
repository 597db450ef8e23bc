"""The network that is asked about, its like with other norms, and clips of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from videogn.data.batch import Batch
from videogn.models.build import build_network
from videogn.models.network import VideoNetwork
from videogn.norms import NORMS
from videogn.tools.doctor.learning import Clips

# Clips of an update.
BATCH = 16
# A network and a clip of seconds on two cores, where the run's own would take too long.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "i3d": {"depth": 14, "width": 32, "nonlocal_blocks": False},
    "c3d": {"width": 16},
}
SMALL_GN: Mapping[str, Any] = {"norm": "gn", "num_groups": None, "channels_per_group": 16}
SMALL_FRAMES, SMALL_SIZE = 16, 64


@dataclass(frozen=True)
class Subject:
    """A run's network as its questions are put to it: from scratch, without dropout, one batch a forward.

    Attributes:
        architecture: As `build_network` takes it.
        norm_batch_size: Clips that share batch statistics in the run; None: none do, or all of a forward.
        is_small: Whether it is a small network in the place of the run's.
    """

    architecture: Mapping[str, Any]
    device: torch.device
    norm_batch_size: int | None = None
    is_small: bool = False

    def network(self, **changes: Any) -> VideoNetwork:
        """Return the network with other settings, always of the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            settings = {**self.architecture, **changes}
            shared = self.norm_batch_size if "norm_batch_size" in NORMS[settings["norm"]].settings else None
            of_batch = shared if shared is not None and BATCH % shared == 0 else None
            network = build_network(**settings, norm_batch_size=of_batch, dropout=0.0)
        return network.to(self.device).to(memory_format=torch.channels_last_3d)

    def in_small(self) -> Subject:
        """Return a small network with the same norm."""
        own = {**self.architecture, **SMALL[self.architecture.get("network", "i3d")]}
        if own["channels_per_group"] is not None or own["num_groups"] is not None:
            own |= SMALL_GN
        own["num_frames"] = min(own["num_frames"], SMALL_FRAMES)
        own["crop_size"] = min(own["crop_size"], SMALL_SIZE)
        return replace(self, architecture=own, is_small=own != self.architecture)

    def fitted(self, clips: Clips) -> Clips:
        """Return clips as the network takes them: of its frames and its size, on its device."""
        size, frames = self.architecture["crop_size"], self.architecture["num_frames"]
        views = clips.views
        views = views[:, _evenly(views.shape[1], frames)]
        if views.shape[2] != size:
            n, t = views.shape[:2]
            flat = views.flatten(0, 1).permute(0, 3, 1, 2)
            scaled = F.interpolate(flat, size=[size, size], mode="bilinear", antialias=True)
            views = scaled.permute(0, 2, 3, 1).unflatten(0, (n, t))
        return Clips(views.contiguous().to(self.device), clips.labels.to(self.device))


def _evenly(have: int, want: int) -> Tensor:
    """Return `want` of `have` frames, in order."""
    return torch.arange(want) * have // want


def stacked(batches: Sequence[Batch]) -> Clips:
    """Return the clips of training batches; those that could not be decoded are left out."""
    views, labels = [], []
    for batch in batches:
        kept = batch["weights"] > 0
        views.append(batch["views"][kept, 0])
        labels.append(batch["labels"][kept])
    return Clips(torch.cat(views), torch.cat(labels))
