"""What is done to the pixels of a training clip after its crop, alike in all frames: torchvision's own transforms.

Shapes: T frames, H, W, C = 3; uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.transforms import v2

from videogn.data.batch import GREY

# Of each transform a stream of random numbers of its own, so that turning one on leaves the others as they are.
COLOUR, RAND_AUGMENT, ERASING = 1, 2, 3


class PixelTransforms:
    """Colour jitter, then RandAugment, then random erasing; those that are on.

    Each is drawn once a clip and applied to [T, C, H, W] at once. What is drawn depends on the clip's entropy alone.

    Args:
        color_jitter: Largest change of brightness, contrast and saturation (shares; 0.4 draws factors from 0.6 to 1.4)
            and of hue (share of the circle, at most 0.5), in random order.
        rand_augment: How many transforms, and their magnitude of 0 to 30 (Cubuk et al. 2020).
        random_erasing: Probability that a rectangle of 2 to 33 % of the area becomes grey (Zhong et al. 2020).

    Raises:
        ValueError: A value that torchvision refuses.
    """

    def __init__(
        self,
        *,
        color_jitter: tuple[float, float, float, float] | None = None,
        rand_augment: tuple[int, int] | None = None,
        random_erasing: float = 0.0,
    ) -> None:
        self.transforms: dict[int, nn.Module] = {}
        if color_jitter is not None:
            try:
                self.transforms[COLOUR] = v2.ColorJitter(*color_jitter)
            except ValueError as error:
                raise ValueError(f"color_jitter is {list(color_jitter)}: {error}") from error
        if rand_augment is not None:
            num_ops, magnitude = rand_augment
            if num_ops < 1 or not 0 <= magnitude <= 30:
                raise ValueError(f"rand_augment is {list(rand_augment)}; expected at least 1 transform, of 0 to 30")
            bilinear = v2.InterpolationMode.BILINEAR
            self.transforms[RAND_AUGMENT] = v2.RandAugment(num_ops, magnitude, interpolation=bilinear, fill=GREY)
        if random_erasing:
            self.transforms[ERASING] = v2.RandomErasing(random_erasing, value=GREY)

    def __call__(self, clip: NDArray[np.uint8], entropy: Sequence[int]) -> None:
        """Change the clip [T, H, W, C] where it lies.

        Args:
            clip: Of a training view.
            entropy: (seed, epoch, place in the list, number of the clip).
        """
        frames = torch.from_numpy(clip).permute(0, 3, 1, 2)
        changed = frames
        with torch.random.fork_rng(devices=()):  # torchvision draws from the global generator
            for stream, transform in self.transforms.items():
                torch.manual_seed(int(np.random.SeedSequence((*entropy, stream)).generate_state(1, np.uint64)[0] >> 1))
                changed = transform(changed)
        if changed is not frames:
            frames.copy_(changed)
