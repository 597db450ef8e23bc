"""ln, in, frozen_bn, brn, sync_bn, none and weight standardisation, each against something else."""

import copy
import os
import sys
import warnings
from datetime import timedelta

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
import torchvision
from torch import nn

from tests.models.networks import build, clips, randomize_norms
from tests.runs import on_two_devices
from videogn.models.batch_norm import BatchNorm, PopulationStatistics, batch_norms, update_running_statistics
from videogn.models.batch_renorm import BatchRenorm, RenormBounds
from videogn.models.fixed_norm import ChannelAffine
from videogn.models.norm import norm_factory
from videogn.models.sync_batch_norm import SyncBatchNorm
from videogn.models.weight_standardization import StandardizedConv3d
from videogn.norms import NORMS


def random_affine(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-1.5, 1.5)
    return module


def values(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 3 + 1


def test_layer_norm_is_torchs_over_everything_but_the_batch():
    norm = random_affine(norm_factory("ln")(num_features=6))
    x = values(2, 6, 3, 4, 5)
    plain = nn.functional.layer_norm(x, x.shape[1:])
    torch.testing.assert_close(norm(x), plain * norm.weight.view(-1, 1, 1, 1) + norm.bias.view(-1, 1, 1, 1))


def test_instance_norm_is_torchs():
    norm = random_affine(norm_factory("in")(num_features=6))
    theirs = nn.InstanceNorm3d(6, affine=True)
    theirs.load_state_dict(norm.state_dict())
    x = values(2, 6, 3, 4, 5)
    torch.testing.assert_close(norm(x), theirs(x))


def test_frozen_batch_norm_is_torchvisions_in_training_too_and_never_moves():
    norm = randomize_norms(norm_factory("frozen_bn")(num_features=6)).train()
    theirs = torchvision.ops.FrozenBatchNorm2d(6)
    theirs.load_state_dict(norm.state_dict())
    before = copy.deepcopy(norm.state_dict())
    x = values(2, 6, 3, 4, 5)
    torch.testing.assert_close(norm(x), theirs(x.flatten(2, 3)).unflatten(2, (3, 4)))
    norm(x).sum().backward()
    assert norm.weight.grad is not None
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert not batch_norms(norm)


def test_none_is_scale_and_shift():
    norm = random_affine(ChannelAffine(3))
    x = values(2, 3, 2, 2, 2)
    expected = x.numpy() * norm.weight.detach().numpy().reshape(3, 1, 1, 1) + norm.bias.detach().numpy().reshape(
        3, 1, 1, 1
    )
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("depth", [50, 101])
def test_a_network_without_norms_starts_stable(depth):
    """Zero gates make each block its shortcut: logits neither explode nor vanish, and the gates get gradients."""
    torch.manual_seed(0)
    model = build("none", depth=depth, width=16, crop_size=64)
    x = clips(2, size=64)
    features: list[torch.Tensor] = []
    model.blocks[6].register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    nn.functional.cross_entropy(model(x), torch.tensor([0, 1])).backward()
    assert 1e-3 < float(features[0].detach().std()) < 10
    gates = [block.branch2.norm_c.weight.grad for place in (1, 3, 4, 5) for block in model.blocks[place].res_blocks]
    assert all(float(gate.abs().max()) > 0 for gate in gates)


def test_weight_standardisation_is_timms():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from timm.layers.std_conv import StdConv2d
    ours = StandardizedConv3d(4, 6, (1, 3, 3), padding=(0, 1, 1), bias=False)
    theirs = StdConv2d(4, 6, 3, padding=1, bias=False)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight[:, :, 0])
    x = values(2, 4, 1, 7, 7)
    torch.testing.assert_close(ours(x)[:, :, 0], theirs(x[:, :, 0]), rtol=1e-4, atol=1e-4)


def test_weight_standardisation_ignores_scale_and_offset_of_a_kernel_and_is_on_every_convolution():
    model = randomize_norms(build("gn", weight_standardization=True)).double()
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv3d)]
    assert all(isinstance(m, StandardizedConv3d) for m in convolutions)
    x = clips(2).double()
    with torch.no_grad():
        before = model(x)
        for conv in convolutions:
            conv.weight.mul_(1e3).add_(7)
        torch.testing.assert_close(model(x), before, rtol=1e-2, atol=1e-2 * float(before.abs().max()))
    assert list(model.state_dict()) == list(build("gn").state_dict())


# Batch renormalization


def renorm_in_numpy(norm: BatchRenorm, x: np.ndarray, r_max: float, d_max: float) -> np.ndarray:
    """Ioffe 2017, algorithm 1."""
    axes = (0, 2, 3, 4)
    mean, sigma = x.mean(axes), np.sqrt(x.var(axes) + norm.eps)
    running_mean, running_sigma = norm.running_mean.numpy(), np.sqrt(norm.running_var.numpy() + norm.eps)
    r = np.clip(sigma / running_sigma, 1 / r_max, r_max)
    d = np.clip((mean - running_mean) / running_sigma, -d_max, d_max)
    gamma, beta = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    shape = (1, -1, 1, 1, 1)
    hat = (x - mean.reshape(shape)) / sigma.reshape(shape) * r.reshape(shape) + d.reshape(shape)
    return hat * gamma.reshape(shape) + beta.reshape(shape)


@pytest.mark.parametrize("scale", [1.0, 0.05])  # r at its upper and at its lower bound
@pytest.mark.parametrize(("r_max", "d_max"), [(3.0, 5.0), (1.2, 0.3), (1.0, 0.0)])
def test_batch_renorm_is_the_papers_algorithm(r_max, d_max, scale):
    bounds = RenormBounds(r_max=r_max, d_max=d_max, start=0, r_end=0, d_end=0)
    norm = randomize_norms(BatchRenorm(3, bounds=bounds)).double().train()
    x = scale * values(4, 3, 2, 3, 3, dtype=torch.float64)
    expected = renorm_in_numpy(norm, x.numpy(), r_max, d_max)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, atol=1e-6)  # the bounds are float32


def test_batch_renorm_has_the_gradient_of_the_papers_algorithm():
    """r and d are constants: central differences of the formula with both held at their values."""
    bounds = RenormBounds(r_max=1.5, d_max=0.5, start=0, r_end=0, d_end=0)
    norm = randomize_norms(BatchRenorm(2, bounds=bounds)).double().train()
    norm.defer_update = True  # running statistics stay where they are
    x = values(3, 2, 1, 2, 2, dtype=torch.float64).requires_grad_()
    weight = values(3, 2, 1, 2, 2, seed=1, dtype=torch.float64)
    (norm(x) * weight).sum().backward()
    mean, sigma = x.detach().mean((0, 2, 3, 4)), (x.detach().var((0, 2, 3, 4), correction=0) + norm.eps).sqrt()
    running = (norm.running_var + norm.eps).sqrt()
    r = (sigma / running).clamp(1 / 1.5, 1.5).view(1, -1, 1, 1, 1)
    d = ((mean - norm.running_mean) / running).clamp(-0.5, 0.5).view(1, -1, 1, 1, 1)

    def held(point: torch.Tensor) -> torch.Tensor:
        hat = nn.functional.batch_norm(point, None, None, training=True, eps=norm.eps)
        out = (hat * r + d) * norm.weight.detach().view(1, -1, 1, 1, 1) + norm.bias.detach().view(1, -1, 1, 1, 1)
        return (out * weight).sum()

    for index in np.ndindex(*x.shape):
        step = torch.zeros_like(x)
        step[index] = 1e-5
        slope = (held(x.detach() + step) - held(x.detach() - step)) / 2e-5
        assert float(x.grad[index]) == pytest.approx(float(slope), rel=1e-4, abs=1e-7)


def test_batch_renorm_before_its_start_is_batch_norm_and_in_evaluation_too():
    brn, bn = random_affine(BatchRenorm(3, norm_batch_size=2)), BatchNorm(3, norm_batch_size=2)
    bn.load_state_dict(brn.state_dict())
    for seed in range(3):
        x = values(4, 3, 2, 3, 3, seed=seed)
        torch.testing.assert_close(brn(x), bn(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(brn.running_var, bn.running_var)
    torch.testing.assert_close(brn.eval()(x), bn.eval()(x))


def test_batch_renorm_with_wide_bounds_normalises_by_running_statistics():
    bounds = RenormBounds(r_max=1e6, d_max=1e6, start=0, r_end=0, d_end=0)
    norm = randomize_norms(BatchRenorm(3, bounds=bounds)).double().train()
    norm.defer_update = True
    x = values(4, 3, 2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(norm(x), copy.deepcopy(norm).eval()(x), rtol=1e-12, atol=1e-12)


def test_batch_renorm_takes_the_bounds_of_the_step_that_it_is_at():
    norm = randomize_norms(BatchRenorm(3, bounds=RenormBounds(r_max=3, d_max=4, start=0, r_end=4, d_end=8))).train()
    norm.num_batches_tracked.zero_()
    for step in range(6):
        x = values(4, 3, 2, 3, 3, seed=step)
        share = (min(1, step / 4), min(1, step / 8))
        expected = renorm_in_numpy(norm, x.numpy(), 1 + 2 * share[0], 4 * share[1])
        np.testing.assert_allclose(norm(x).detach().numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_splitting_and_accumulating_batch_renorm_are_the_same(size):
    bounds = RenormBounds(start=0, r_end=2, d_end=2)
    split = random_affine(norm_factory("brn", norm_batch_size=size, renorm=bounds)(num_features=3))
    whole = norm_factory("brn", renorm=bounds)(num_features=3)
    whole.load_state_dict(split.state_dict())
    whole.defer_update = True
    for step in range(4):
        x = values(8, 3, 2, 3, 3, seed=step)
        apart = torch.cat([whole(part) for part in x.split(size)])
        update_running_statistics([whole])
        torch.testing.assert_close(split(x), apart)
    torch.testing.assert_close(split.running_mean, whole.running_mean)
    assert int(whole.num_batches_tracked) == 4


def test_the_papers_bounds_step_by_step():
    steps = [0, 5_000, 15_000, 22_500, 25_000, 40_000, 10**6]
    found = [tuple(float(bound) for bound in RenormBounds().at(torch.tensor(step))) for step in steps]
    expected = [(1, 0), (1, 0), (1 + 2 * 10 / 35, 2.5), (2, 4.375), (1 + 2 * 20 / 35, 5), (3, 5), (3, 5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"r_max": 0.5}, "r_max is 0.5"), ({"d_max": -1.0}, "d_max -1.0"), ({"start": 30_000}, "renorm.start is 30000")],
)
def test_impossible_bounds_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        RenormBounds(**given)


# Statistics over several devices


def one_device(rank: int, folder: str, count: int, sizes: tuple[int, int]) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(os.path.join(folder, "store"), count)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=timedelta(minutes=2))
    whole = values(sum(sizes), 3, 2, 3, 3, dtype=torch.float64)
    weight = values(sum(sizes), 3, 2, 3, 3, seed=1, dtype=torch.float64)
    norm = SyncBatchNorm(3).double()
    norm.load_state_dict(torch.load(os.path.join(folder, "norm.pt"), weights_only=True))
    norm.defer_update = True
    x = whole.split(sizes)[rank].clone().requires_grad_()
    output = norm(x)
    (output * weight.split(sizes)[rank]).sum().backward()
    update_running_statistics([norm])
    half = norm(x.detach().float().bfloat16() * 0.01 + 30).float()  # mean far from 0: statistics must be float32
    population = PopulationStatistics(3, torch.device("cpu"))
    population.add(torch.full((3,), float(rank)), torch.full((3,), 2.0))
    found = {
        "output": output.detach(),
        "half": half.detach(),
        "x": x.grad,
        "weight": norm.weight.grad,
        "bias": norm.bias.grad,
        "mean": norm.running_mean,
        "var": norm.running_var,
        "population": torch.stack(population.result()),
    }
    torch.save(found, os.path.join(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo's file store")
@pytest.mark.parametrize("sizes", [(3, 3), (4, 2)])
def test_sync_batch_norm_on_two_devices_is_batch_norm_on_all_their_clips(tmp_path, sizes):
    norm = random_affine(nn.BatchNorm3d(3)).double()
    torch.save(norm.state_dict(), tmp_path / "norm.pt")
    on_two_devices(one_device, str(tmp_path), 2, sizes)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    x = values(6, 3, 2, 3, 3, dtype=torch.float64).requires_grad_()
    half = torch.nn.functional.batch_norm(
        (x.detach().float().bfloat16() * 0.01 + 30).double(), None, None, norm.weight, norm.bias, training=True
    )
    found = torch.cat([part["half"] for part in parts]).double()
    torch.testing.assert_close(found, half.detach(), rtol=0.03, atol=0.03)
    expected = norm(x)
    (expected * values(6, 3, 2, 3, 3, seed=1, dtype=torch.float64)).sum().backward()
    torch.testing.assert_close(torch.cat([part["output"] for part in parts]), expected)
    torch.testing.assert_close(torch.cat([part["x"] for part in parts]), x.grad)
    torch.testing.assert_close(sum(part["weight"] for part in parts), norm.weight.grad)
    torch.testing.assert_close(sum(part["bias"] for part in parts), norm.bias.grad)
    for part in parts:
        torch.testing.assert_close(part["mean"], norm.running_mean)
        torch.testing.assert_close(part["var"], norm.running_var)
        # Means 0 and 1, variances 2: over both, mean 1/2 and variance 2 + 1/4.
        torch.testing.assert_close(part["population"], torch.tensor([[0.5], [2.25]]).double().expand(2, 3))


def test_sync_batch_norm_on_one_device_is_batch_norm():
    sync, plain = random_affine(SyncBatchNorm(3)), nn.BatchNorm3d(3)
    plain.load_state_dict(sync.state_dict())
    x = values(4, 3, 2, 3, 3)
    torch.testing.assert_close(sync(x), plain(x))
    torch.testing.assert_close(sync.running_var, plain.running_var)


# Interchange


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_has_gamma_and_beta_by_the_same_names_and_keeps_shape_and_memory(norm):
    layer = norm_factory(norm, **({"num_groups": 2} if norm == "gn" else {}))(num_features=4, eps=1e-5, momentum=0.1)
    x = values(2, 4, 2, 3, 3).to(memory_format=torch.channels_last_3d)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {"weight": (4,), "bias": (4,)}
    assert layer(x).shape == x.shape
    assert layer(x).is_contiguous(memory_format=torch.channels_last_3d) or norm in {"gn", "ln", "in"}


@pytest.mark.parametrize("norm", NORMS)
def test_a_setting_that_a_norm_does_not_have_warns(norm):
    every = {"num_groups": 2, "channels_per_group": 2, "norm_batch_size": 2, "renorm": RenormBounds(r_max=2)}
    for name, value in every.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            norm_factory(norm, **{name: value})
        said = [str(warning.message) for warning in caught]
        assert bool(said) == (name not in NORMS[norm].settings)
        assert all(text.startswith(f"{name}=") and text.endswith(f"norm is {norm}") for text in said)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("more", [None, "nonlocal_blocks", "weight_standardization"])
def test_mixed_precision_is_close_to_full(norm, more):
    given = {more: True} if more and (norm, more) != ("none", "weight_standardization") else {}
    model = randomize_norms(build(norm, **given)).train()
    x = clips(4)
    full = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(x)
    assert mixed.dtype == torch.bfloat16
    assert float((mixed.float() - full).detach().abs().max()) < 0.05 * float(full.detach().abs().max())
    mixed.float().square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_activations_stay_in_half_precision_without_a_norm():
    model = build("none")
    seen = set()
    model.blocks[3].register_forward_hook(lambda _, __, out: seen.add(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(clips(1))
    assert seen == {torch.bfloat16}
