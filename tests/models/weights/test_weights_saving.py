"""What is written is what was read; numbers that no network has are refused before."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models.weights.files import randomize, resnet14, save
from videogn.models.weights import WeightsError, read_weights, write_safetensors
from videogn.models.weights.adapt import fold_input, shaped
from videogn.models.weights.formats import Input

MEAN, VARIANCE = "blocks.0.norm.running_mean", "blocks.0.norm.running_var"


@pytest.fixture(scope="module")
def group_norm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("gn") / "gn.pth", randomize(resnet14("gn")).state_dict())


@pytest.fixture(scope="module")
def batch_norm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("bn") / "bn.pth", randomize(resnet14("bn")).state_dict())


@pytest.mark.parametrize(
    "settings",
    [
        {"num_groups": 16, "weight_standardization": True, "layout": "image"},
        {"num_groups": None, "channels_per_group": 8, "weight_standardization": False, "layout": "nonlocal"},
    ],
)
def test_what_the_weights_are_is_kept(settings, group_norm, tmp_path):
    weights = replace(read_weights(group_norm), **settings)
    write_safetensors(weights, tmp_path / "w.safetensors")
    again = read_weights(tmp_path / "w.safetensors")
    for name in ("norm", "num_groups", "channels_per_group", "weight_standardization", "layout"):
        assert getattr(again, name) == getattr(weights, name)
    content = (tmp_path / "w.safetensors").read_bytes()
    header = content[: 8 + int.from_bytes(content[:8], "little")].decode("latin1")
    assert weights.sha256 in header
    assert weights.sha256 != again.sha256


def test_tensors_that_share_memory_are_written(batch_norm, tmp_path):
    weights = read_weights(batch_norm)
    shared = dict(weights.tensors)
    shared["blocks.0.norm.bias"] = shared["blocks.0.norm.weight"]
    shared["blocks.0.conv.weight"] = shared["blocks.0.conv.weight"].transpose(3, 4)
    write_safetensors(replace(weights, tensors=shared), tmp_path / "w.safetensors")
    again = read_weights(tmp_path / "w.safetensors").tensors
    assert all(torch.equal(again[name], tensor) for name, tensor in shared.items())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_are_as_readable_as_any_new_file(umask, batch_norm, tmp_path):
    before = os.umask(umask)
    try:
        write_safetensors(read_weights(batch_norm), tmp_path / "w.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.safetensors").stat().st_mode) == 0o666 & ~umask


def test_a_failure_leaves_nothing_behind(batch_norm, tmp_path):
    weights = read_weights(batch_norm)
    sparse = {**weights.tensors, MEAN: torch.eye(2).to_sparse()}
    with pytest.raises(WeightsError, match=r"w.safetensors can't be written"):
        write_safetensors(replace(weights, tensors=sparse), tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_is_read_as_float32(tmp_path):
    state = {name: tensor.bfloat16() for name, tensor in randomize(resnet14("gn")).state_dict().items()}
    save_file(state, tmp_path / "bf16.safetensors")
    for path in (tmp_path / "bf16.safetensors", save(tmp_path / "bf16.pth", state)):
        tensors = read_weights(path).tensors
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
        assert torch.equal(tensors["blocks.0.norm.weight"], state["bn1.weight"].float())


def test_numbers_that_float32_does_not_hold_are_refused():
    tensor, _ = shaped("x", MEAN, torch.tensor([1e30, -1.0], dtype=torch.float64))
    assert tensor.dtype == torch.float64
    for value in (1e300, -1e39, float("nan"), float("inf")):
        with pytest.raises(WeightsError, match="x holds numbers that are not finite, or not in float32"):
            shaped("x", MEAN, torch.tensor([value, 1.0], dtype=torch.float64))
    with pytest.raises(WeightsError, match="not finite in float32"):
        fold_input(torch.full((1, 3, 1, 1, 1), 3e38), Input(std=(1 / 255, 1 / 255, 1 / 255)))


def test_variances_below_zero_are_refused():
    shaped("x", VARIANCE, torch.tensor([0.0, 1.0]))
    shaped("x", MEAN, torch.tensor([-1e-3, 1.0]))
    with pytest.raises(WeightsError, match="x holds variances below 0"):
        shaped("x", VARIANCE, torch.tensor([-1e-3, 1.0]))
