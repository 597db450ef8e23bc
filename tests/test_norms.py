"""The table of norms against the layers that the factory builds, and against the names that types allow."""

import re
from typing import get_args

import pytest
import torch

from tests.models.networks import randomize_norms
from videogn.models.batch_renorm import RenormBounds
from videogn.models.norm import norm_factory
from videogn.models.sync_batch_norm import SyncBatchNorm
from videogn.norms import NORMS, NormName, find_norm
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import precise_norms

# Of each setting a value that changes what comes out of a layer that has it.
SETTINGS = {
    "num_groups": 2,
    "channels_per_group": 16,
    "norm_batch_size": 2,
    "renorm": RenormBounds(start=0, r_end=0, d_end=0),
}


def layer(norm: str, **settings) -> torch.nn.Module:
    """A layer of 64 channels in training, its parameters and statistics at random."""
    return randomize_norms(norm_factory(norm, **settings)(num_features=64)).train()


def clips(n: int = 4, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 64, 2, 3, 3, generator=torch.Generator().manual_seed(seed)) * 3 + 1


def test_the_types_names_are_the_tables_in_its_order():
    assert get_args(NormName) == tuple(NORMS) == tuple(norm.name for norm in NORMS.values())


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="unknown norm 'layer'; expected one of gn, bn, sync_bn, "):
        find_norm("layer")
    assert find_norm("ln") is NORMS["ln"]


def test_norms_are_told_apart_in_reports():
    for column in ("label", "style", "help"):
        assert len({getattr(norm, column) for norm in NORMS.values()}) == len(NORMS), column


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_clips_share_statistics_where_the_table_says_so(norm):
    x = clips()
    beside_others = torch.cat([x[:1], clips(3, seed=1)])
    moved = (layer(norm.name)(x)[0] - layer(norm.name)(beside_others)[0]).detach().abs().max()
    assert (float(moved) > 0.01) == norm.shares_statistics
    assert norm.over_devices == isinstance(layer(norm.name), SyncBatchNorm)
    assert norm.shares_statistics or not norm.over_devices


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_statistics_are_kept_and_computed_where_the_table_says_so(norm):
    one = layer(norm.name)
    assert ("running_mean" in dict(one.named_buffers())) == norm.keeps_statistics
    before = {name: value.clone() for name, value in one.named_buffers()}
    one(clips())
    moves = any(not torch.equal(value, before[name]) for name, value in one.named_buffers())
    assert norm.needs_weights == (norm.keeps_statistics and not moves)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_a_norm_that_normalises_is_no_fixed_scale_and_shift(norm):
    one = layer(norm.name)
    x = clips()
    plain = x * one.weight.view(-1, 1, 1, 1) + one.bias.view(-1, 1, 1, 1)
    assert torch.allclose(one(x), plain, atol=1e-5) != norm.normalises


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_each_setting_of_a_norm_changes_what_it_does(norm):
    for name in norm.settings:
        assert not torch.allclose(layer(norm.name, **{name: SETTINGS[name]})(clips()), layer(norm.name)(clips())), name


@pytest.mark.parametrize("function", [VideoClassifier, norm_factory])
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_written_of_a_setting_names_the_norms_that_have_it(function, setting):
    norms = ", ".join(norm.name for norm in NORMS.values() if setting in norm.settings)
    assert re.search(rf"^ +{setting}: {norms}: ", function.__doc__, re.MULTILINE)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_statistics_that_can_be_re_estimated_are_shared_and_kept(norm):
    if precise_norms(layer(norm.name)):
        assert norm.shares_statistics
        assert norm.keeps_statistics
