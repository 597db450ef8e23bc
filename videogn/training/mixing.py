"""Clips of a forward mixed with one another, and their labels with them: mixup and CutMix, by torchvision.

Shapes: B clips, V views, T frames, H, W, C = 3, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from videogn.data.batch import Batch


class Mixing:
    """Mixes each clip with the one before it in the forward, all frames alike.

    Where both are on, each forward draws which; mixup and CutMix are as likely. All clips of a forward have one share.

    Args:
        mixup: alpha of the Beta distribution of shares (Zhang et al. 2018; 0.2 is usual); 0: off.
        cutmix: alpha, likewise, of the area that stays (Yun et al. 2019; 1 is usual); 0: off.
    """

    def __init__(self, *, mixup: float, cutmix: float, num_classes: int) -> None:
        self.num_classes = num_classes
        self.transforms: list[v2.Transform] = []
        if mixup:
            self.transforms.append(v2.MixUp(alpha=mixup, num_classes=num_classes))
        if cutmix:
            self.transforms.append(v2.CutMix(alpha=cutmix, num_classes=num_classes))

    def __call__(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Return a batch of mixed views, rounded to uint8, and float32 [B, K] shares of the labels [B] or [B, K].

        A forward with a clip that could not be decoded stays as it is. What is drawn comes from torch's generator.
        """
        labels = batch["labels"]
        if not self.transforms or batch["missing"] or len(labels) < 2:
            return batch, labels if labels.ndim == 2 else F.one_hot(labels, self.num_classes).float()
        chosen = self.transforms[int(torch.randint(len(self.transforms), ()))]
        views = batch["views"]
        planes = views.flatten(1, 2).permute(0, 1, 4, 2, 3)  # [B, V * T, C, H, W]
        mixed, targets = chosen(tv_tensors.Video(planes.float()), labels)
        back = mixed.as_subclass(Tensor).round().to(torch.uint8).permute(0, 1, 3, 4, 2)
        return {**batch, "views": back.unflatten(1, views.shape[1:3])}, targets
