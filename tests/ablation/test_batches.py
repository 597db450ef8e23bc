"""Batch sizes: what a normalisation batch makes of a cell, by hand and as rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation.batches import batches_of
from videogn.ablation.study import Study
from videogn.norms import NORMS
from videogn.training.batch_sizes import BatchSizes

BASE = {"model.norm": "bn", "data.batch_size": 16, "total_batch_size": 16}


def resolved(effective: dict, **fields) -> tuple[BatchSizes, dict]:
    return batches_of(Study(base="b", axes={"model.norm": ["bn"]}, **fields), {**BASE, **effective})


def sizes(effective: dict, **fields) -> BatchSizes:
    return resolved(effective, **fields)[0]


def settings(effective: dict, **fields) -> dict:
    return resolved(effective, **fields)[1]


def test_a_forward_is_split_for_norms_with_that_setting_and_for_no_other():
    for norm in NORMS.values():
        if not norm.over_devices:
            found = sizes({"model.norm": norm.name, "norm_batch_size": 2})
            assert (found.norm == 2) == ("norm_batch_size" in norm.settings)
    for unknown in ("gnn", ["bn"]):  # what the command refuses later, with the cell's name
        assert sizes({"model.norm": unknown, "norm_batch_size": 2}).norm is None


def test_a_forward_is_split_into_normalisation_batches():
    whole = {"data.batch_size": 16, "total_batch_size": 16}
    assert resolved({"norm_batch_size": 2}) == (BatchSizes(2, 16), {**whole, "model.norm_batch_size": 2})
    assert resolved({"norm_batch_size": 16}) == (BatchSizes(16, 16), whole)
    assert resolved({}) == (BatchSizes(16, 16), whole)
    assert resolved({"model.norm": "gn", "norm_batch_size": 2}) == (BatchSizes(None, 16), whole)


@pytest.mark.parametrize("fields", [{}, {"comparison": "paper", "num_devices": 2}])
def test_what_the_base_says_of_splitting_does_not_outlive_what_the_study_asks(fields):
    split = {"model.norm_batch_size": 4}
    found, told = resolved({**split, "norm_batch_size": 16}, **fields)
    assert (found.norm, told["model.norm_batch_size"]) == (16, 16)
    if not fields:
        found, told = resolved({**split, "norm_batch_size": 4}, device_batch_size=16)
        assert (found.norm, found.device, "model.norm_batch_size" in told) == (4, 16, False)
    assert "model.norm_batch_size" not in settings({**split, "model.norm": "gn"}, **fields)


def test_a_larger_normalisation_batch_has_a_forward_of_its_own_size():
    found = resolved({"norm_batch_size": 8}, device_batch_size=4)
    assert found == (BatchSizes(8, 8, accumulate=2), {"data.batch_size": 8, "total_batch_size": 16})
    assert sizes({"norm_batch_size": 8, "model.norm": "ln"}, device_batch_size=4).device == 4


def test_the_papers_total_batch_follows_from_the_devices():
    paper = {"comparison": "paper", "num_devices": 8}
    for norm, own in (("bn", 4), ("gn", None)):
        found = resolved({"model.norm": norm, "norm_batch_size": 4}, **paper)
        assert found == (BatchSizes(own, 4, 8), {"data.batch_size": 4, "total_batch_size": 32})
    assert sizes({}, **paper).total == 128


@pytest.mark.parametrize(
    ("effective", "fields", "message"),
    [
        ({"norm_batch_size": 3}, {}, "3 does not divide the device batch of 16 clips; these do: 1, 2, 4, 8, 16"),
        ({"norm_batch_size": 32}, {}, "32 clips in a forward do not divide the total batch of 16"),
        ({}, {"device_batch_size": 5}, "5 clips in a forward do not divide the total batch of 16; these do: 1, 2, 4"),
        ({"model.norm": "sync_bn", "norm_batch_size": 2}, {}, "sync_bn shares statistics over all devices"),
        ({"model.norm": None}, {}, "it does not say model.norm"),
        ({"total_batch_size": None}, {}, "it does not say total_batch_size"),
        ({"data.batch_size": None}, {}, "it does not say data.batch_size"),
        ({"data.batch_size": None}, {"comparison": "paper", "num_devices": 2}, "it does not say data.batch_size"),
    ],
)
def test_what_does_not_add_up_is_refused(effective, fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        resolved(effective, **fields)


@given(
    norm=st.sampled_from(["bn", "brn", "gn", "none"]),
    own=st.sampled_from([1, 2, 4, 8, 16, 32]),
    device=st.sampled_from([1, 2, 4, 8, 16, 32]),
)
def test_batches_nest_and_the_total_never_moves(norm, own, device):
    asked = {"model.norm": norm, "norm_batch_size": own}
    found, told = resolved(asked, total_batch_size=64, device_batch_size=device)
    assert found.total == told["total_batch_size"] == 64
    assert found.total % found.device == 0
    assert found.norm == (own if norm in ("bn", "brn") else None)
    # What the network will see: the whole forward, or its split.
    assert told.get("model.norm_batch_size", found.device) == (found.norm or found.device)
    assert found.device == told["data.batch_size"] == (max(device, own) if found.norm else device)
