"""Norms in half precision: computed in float32, rounded once, no more kept than bn keeps.

Each is compared with float64 arithmetic on the same rounded input and the same float32 gammas and betas.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.models.networks import randomize_norms
from tests.runs import on_two_devices
from videogn.models.batch_norm import BatchNorm, update_running_statistics
from videogn.models.batch_renorm import BatchRenorm, RenormBounds
from videogn.models.fixed_norm import ChannelAffine, FrozenBatchNorm
from videogn.models.group_norm import GroupNorm
from videogn.models.sync_batch_norm import SyncBatchNorm

HALF = [torch.bfloat16, torch.float16]
MEMORY = [torch.contiguous_format, torch.channels_last_3d]
AXES = (0, 2, 3, 4)
BOUNDS = RenormBounds(r_max=1.5, d_max=0.5, start=0, r_end=0, d_end=0)
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "gn": lambda channels: GroupNorm(next(groups for groups in (3, 2, 1) if channels % groups == 0), channels),
    "ln": lambda channels: GroupNorm(1, channels),
    "in": lambda channels: GroupNorm(channels, channels),
    "bn": BatchNorm,
    "brn, bounds off": BatchRenorm,
    "brn": lambda channels: BatchRenorm(channels, bounds=BOUNDS),
    "sync_bn": SyncBatchNorm,
    "frozen_bn": FrozenBatchNorm,
    "none": ChannelAffine,
}


def like(vector: Tensor) -> Tensor:
    return vector.view(1, -1, 1, 1, 1)


def layer(name: str, channels: int, *, seed: int = 0, mean: float = 0.0, std: float = 1.0) -> nn.Module:
    """A norm in training whose gammas are of both signs, and whose running statistics are near `mean` and `std`."""
    norm = randomize_norms(NORMS[name](channels), seed=seed).train()
    with torch.no_grad():
        norm.weight.sub_(1).mul_(3)
        norm.bias.sub_(1).mul_(3)
        if isinstance(norm, nn.BatchNorm3d):
            norm.running_mean.sub_(1).mul_(2 * std).add_(mean)
            norm.running_var.mul_(std**2)
        if isinstance(norm, BatchNorm):
            norm.defer_update = True
            norm.num_batches_tracked.zero_()
    return norm


def clips(*shape: int, seed: int, mean: float, std: float, dtype: torch.dtype, memory: torch.memory_format) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * std + mean
    return x.to(dtype).to(memory_format=memory)


def in_float64(norm: nn.Module, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What a norm is in formulas, of float64 tensors."""
    if isinstance(norm, ChannelAffine):
        return x * like(weight) + like(bias)
    if isinstance(norm, GroupNorm):
        groups = x.unflatten(1, (norm.num_groups, -1))
        centred = groups - groups.mean((2, 3, 4, 5), keepdim=True)
        variance = centred.square().mean((2, 3, 4, 5), keepdim=True)
        return (centred / (variance + norm.eps).sqrt()).flatten(1, 2) * like(weight) + like(bias)
    if isinstance(norm, FrozenBatchNorm):
        hat = (x - like(norm.running_mean.double())) / like((norm.running_var.double() + norm.eps).sqrt())
        return hat * like(weight) + like(bias)
    mean, sigma = x.mean(AXES), (x.var(AXES, correction=0) + norm.eps).sqrt()
    hat = (x - like(mean)) / like(sigma)
    if isinstance(norm, BatchRenorm) and norm.bounds == BOUNDS:
        running = (norm.running_var.double() + norm.eps).sqrt()
        r = (sigma / running).clamp(1 / BOUNDS.r_max, BOUNDS.r_max).detach()
        d = ((mean - norm.running_mean.double()) / running).clamp(-BOUNDS.d_max, BOUNDS.d_max).detach()
        hat = hat * like(r) + like(d)
    return hat * like(weight) + like(bias)


def of_layer(norm: nn.Module, x: Tensor, gradient: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    output = norm(x)
    return [output.detach(), *torch.autograd.grad(output, (x, norm.weight, norm.bias), gradient)]


def exactly(norm: nn.Module, x: Tensor, gradient: Tensor) -> list[Tensor]:
    x, weight, bias = (tensor.detach().double().requires_grad_() for tensor in (x, norm.weight, norm.bias))
    output = in_float64(norm, x, weight, bias)
    return [output.detach(), *torch.autograd.grad(output, (x, weight, bias), gradient.double())]


def rms(error: Tensor) -> float:
    return float(error.square().mean().sqrt())


def check_rounded_once(found: Tensor, exact: Tensor, dtype: torch.dtype) -> None:
    """Errors, and those of the channels' means, are what one rounding of the exact values makes."""
    assert found.dtype == dtype
    error, least = found.double() - exact, exact.to(dtype).double() - exact
    assert rms(error) < 1.05 * rms(least)
    assert rms(error.mean(AXES)) < 1.05 * rms(least.mean(AXES)) + 0.15 * rms(least)


def check(found: list[Tensor], exact: list[Tensor], dtype: torch.dtype) -> None:
    output, of_x, of_weight, of_bias = found
    check_rounded_once(output, exact[0], dtype)
    check_rounded_once(of_x, exact[1], dtype)
    for vector, expected in ((of_weight, exact[2]), (of_bias, exact[3])):
        assert vector.dtype == torch.float32
        torch.testing.assert_close(vector.double(), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", NORMS)
@given(
    shape=st.tuples(*(st.integers(low, high) for low, high in ((2, 4), (4, 20), (1, 4), (4, 9), (4, 9)))),
    scale=st.sampled_from([(0.0, 1.0), (1.0, 3.0), (100.0, 1.0), (-300.0, 5.0), (0.02, 0.01)]),
    dtype=st.sampled_from(HALF),
    memory=st.sampled_from(MEMORY),
    autocast=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_norm_in_half_precision_is_float64s_rounded_once(name, shape, scale, dtype, memory, autocast, seed):
    mean, std = scale
    norm = layer(name, shape[1], seed=seed, mean=mean, std=std)
    x = clips(*shape, seed=seed, mean=mean, std=std, dtype=dtype, memory=memory)
    gradient = clips(*shape, seed=seed + 1, mean=0.1, std=1.0, dtype=dtype, memory=memory)
    with torch.autocast("cpu", dtype) if autocast else contextlib.nullcontext():
        found = of_layer(norm, x, gradient)
    assert found[0].is_contiguous(memory_format=memory)
    check(found, exactly(norm, x, gradient), dtype)


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("mean", [10.0, 100.0, 300.0])
def test_group_norm_of_large_clips_with_large_means(mean, memory):
    """Long sums: where a variance is taken as a difference, little is left of it."""
    norm = randomize_norms(GroupNorm(32, 64))
    x = clips(2, 64, 8, 56, 56, seed=0, mean=mean, std=1.0, dtype=torch.bfloat16, memory=memory)
    gradient = clips(2, 64, 8, 56, 56, seed=1, mean=0.1, std=1.0, dtype=torch.bfloat16, memory=memory)
    output, of_x, *_ = of_layer(norm, x, gradient)
    assert output.is_contiguous(memory_format=memory)
    exact = exactly(norm, x, gradient)
    assert rms(output.double() - exact[0]) < 0.003 * rms(exact[0])
    assert rms(of_x.double() - exact[1]) < 0.003 * rms(exact[1])


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("norm_batch_size", [None, 2])
def test_batch_renorm_with_bounds_off_is_batch_norm_to_the_bit(dtype, memory, norm_batch_size):
    bn, brn = (kind(6, norm_batch_size=norm_batch_size).train() for kind in (BatchNorm, BatchRenorm))
    bn.load_state_dict(layer("bn", 6).state_dict())
    brn.load_state_dict(bn.state_dict())
    x = clips(4, 6, 2, 5, 5, seed=1, mean=2.0, std=3.0, dtype=dtype, memory=memory)
    gradient = clips(4, 6, 2, 5, 5, seed=2, mean=0.0, std=1.0, dtype=dtype, memory=memory)
    for one, other in zip(of_layer(brn, x, gradient), of_layer(bn, x, gradient), strict=True):
        assert torch.equal(one, other)
    for key, value in bn.state_dict().items():
        assert torch.equal(brn.state_dict()[key], value), key


@pytest.mark.parametrize("dtype", HALF)
def test_batch_renorm_records_the_same_statistics_whatever_its_bounds(dtype):
    bn, brn = layer("bn", 6, mean=2.0, std=3.0), layer("brn", 6, mean=2.0, std=3.0)
    for seed in range(2):
        x = clips(4, 6, 2, 5, 5, seed=seed, mean=2.0, std=3.0, dtype=dtype, memory=torch.contiguous_format)
        bn(x), brn(x)
    for norm in (bn, brn):
        update_running_statistics([norm])
    assert torch.equal(bn.running_mean, brn.running_mean)
    assert torch.equal(bn.running_var, brn.running_var)


def saved_bytes(norm: nn.Module, x: Tensor) -> int:
    """Bytes kept for backward, each piece of memory once."""
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        norm(x.clone().requires_grad_())
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("dtype", HALF)
def test_a_norm_keeps_for_backward_what_batch_norm_keeps(name, dtype):
    x = clips(4, 8, 4, 14, 14, seed=0, mean=0.0, std=1.0, dtype=dtype, memory=torch.contiguous_format)
    of_batch_norm = saved_bytes(layer("bn", 8), x)
    assert x.nbytes <= of_batch_norm < 1.05 * x.nbytes  # bn keeps its input and vectors
    assert saved_bytes(layer(name, 8), x) <= 1.05 * of_batch_norm


# Over several devices

CASES = [
    (dtype, memory, mean, std)
    for dtype in HALF
    for memory in MEMORY
    for mean, std in ((1.0, 3.0), (100.0, 1.0), (-300.0, 5.0))
]


def of_all_devices(case: tuple) -> tuple[Tensor, Tensor]:
    """(x, gradient of the output) of all devices in turn: 3 clips of the first, 2 of the second."""
    dtype, memory, mean, std = case
    x = clips(5, 8, 3, 9, 9, seed=3, mean=mean, std=std, dtype=dtype, memory=memory)
    return x, clips(5, 8, 3, 9, 9, seed=4, mean=0.1, std=1.0, dtype=dtype, memory=memory)


def one_device(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(os.path.join(folder, "store"), 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(minutes=2))
    found = []
    for case in CASES:
        norm = layer("sync_bn", 8)
        x, gradient = (tensor.split((3, 2))[rank] for tensor in of_all_devices(case))
        result = of_layer(norm, x, gradient)
        update_running_statistics([norm])
        found.append(
            [*result, norm.running_mean, norm.running_var, saved_bytes(norm, x), saved_bytes(layer("bn", 8), x)]
        )
    torch.save(found, os.path.join(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo's file store")
def test_sync_batch_norm_on_two_devices_in_half_precision_is_float64s_rounded_once(tmp_path):
    on_two_devices(one_device, str(tmp_path))
    devices = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for case, *parts in zip(CASES, *devices, strict=True):
        dtype, memory, *_ = case
        x, gradient = of_all_devices(case)
        norm = layer("sync_bn", 8)
        exact = exactly(norm, x, gradient)
        outputs, of_x, of_weight, of_bias, means, variances, kept, kept_by_bn = zip(*parts, strict=True)
        check([torch.cat(outputs), torch.cat(of_x), sum(of_weight), sum(of_bias)], exact, dtype)
        assert all(output.is_contiguous(memory_format=memory) for output in outputs)
        for mean, var in zip(means, variances, strict=True):
            wide = x.double()
            expected_mean = torch.lerp(norm.running_mean.double(), wide.mean(AXES), norm.momentum)
            expected_var = torch.lerp(norm.running_var.double(), wide.var(AXES), norm.momentum)
            torch.testing.assert_close(mean.double(), expected_mean, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(var.double(), expected_var, rtol=1e-5, atol=1e-5)
        assert all(ours <= 1.05 * bn for ours, bn in zip(kept, kept_by_bn, strict=True))
