"""Which device batch fits into a GPU's memory, and which one of these leaves the experiment as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from videogn.models.build import build_network
from videogn.models.memory import StepMemory, step_memory
from videogn.norms import divisors, find_norm
from videogn.training.batch_sizes import BatchSizes


def left_for_tensors(memory: int) -> int:
    """Return bytes of a memory that tensors may take: without 1 GiB for CUDA and cuDNN, and 5 % for gaps."""
    return int(0.95 * memory) - 2**30


@dataclass(frozen=True)
class Fit:
    """What fits into one memory.

    Attributes:
        most: Largest device batch that fits; 0: none.
        same: Largest one that keeps total batch and normalisation batch; None: none does.
    """

    memory: str
    most: int
    same: int | None


def fits(memory: StepMemory, sizes: dict[str, int], *, norm: str, batches: BatchSizes) -> list[Fit]:
    """Return what fits into each memory.

    Args:
        sizes: Name -> bytes of each memory.
    """
    return [
        Fit(name, most, largest(most, norm=norm, batches=batches))
        for name, size in sizes.items()
        for most in [memory.most_clips(left_for_tensors(size))]
    ]


def largest(most: int, *, norm: str, batches: BatchSizes) -> int | None:
    """Return the largest device batch, of at most `most` clips, that keeps the experiment; None where there is none.

    The total batch is kept by accumulation, the normalisation batch by splitting a forward. Statistics that all devices
    share can't be split: there it is the experiment's own device batch or none.
    """
    if find_norm(norm).over_devices:
        return batches.device if batches.device <= most else None
    sizes = divisors(batches.total // batches.num_devices)
    return max((size for size in sizes if size <= most and size % (batches.norm or 1) == 0), default=None)


def memory_of(
    norm: str,
    *,
    num_frames: int,
    crop_size: int,
    autocast: torch.dtype | None,
    batches: BatchSizes,
    ema: bool = False,
    **network: object,
) -> StepMemory:
    """Return what a training step of a network takes.

    Args:
        num_frames: T of a clip.
        crop_size: H = W in px of a clip.
        autocast: Dtype of mixed precision; None for float32.
        network: Its name, and more of its settings; those that the norm does not have are left out.

    Raises:
        ValueError: A network that can't be built.
    """
    row = find_norm(norm)
    if "num_groups" not in row.settings:
        network = {name: value for name, value in network.items() if name not in ("num_groups", "channels_per_group")}
    if "norm_batch_size" in row.settings:
        network["norm_batch_size"] = batches.norm
    return step_memory(
        lambda: build_network(norm=norm, num_frames=num_frames, crop_size=crop_size, **network),  # type: ignore[arg-type]
        num_frames=num_frames,
        crop_size=crop_size,
        autocast=autocast,
        multiple_of=batches.norm if batches.norm and "norm_batch_size" in row.settings else 1,
        more_copies=int(batches.num_devices > 1) + int(ema),
    )
