"""What a network costs: parameters, multiply-adds, and the memory that training keeps for each clip.

Nothing is computed: see fake_cuda.py.
Shapes: T frames, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from videogn.models.fake_cuda import fake_cuda
from videogn.models.network import VideoNetwork

# What PyTorchVideo's and SlowFast's zoos count: with it, their networks have the figures that they publish.
OPERATIONS_PER_NORMALISED_VALUE = 5


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        gflops: Multiply-adds of a view's forward in 10^9, as model zoos count them: convolutions, matrix products, the
            last layer, and 5 for each value that passes a norm.
        activation_bytes: What training keeps for the backward pass of one clip, in float32, without parameters. Of one
            more clip: what does not grow with the batch is left out.
    """

    num_parameters: int
    num_norms: int
    num_norm_parameters: int
    gflops: float
    activation_bytes: int


def cost(build: Callable[[], VideoNetwork], *, num_frames: int, crop_size: int, view_size: int | None = None) -> Cost:
    """Return the cost of a network.

    Args:
        build: Makes the network; called where nothing is computed.
        num_frames: T of a clip.
        crop_size: H = W in px of a training clip: what activation_bytes are for.
        view_size: H = W in px of a test view: what gflops are for; crop_size where not given.

    Raises:
        ValueError: The clip or the view is too small for the network.
    """
    with fake_cuda():
        model = build()
        norms = [module for name, module in model.named_modules() if "norm" in name.rpartition(".")[2]]
        size = view_size or crop_size
        multiply_adds = _multiply_adds(model.eval(), torch.empty(1, 3, num_frames, size, size), norms)
        clips = [torch.empty(n, 3, num_frames, crop_size, crop_size) for n in (2, 3)]
        smaller, larger = (saved_bytes(model.train(), part) for part in clips)
    return Cost(
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_norms=len(norms),
        num_norm_parameters=sum(parameter.numel() for norm in norms for parameter in norm.parameters()),
        gflops=multiply_adds / 1e9,
        activation_bytes=larger - smaller,
    )


def _multiply_adds(model: nn.Module, view: Tensor, norms: list[nn.Module]) -> float:
    passed = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal passed
        passed += output.numel()

    hooks = [norm.register_forward_hook(count) for norm in norms]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(view)
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() / 2 + OPERATIONS_PER_NORMALISED_VALUE * passed


def saved_bytes(model: nn.Module, clips: Tensor) -> int:
    """Return bytes that a training forward keeps for its backward, parameters and buffers left out."""
    with saving(model) as saved:
        output = model(clips)
    total = saved()
    del output
    return total


@contextmanager
def saving(model: nn.Module) -> Iterator[Callable[[], int]]:
    """Within it, follow what is kept for the backward pass; yield what tells its bytes, without the model's own."""
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no other gets its place
        return tensor

    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield lambda: sum(storage.nbytes() for key, storage in kept.items() if key not in own)
