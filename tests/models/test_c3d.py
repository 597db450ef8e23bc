"""C3D against a plain row of torch's layers, against the paper's table, and as part of a training."""

import inspect

import pytest
import torch
from torch import nn

from tests.models.networks import NORM_SETTINGS, clips, randomize_norms
from videogn.models.build import OF_I3D, build_network
from videogn.models.c3d import c3d
from videogn.models.i3d import i3d_r50
from videogn.models.weights import WeightsError, read_weights
from videogn.training.checkpoint import check_same_model
from videogn.training.errors import CheckpointError
from videogn.training.module import VideoClassifier

SMALL = {"width": 4, "num_frames": 16, "crop_size": 32, "num_classes": 5}


def build(norm: str, seed: int = 0, **settings) -> nn.Module:
    torch.manual_seed(seed)
    return c3d(**{**SMALL, **NORM_SETTINGS[norm], **settings})


def plain(width: int, *, num_classes: int, fc6_inputs: int, norm: type[nn.Module] | None = None) -> nn.Sequential:
    """The paper's table, section 3.3, by torch's own layers; with a norm, its convolutions have no biases."""
    layers: list[nn.Module] = []
    before = 3
    for multiple, pool in ((1, (1, 2, 2)), (2, 2), (4, None), (4, 2), (8, None), (8, 2), (8, None), (8, None)):
        layers.append(nn.Conv3d(before, multiple * width, 3, padding=1, bias=norm is None))
        layers += ([] if norm is None else [norm(multiple * width)]) + [nn.ReLU()]
        layers += [] if pool is None else [nn.MaxPool3d(pool, pool)]
        before = multiple * width
    wide = 64 * width
    return nn.Sequential(
        *layers,
        nn.MaxPool3d(2, 2, padding=(0, 1, 1)),
        nn.Flatten(),
        *(nn.Linear(fc6_inputs, wide), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(wide, wide), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(wide, num_classes),
    )


def layers_of(model: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kinds)]


@pytest.mark.parametrize("norm", ["bn", "none"])
def test_it_is_the_papers_row_of_layers_under_copied_weights(norm):
    """As trained with BN; and without a norm, where scale and shift are the plain network's kernels and biases."""
    theirs = plain(4, num_classes=5, fc6_inputs=32 * 4, norm=nn.BatchNorm3d if norm == "bn" else None)
    randomize_norms(theirs)
    ours = randomize_norms(build(norm))
    norms = [module for name, module in ours.named_modules() if "norm" in name.rpartition(".")[2]]
    own, other = layers_of(ours, nn.Conv3d), layers_of(theirs, nn.Conv3d, nn.Linear)
    assert len(own) == len(other) == 11
    assert len(norms) == 8
    with torch.no_grad():
        for a, b in zip(own, other, strict=True):
            b.weight.copy_(a.weight.reshape(b.weight.shape))
            if a.bias is not None:
                a.bias.uniform_(-1, 1)
                b.bias.copy_(a.bias)
        if norm == "bn":
            for a, b in zip(norms, layers_of(theirs, nn.BatchNorm3d), strict=True):
                b.load_state_dict(a.state_dict())
        else:
            for a, b in zip(norms, layers_of(theirs, nn.Conv3d), strict=True):
                b.weight.mul_(a.weight.view(-1, 1, 1, 1, 1))
                b.bias.copy_(a.bias)
    x = clips(3, frames=16, size=32)
    for is_training in (True, False):
        torch.manual_seed(0)  # of dropout, whose masks follow memory's order: one position of one clip has one
        expected = theirs.train(is_training)(x)
        torch.manual_seed(0)
        got = ours.train(is_training)(x)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))


def test_parameters_are_the_papers():
    """78.4 M in mmaction2's table at 101 classes; a norm has a scale for each channel besides."""
    with torch.device("meta"):
        theirs, ours = plain(64, num_classes=101, fc6_inputs=8192), c3d("gn", num_classes=101)
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert count == 78_409_573
    assert sum(parameter.numel() for parameter in ours.parameters()) == count + 2752 == 78_412_325


@pytest.mark.parametrize("norm", NORM_SETTINGS)
def test_all_norms_of_one_seed_start_from_the_same_weights_and_learn(norm):
    model, gn = build(norm).train(), dict(build("gn").named_parameters())
    assert list(gn) == [name for name, _ in model.named_parameters()]
    assert all(torch.equal(gn[name], parameter) for name, parameter in model.named_parameters())
    loss = nn.functional.cross_entropy(model(clips(2, frames=16, size=32)), torch.tensor([0, 1]))
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_what_goes_forward_keeps_its_size_without_a_norm():
    model = build("none", width=16, crop_size=48).eval()
    deviations = []
    for part in model.blocks[:-1]:
        part.register_forward_hook(lambda _, inputs, output: deviations.append(float(output.std())))
    with torch.inference_mode():
        model(clips(2, frames=16))
    assert len(deviations) == 5
    assert 0.3 < min(deviations) < max(deviations) < 3


def test_splitting_bn_is_separate_forwards():
    x = clips(4, frames=16, size=32)
    whole, split = (randomize_norms(build("bn", norm_batch_size=size, dropout=0.0)).train() for size in (None, 2))
    torch.testing.assert_close(split(x), torch.cat([whole(x[:2]), whole(x[2:])]), rtol=1e-4, atol=1e-5)


def test_weight_standardization_is_of_the_eight_convolutions():
    model = build("gn", weight_standardization=True, dropout=0.0).eval()
    x = clips(1, frames=16, size=32)
    with torch.no_grad():
        before = model(x)
        for conv in layers_of(model, nn.Conv3d)[:8]:
            conv.weight.mul_(3).add_(1)
        torch.testing.assert_close(model(x), before, rtol=1e-3, atol=1e-4)
        layers_of(model, nn.Conv3d)[8].weight.add_(1)
        assert not torch.allclose(model(x), before, rtol=1e-2)


def test_a_larger_view_has_positions():
    model = build("gn", crop_size=48).eval()
    with torch.inference_mode():
        assert model.positions(clips(2, frames=16)).shape == (2, 5, 1)
        positions = model.positions(clips(2, frames=16, size=96))
        assert positions.shape == (2, 5, 9)
        torch.testing.assert_close(model(clips(2, frames=16, size=96)), positions.mean(2))
    with pytest.raises(ValueError, match="a clip of 16 frames of 24x24 px is too small"):
        model(clips(1, frames=16, size=24))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frames": 15}, "15 frames of 112 px leave nothing .* at least 16 frames"),
        ({"crop_size": 15}, "16 frames of 15 px leave nothing"),
        ({"width": 24}, r"conv1 of a C3D of width 24: 32 groups do not divide 24 channels"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"depth": 14}, "depth is 14, and network c3d has no depth: leave it at 50"),
        ({"layout": "image"}, "network c3d has no layout: leave it at 'nonlocal'"),
        ({"temporal_convs": False}, "network c3d has no temporal_convs"),
        ({"nonlocal_blocks": True}, "network c3d has no nonlocal_blocks"),
        ({"activation_checkpointing": ["stem"]}, "network c3d has no activation_checkpointing"),
        ({"network": "vgg"}, "unknown network 'vgg'; expected one of i3d, c3d"),
    ],
)
def test_what_is_not_possible_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build_network(**{"network": "c3d", **settings})


def test_what_i3d_alone_has_is_left_at_its_defaults():
    of_i3d, of_c3d = (inspect.signature(each).parameters for each in (i3d_r50, c3d))
    assert {name: parameter.default for name, parameter in of_i3d.items() if name not in of_c3d} == OF_I3D


def test_a_classifier_says_which_network_it_is(tmp_path):
    small = {"width": 4, "num_frames": 16, "crop_size": 32, "channels_per_group": 4}
    model = VideoClassifier("gn", network="c3d", **small)
    own = model.architecture
    assert own["network"] == "c3d"
    assert {own[name] for name in ("layout", "depth", "temporal_convs", "nonlocal_blocks")} == {None}
    own_part = {"architecture": own, "classes": []}
    i3d = {**own, "layout": "nonlocal", "depth": 50, "temporal_convs": True, "nonlocal_blocks": False}
    del i3d["network"]  # of before there was another
    for theirs, asked in ((own, {"network": "i3d", **i3d}), (i3d, own)):
        with pytest.raises(CheckpointError, match=r"of another model: it has network '\w+' \(asked for"):
            check_same_model({"architecture": theirs, "classes": []}, architecture=asked, classes=[])
    torch.save({"state_dict": model.state_dict(), "videogn": own_part}, tmp_path / "last.ckpt")
    with pytest.raises(WeightsError, match="of network c3d: weights to start from are of network i3d alone"):
        read_weights(tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="weights are of i3d, and network is c3d"):
        VideoClassifier("gn", network="c3d", weights="some.pth", **small)
    # A normalisation batch of one clip of 16 frames has values of two frames to normalise by.
    VideoClassifier("bn", network="c3d", width=4, norm_batch_size=1, num_frames=16, crop_size=16)
