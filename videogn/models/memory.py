"""What a training step takes of a GPU's memory, counted on tensors without values: no GPU is needed.

Not seen: cuDNN's workspaces, the CUDA context, and what the allocator leaves unused between tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from videogn.models.fake_cuda import fake_cuda
from videogn.models.input import normalize
from videogn.models.network import VideoNetwork
from videogn.models.summary import saving


@dataclass(frozen=True)
class StepMemory:
    """Memory of a training step of SGD with momentum, in bytes. It grows with the clips of a forward by a constant.

    Attributes:
        parameters: In float32; gradients and momentum take as much again, each.
        fixed: What does not depend on the number of clips, of the most that is in use at once.
        clip: What each clip adds to it.
        saved_clip: Of that, what is kept for the backward pass.
    """

    parameters: int
    fixed: int
    clip: int
    saved_clip: int

    def at(self, clips: int) -> int:
        """Return the most that is in use at once, in a step of that many clips."""
        return self.fixed + clips * self.clip

    def most_clips(self, memory: int) -> int:
        """Return how many clips fit; 0 where none does."""
        return max(0, (memory - self.fixed) // self.clip)


def step_memory(
    build: Callable[[], VideoNetwork],
    *,
    num_frames: int,
    crop_size: int,
    autocast: torch.dtype | None,
    multiple_of: int = 1,
    more_copies: int = 0,
) -> StepMemory:
    """Return what a step takes.

    The most is in use when the forward pass ends, with the gradients of the step before still there (the backward pass
    frees more than it makes), or when a part of the network is computed again.

    Args:
        build: Makes the network; called where nothing is computed.
        num_frames: T of a clip.
        crop_size: H = W in px of a clip.
        autocast: Dtype of mixed precision; None for float32.
        multiple_of: What the clips of a forward must be a multiple of: a normalisation batch.
        more_copies: What else is as large as the parameters: gradients that devices exchange, an average of weights.

    Raises:
        ValueError: A network or a clip that is not possible.
    """
    with fake_cuda(autocast):
        model = build().train()
        parameters = sum(parameter.nbytes for parameter in model.parameters())
        (saved, peak), (saved_twice, peak_twice) = (
            _forward(model, clips, num_frames=num_frames, crop_size=crop_size)
            for clips in (multiple_of, 2 * multiple_of)
        )
    clip = (peak_twice - peak) / multiple_of
    return StepMemory(
        parameters=parameters,
        fixed=round(peak - multiple_of * clip) + (2 + more_copies) * parameters,
        clip=round(clip),
        saved_clip=round((saved_twice - saved) / multiple_of),
    )


def _forward(model: VideoNetwork, clips: int, *, num_frames: int, crop_size: int) -> tuple[int, int]:
    """Return (bytes saved for the backward pass, the most in use at once), parameters and clips in the latter."""
    views = torch.empty(clips, 1, num_frames, crop_size, crop_size, 3, dtype=torch.uint8)
    labels = torch.empty(clips, dtype=torch.int64)
    before: list[tuple[nn.Module, Tensor, int]] = []  # a unit that is computed again, its input, bytes in use

    def note(unit: nn.Module, inputs: tuple[Tensor]) -> None:
        before.append((unit, inputs[0].detach(), in_use.now()))

    hooks = [unit.register_forward_pre_hook(note) for unit in model.recomputed]
    with saving(model) as saved, InUse(*model.parameters(), *model.buffers(), views, labels) as in_use:
        loss = F.cross_entropy(model(normalize(views)).float(), labels, reduction="sum")
    for hook in hooks:
        hook.remove()
    torch.clear_autocast_cache()
    del loss
    return saved(), max([in_use.most, *(at_first + _again(unit, x) for unit, x, at_first in before)])


def _again(unit: nn.Module, x: Tensor) -> int:
    """Return what computing a unit again takes in the backward pass, with the gradient of its output."""
    with InUse(x, *unit.parameters(), *unit.buffers()) as in_use:
        there = in_use.now()
        output = unit(x.requires_grad_(x.is_floating_point()))
    torch.clear_autocast_cache()
    return in_use.most - there + output.nbytes


class InUse(TorchDispatchMode):
    """Within it, follows the memory of all tensors that operations return: `most` bytes were in use at once."""

    def __init__(self, *there: Tensor) -> None:
        super().__init__()
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0
        self._follow(there)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self._follow(found)
        return found

    def _follow(self, found: Any) -> None:
        for tensor in filter(torch.is_tensor, tree_iter(found)):
            storage = tensor.untyped_storage()
            self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.most = max(self.most, self.now())

    def now(self) -> int:
        """Return the bytes that are in use now."""
        self._storages = {key: item for key, item in self._storages.items() if not item[0].expired()}
        return sum(size for _, size in self._storages.values())
