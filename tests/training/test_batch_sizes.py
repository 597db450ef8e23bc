"""The three batch sizes of a run: by hand, by rules, and in a trainer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.norms import NORMS
from videogn.training.batch_sizes import BatchSizes, batch_sizes


def test_accumulation_follows_from_the_total_batch():
    assert batch_sizes("gn", device=8, num_devices=8, total=64) == BatchSizes(None, 8, 8, 1)
    assert batch_sizes("bn", device=2, num_devices=4, total=64) == BatchSizes(2, 2, 4, 8)
    assert batch_sizes("bn", device=8, norm_batch_size=2, accumulate=3) == BatchSizes(2, 8, 1, 3)
    assert batch_sizes("bn", device=8, norm_batch_size=2, accumulate=3).total == 24


def test_devices_share_statistics_where_the_norm_says_so_and_nowhere_else():
    found = {norm: batch_sizes(norm, device=4, num_devices=2, norm_batch_size=1).norm for norm in NORMS}
    rest = {"gn": None, "ln": None, "in": None, "none": None, "frozen_bn": None}
    assert found == {"bn": 1, "brn": 1, "sync_bn": 8, **rest}


@given(
    norm=st.sampled_from(list(NORMS)),
    device=st.integers(1, 16),
    num_devices=st.integers(1, 8),
    accumulate=st.integers(1, 9),
)
def test_total_and_accumulation_say_the_same(norm, device, num_devices, accumulate):
    one = batch_sizes(norm, device=device, num_devices=num_devices, accumulate=accumulate)
    assert batch_sizes(norm, device=device, num_devices=num_devices, total=one.total) == one
    assert one.total == device * num_devices * accumulate


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"norm": "gn", "device": 6, "num_devices": 2, "total": 64},
            r"total_batch_size 64 is no multiple of data\.batch_size 6 x 2 devices; the next that is: 72",
        ),
        ({"norm": "gn", "device": 6, "total": 0}, "total_batch_size 0 is no multiple of .* x 1 device; .* is: 6"),
        ({"norm": "bn", "device": 4, "norm_batch_size": 3}, "3 does not divide the device batch of 4 clips"),
        ({"norm": "gn", "device": 4, "norm_batch_size": 0}, "norm_batch_size is 0; it must be at least 1 clip"),
        ({"norm": "gnn", "device": 4}, "unknown norm 'gnn'"),
    ],
)
def test_what_does_not_add_up_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        batch_sizes(**asked)
