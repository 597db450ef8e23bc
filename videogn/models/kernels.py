"""Whether a device computes a network's layers rightly in half precision: each against float32, before it trains.

Seen: torch 2.15 on a CPU took Conv3d's weight gradient in bf16 from memory that was never written, wherever a clip was
shorter in time than the kernel; PyTorch #169688 (bf16 convolutions on a CPU with one column left) and #163539 (bf16
conv3d on CUDA, cuDNN 9.10.2) are others of the kind. Such a network trains on noise, and nothing says so.

Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from videogn.code_version import code_version
from videogn.files import write_json
from videogn.machine import processor_name

# Rounding to bf16 moves a value by 0.4 % at most, and all of them by 0.2 % together. In float32 every sum is kept.
OVERALL = 0.005  # of the root mean square of all errors, relative to that of the values
ANYWHERE = 0.15  # of the largest error, relative to the same


class KernelError(ValueError):
    """A layer that a device computes wrongly."""


@dataclass(frozen=True)
class Case:
    """A layer with the input that it meets; layers that are alike are one.

    Attributes:
        channels_last: Whether that lies in channels_last_3d memory.
        gradients: Of what gradients are needed: "input", "weight"; none where nothing is trained.
    """

    name: str
    layer: nn.Module
    shape: tuple[int, ...]
    channels_last: bool
    gradients: tuple[str, ...]

    def __str__(self) -> str:
        return f"{type(self.layer).__name__}({self.layer.extra_repr()}) of {list(self.shape)}"


def cases_of(model: nn.Module, shape: tuple[int, ...], *, training: bool) -> list[Case]:
    """Return the distinct layers with parameters, by what they are and what they meet. Nothing is computed.

    Args:
        model: A network of clips [N, C, T, H, W].
        shape: Of its input, which lies in channels_last_3d memory.
        training: Whether gradients will be needed.
    """
    found: dict[tuple[Any, ...], Case] = {}
    names = {module: name for name, module in model.named_modules() if "weight" in module._parameters}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        gradients = (("input",) if inputs[0].requires_grad else ()) + ("weight",) if training else ()
        is_last = inputs[0].ndim == 5 and inputs[0].is_contiguous(memory_format=torch.channels_last_3d)
        case = Case(names[layer], layer, tuple(inputs[0].shape), is_last, gradients)
        found.setdefault((str(case), case.channels_last, gradients), case)

    hooks = [layer.register_forward_hook(note) for layer in names]
    was_training = {module: module.training for module in model.modules()}
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.set_grad_enabled(training):
            clips = torch.empty(shape, device=next(model.parameters()).device)
            model.eval()(clips.to(memory_format=torch.channels_last_3d))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in was_training.items():
            module.training = mode
    return list(found.values())


def check_kernels(
    cases: list[Case],
    *,
    device: torch.device,
    dtype: torch.dtype,
    say: Callable[[str], None] = print,
) -> None:
    """Hold layers as `device` computes them under autocast against the same in float32.

    What passed is kept in the user's cache, by layer, versions and device: it is not computed again.

    Args:
        dtype: Of its autocast: bfloat16 or float16.
        say: Told what is going on, where anything is computed.

    Raises:
        KernelError: A layer is off by more than rounding; says which, and by how much.
    """
    setting = _setting_of(device, dtype)
    known = _read_cache()
    keys = {case: _digest({**setting, "case": [str(case), case.channels_last, case.gradients]}) for case in cases}
    todo = {case: key for case, key in keys.items() if key not in known}
    if not todo:
        return
    say(f"checking {len(todo)} kernels of this network in {_name(dtype)} against float32, once on this machine")
    with _new_memory_is_nan(device):
        for case in todo:
            for what, error in errors_of(case, device=device, dtype=dtype).items():
                if not (error.overall < OVERALL and error.anywhere < ANYWHERE):
                    raise KernelError(
                        f"{case.name}: {what} of {case} in {_name(dtype)} is off from float32 by "
                        f"{100 * error.overall:.3g} % (largest error {100 * error.anywhere:.3g} %; rounding makes "
                        f"0.2 %) on {setting['device']} with {setting['versions']}"
                    )
    if device.type == "cuda":  # what a run reports of its memory is its own
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    _write_cache({**known, **dict.fromkeys(todo.values(), True)})


@dataclass(frozen=True)
class Error:
    """Root mean square and largest error, relative to the root mean square of the exact values."""

    overall: float
    anywhere: float


def errors_of(case: Case, *, device: torch.device, dtype: torch.dtype) -> dict[str, Error]:
    """Return how far the output and the gradients of a layer in half precision are from float32's.

    Both get the same rounded numbers. Memory is filled with what is not a number before, so that a kernel which reads
    what it never wrote is seen.
    """
    layer = copy.deepcopy(case.layer).to(device).train(bool(case.gradients))
    generator = torch.Generator(device).manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device).to(dtype)

    with torch.no_grad():
        for parameter in layer.parameters():
            fan_in = parameter[0].numel()
            parameter.copy_(numbers(*parameter.shape) / max(1, fan_in) ** 0.5 + (0.0 if parameter.ndim > 1 else 1.0))
            parameter.copy_(parameter.to(dtype))
    x = numbers(*case.shape)
    if case.channels_last:
        x = x.contiguous(memory_format=torch.channels_last_3d)
    gradient: Tensor | None = None
    found: list[dict[str, Tensor]] = []
    for half in (True, False):
        values: dict[str, Tensor] = {}
        own = (x.clone() if half else x.float()).requires_grad_("input" in case.gradients)
        weight = layer.get_parameter("weight")
        if half:
            _fill_memory(own, weight)
        with torch.autocast(device.type, dtype, enabled=half), _exact_float32():
            output = layer(own)
            values["the output"] = output.detach()
            if case.gradients:
                if gradient is None:
                    gradient = torch.empty_like(output).copy_(numbers(*output.shape))
                wanted = {"input": own, "weight": weight}
                of = [wanted[name] for name in case.gradients]
                if half:
                    _fill_memory(own, weight, output)
                pulled = torch.autograd.grad(output, of, gradient.to(output.dtype))
                values |= {
                    f"the gradient of the {name}": value for name, value in zip(case.gradients, pulled, strict=True)
                }
        found.append(values)
    return {what: _error(value, found[1][what]) for what, value in found[0].items()}


def _error(found: Tensor, exact: Tensor) -> Error:
    error, scale = found.float() - exact, exact.square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    return Error(float(error.square().mean().sqrt() / scale), float(error.abs().max() / scale))


def _fill_memory(*like: Tensor) -> None:
    """Leave NaN in memory that the next tensors will get: blocks of these tensors' sizes, by half and by whole."""
    blocks = [
        torch.full((tensor.numel(),), float("nan"), dtype=dtype, device=tensor.device)
        for tensor in like
        for dtype in (torch.float32, torch.bfloat16)
    ]
    del blocks


@contextmanager
def _new_memory_is_nan(device: torch.device) -> Iterator[None]:
    """Have torch fill what it allocates with NaN, on a CPU: memory from the system is zero at first.

    A kernel that adds into memory that it never wrote is right there, and wrong later. On a GPU this setting would
    choose other kernels; there, what is freed is what the next gets, see `_fill_memory`.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Keep TF32 out of what is compared with."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _setting_of(device: torch.device, dtype: torch.dtype) -> dict[str, str]:
    """Return what a kernel's result depends on, besides the layer."""
    versions = f"torch {torch.__version__}"
    if device.type == "cuda":
        name, versions = torch.cuda.get_device_name(device), f"{versions}, cuDNN {torch.backends.cudnn.version()}"
    else:
        name = f"{processor_name()} ({torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads)"
    benchmark = str(torch.backends.cudnn.benchmark)  # by which cuDNN may choose other kernels
    return {
        "device": name, "versions": versions, "dtype": _name(dtype), "benchmark": benchmark, "code": code_version()
    }  # fmt: skip


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _digest(what: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "videogn" / "kernels.json"


def _read_cache() -> dict[str, bool]:
    with suppress(OSError, ValueError):
        found = json.loads(_cache().read_text())
        return found if isinstance(found, dict) else {}
    return {}


def _write_cache(known: dict[str, bool]) -> None:
    with suppress(OSError):  # a home that can't be written to: the check is made again next time
        _cache().parent.mkdir(parents=True, exist_ok=True)
        write_json(_cache(), known)
