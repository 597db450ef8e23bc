"""Costs against the zoos' published figures, fvcore, and what autograd really keeps."""

import warnings

import pytest
import torch
from torch import nn

from tests.models.networks import SMALL, clips
from videogn.models.i3d import i3d_r50
from videogn.models.summary import cost, saved_bytes


def of(*, view: int | None = None, frames: int = 8, crop: int = 224, **settings):
    return cost(
        lambda: i3d_r50(num_frames=frames, crop_size=crop, **settings),
        num_frames=frames,
        crop_size=crop,
        view_size=view,
    )


@pytest.mark.parametrize(
    ("settings", "parameters_in_millions", "gflops"),
    [
        ({}, 28.04, 37.53),  # PyTorchVideo's zoo, I3D R50 8x8
        ({"temporal_convs": False}, 24.33, 25.89),  # its C2D R50 8x8
    ],
)
def test_figures_of_pytorchvideos_zoo(settings, parameters_in_millions, gflops):
    found = of(norm="bn", layout="slowfast", view=256, **settings)
    assert round(found.num_parameters / 1e6, 2) == parameters_in_millions
    assert round(found.gflops, 2) == gflops
    assert (found.num_norms, found.num_norm_parameters) == (53, 53_120)


def test_multiply_adds_are_fvcores():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        model = i3d_r50(**{**SMALL, "norm": "bn"}).eval()
        counted = FlopCountAnalysis(model, clips(1)).unsupported_ops_warnings(False).by_operator()
    seen = []
    for name, module in model.named_modules():
        if "norm" in name.rpartition(".")[2]:
            module.register_forward_hook(lambda _, __, out: seen.append(out.numel()))
    model(clips(1))
    expected = (counted["conv"] + counted["linear"] + 5 * sum(seen)) / 1e9
    found = cost(lambda: i3d_r50(**{**SMALL, "norm": "bn"}), num_frames=8, crop_size=48)
    assert found.gflops == pytest.approx(expected, rel=1e-9)


def test_memory_is_what_autograd_keeps_by_hand():
    """Convolution keeps its input, batch norm its input and 2 vectors, ReLU in place its output."""
    net = nn.Sequential(nn.Conv3d(3, 4, 1, bias=False), nn.BatchNorm3d(4), nn.ReLU(inplace=True))
    pixels = 5 * 6 * 7
    assert saved_bytes(net, torch.randn(2, 3, 5, 6, 7)) == 4 * (2 * 3 * pixels + 2 * 4 * pixels * 2 + 2 * 4)


@pytest.mark.parametrize("norm", ["gn", "bn", "none"])
def test_memory_on_no_device_is_memory_on_a_real_one(norm):
    settings = {**SMALL, "norm": norm, **({"channels_per_group": 4} if norm == "gn" else {})}
    found = cost(lambda: i3d_r50(**settings), num_frames=8, crop_size=48)
    model = i3d_r50(**settings).train()
    assert found.activation_bytes == saved_bytes(model, clips(3)) - saved_bytes(model, clips(2))


def test_twice_the_frames_cost_twice():
    once, twice = of(norm="gn", frames=32), of(norm="gn", frames=64)
    assert twice.gflops == pytest.approx(2 * once.gflops, rel=1e-3)
    assert twice.activation_bytes == pytest.approx(2 * once.activation_bytes, rel=1e-2)


def test_a_view_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="too small"):
        of(norm="gn", view=112)
