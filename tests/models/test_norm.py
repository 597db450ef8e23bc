"""Norms against NumPy, against torch's own, and against the forwards that they stand for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from videogn.models.batch_norm import BatchNorm, update_running_statistics
from videogn.models.norm import groups_of, norm_factory


def random_affine(module: nn.Module) -> nn.Module:
    """Gammas and betas at random: ones and zeros hide mistakes."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-1.5, 1.5)
    return module


def clips(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1


@pytest.mark.parametrize(
    "settings", [{"num_groups": 2}, {"channels_per_group": 3}, {"num_groups": 6}, {"num_groups": 1}]
)
def test_group_norm_is_over_group_channels_time_and_space(settings):
    norm = random_affine(norm_factory("gn", **settings)(num_features=6))
    x = clips(2, 6, 3, 4, 5)
    groups = settings.get("num_groups") or 6 // settings["channels_per_group"]
    a = x.numpy().astype(np.float64).reshape(2, groups, 6 // groups, 3, 4, 5)
    a = (a - a.mean((2, 3, 4, 5), keepdims=True)) / np.sqrt(a.var((2, 3, 4, 5), keepdims=True) + 1e-5)
    gamma, beta = (p.detach().numpy().reshape(1, 6, 1, 1, 1) for p in norm.parameters())
    expected = a.reshape(2, 6, 3, 4, 5) * gamma + beta
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, atol=2e-5)


def test_batch_norm_without_groups_is_torchs():
    ours = random_affine(norm_factory("bn")(num_features=4))
    theirs = nn.BatchNorm3d(4)
    theirs.load_state_dict(ours.state_dict())
    for step in range(3):
        x = clips(4, 4, 2, 3, 3, seed=step)
        torch.testing.assert_close(ours(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last_3d])
def test_a_split_forward_is_exactly_as_many_separate_forwards(size, memory):
    split = random_affine(BatchNorm(5, norm_batch_size=size))
    alone = BatchNorm(5)
    alone.load_state_dict(split.state_dict())
    x = clips(8, 5, 2, 3, 4).to(memory_format=memory)
    x1, x2 = (x.clone().requires_grad_() for _ in range(2))
    weight = clips(8, 5, 2, 3, 4, seed=1)

    together = split(x1)
    apart = torch.cat([alone(part) for part in x2.split(size)])
    (together * weight).sum().backward()
    (apart * weight).sum().backward()

    assert together.is_contiguous(memory_format=memory)
    assert torch.equal(together, apart)
    assert torch.equal(x1.grad, x2.grad)
    torch.testing.assert_close(split.weight.grad, alone.weight.grad)
    torch.testing.assert_close(split.bias.grad, alone.bias.grad)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_splitting_and_accumulating_leave_the_same_running_statistics(size):
    split, accumulated = BatchNorm(3, norm_batch_size=size), BatchNorm(3)
    accumulated.defer_update = True
    for step in range(3):
        x = clips(8, 3, 2, 4, 4, seed=step) + step
        split(x)
        for part in x.split(size):
            accumulated(part)
        update_running_statistics([accumulated])
    assert int(split.num_batches_tracked) == int(accumulated.num_batches_tracked) == 3
    torch.testing.assert_close(split.running_mean, accumulated.running_mean)
    torch.testing.assert_close(split.running_var, accumulated.running_var)


def test_running_statistics_make_one_update_from_the_mean_of_the_groups():
    norm = BatchNorm(1, momentum=0.1, norm_batch_size=2)
    x = clips(16, 1, 2, 2, 2)
    norm(x)
    groups = x.numpy().astype(np.float64).reshape(8, -1)
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.1 * groups.mean(1).mean()], rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), [0.9 + 0.1 * groups.var(1, ddof=1).mean()], rtol=1e-5)


def test_an_update_without_a_forward_changes_nothing():
    norm = BatchNorm(2)
    update_running_statistics([norm])
    assert int(norm.num_batches_tracked) == 0
    assert torch.equal(norm.running_mean, torch.zeros(2))


def test_sums_between_updates_are_in_no_checkpoint():
    norm = BatchNorm(2)
    norm.defer_update = True
    norm(clips(4, 2, 1, 2, 2))
    assert set(norm.state_dict()) == set(nn.BatchNorm3d(2).state_dict())


def test_evaluation_uses_running_statistics_whatever_the_batch():
    norm = random_affine(BatchNorm(3, norm_batch_size=4))
    norm(clips(8, 3, 2, 2, 2))
    x = clips(3, 3, 2, 2, 2, seed=5)  # 3 is no multiple of 4
    norm.eval()
    torch.testing.assert_close(norm(x), torch.cat([norm(x[:1]), norm(x[1:])]))


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match=r"6 clips.*batches of 4"):
        BatchNorm(2, norm_batch_size=4)(clips(6, 2, 1, 2, 2))
    with pytest.raises(ValueError, match="at least 1"):
        BatchNorm(2, norm_batch_size=0)


@given(st.integers(1, 64), st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_groups_of_is_arithmetic(per_group, groups):
    channels = per_group * groups
    assert groups_of(channels, num_groups=groups, channels_per_group=None) == groups
    assert groups_of(channels, num_groups=None, channels_per_group=per_group) == groups


def test_bad_settings_are_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"32 groups do not divide 48 channels.*\[1, 2, 3, 4, 6, 8, 12, 16, 24, 48\]"):
        norm_factory("gn")(num_features=48)
    with pytest.raises(ValueError, match="groups of 5 channels"):
        norm_factory("gn", channels_per_group=5)(num_features=48)
    with pytest.raises(ValueError, match="give one of them"):
        norm_factory("gn", channels_per_group=4, num_groups=4)(num_features=16)
    with pytest.raises(ValueError, match="unknown norm 'layer'; expected one of gn, bn"):
        norm_factory("layer")


@pytest.mark.parametrize(
    ("norm", "setting"), [("gn", "norm_batch_size"), ("bn", "num_groups"), ("bn", "channels_per_group")]
)
def test_a_setting_without_effect_warns(norm, setting):
    with pytest.warns(UserWarning, match=f"{setting}=2 has no effect: norm is {norm}"):
        norm_factory(norm, **{setting: 2})
