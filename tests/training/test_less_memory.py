"""Where memory does not suffice: flags that lower the device batch and leave the experiment as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.norms import NORMS
from videogn.training.batch_sizes import batch_sizes
from videogn.training.less_memory import recomputing, smaller_forwards


@given(
    norm=st.sampled_from(list(NORMS)),
    device=st.integers(1, 24),
    num_devices=st.integers(1, 4),
    accumulate=st.integers(1, 6),
    split=st.one_of(st.none(), st.integers(1, 24)),
    total_is_given=st.booleans(),
)
def test_what_is_said_is_the_same_experiment(norm, device, num_devices, accumulate, split, total_is_given):
    """The flags go through what `videogn fit` makes of them."""
    split = split if split is not None and device % split == 0 else None
    before = batch_sizes(norm, device=device, num_devices=num_devices, norm_batch_size=split, accumulate=accumulate)
    text = smaller_forwards(before, norm=norm, total_is_given=total_is_given)
    flags = {name: int(value) for name, value in re.findall(r"--([\w.]+) (\d+)", text)}
    if flags:
        total = before.total if total_is_given else flags.get("total_batch_size")
        assert (total is None) == ("trainer.accumulate_grad_batches" in flags)  # never both
        after = batch_sizes(
            norm,
            device=flags["data.batch_size"],
            num_devices=num_devices,
            norm_batch_size=flags.get("model.norm_batch_size", split),
            total=total,
            accumulate=flags.get("trainer.accumulate_grad_batches", 1),
        )
        assert (after.norm, after.total) == (before.norm, before.total)
        assert after.device < device
        assert f"the total batch stays {before.total} clips, by {after.accumulate} forwards an update" in text
    else:
        together = before.norm or 1
        smaller = [size for size in range(1, device) if device % size == 0 and size % together == 0]
        assert not smaller or norm == "sync_bn"


@pytest.mark.parametrize(
    ("norm", "settings", "says"),
    [
        ("gn", {"device": 8, "total": 16}, "--data.batch_size 4 is the same experiment: the total batch stays 16 "
         "clips, by 4 forwards an update, and gn looks at each clip by itself"),
        ("bn", {"device": 16, "norm_batch_size": 8}, "--data.batch_size 8 --model.norm_batch_size 8 "
         "--total_batch_size 16 is the same experiment"),
        ("bn", {"device": 8}, "the normalisation batch is 8 clips, all of a forward: with a smaller device batch it "),
        ("sync_bn", {"device": 4, "num_devices": 2}, "the normalisation batch is the device batch x devices, 8 clips"),
        ("gn", {"device": 1}, "the device batch is 1, and can't be smaller"),
    ],
)  # fmt: skip
def test_each_norm_has_its_own_way(norm, settings, says):
    text = smaller_forwards(batch_sizes(norm, **settings), norm=norm, total_is_given="total" in settings)
    assert text.startswith(says)


def test_mixed_clips_need_a_neighbour():
    text = smaller_forwards(batch_sizes("gn", device=2), norm="gn", total_is_given=False, least=2)
    assert text == "the device batch is 2, and can't be smaller"


def test_activations_are_computed_again_a_step_at_a_time():
    assert "[stem,res2] " in recomputing((), activation_memory_budget=None)
    assert "[stem,res2,pool2] " in recomputing(("pool2",), activation_memory_budget=None)
    everything = recomputing(("res2", "stem"), activation_memory_budget=None)
    assert "[stem,res2,pool2,res3,res4,res5] " in everything
    assert recomputing(("stem", "res2", "pool2", "res3", "res4", "res5"), activation_memory_budget=None) is None
    assert "budget 0.5 " in recomputing((), activation_memory_budget=1.0)
    assert recomputing((), activation_memory_budget=0.0) is None
