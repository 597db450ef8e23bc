"""C2D, images, depth 101 and non-local blocks, against the zoo's, torchvision's and the paper's."""

import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from tests.models.networks import build, clips, randomize_norms
from videogn.models.i3d import i3d_r50


def test_c2d_in_layout_slowfast_is_pytorchvideos_c2d_r50_under_copied_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorchvideo.models.hub import c2d_r50
    theirs = randomize_norms(c2d_r50()).eval()
    ours = i3d_r50("bn", layout="slowfast", num_frames=8, temporal_convs=False).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    x = clips(1, size=224)
    with torch.inference_mode():
        expected, got = theirs(x), ours(x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_layout_image_is_torchvisions_resnet50_under_copied_weights():
    theirs = randomize_norms(torchvision.models.resnet50()).eval()
    ours = i3d_r50("bn", layout="image", num_frames=1, num_classes=1000).eval()
    # Both define their layers in the order of the forward pass, but for the shortcut, which torchvision has last.
    source = theirs.state_dict()
    names = {"blocks.0.conv": "conv1", "blocks.0.norm": "bn1", "blocks.6.proj": "fc"}
    for stage, place in enumerate((1, 3, 4, 5), start=1):
        for block in range((3, 4, 6, 3)[stage - 1]):
            own, other = f"blocks.{place}.res_blocks.{block}", f"layer{stage}.{block}"
            names |= {f"{own}.branch1_conv": f"{other}.downsample.0", f"{own}.branch1_norm": f"{other}.downsample.1"}
            for part, number in zip("abc", (1, 2, 3), strict=True):
                names |= {f"{own}.branch2.conv_{part}": f"{other}.conv{number}"}
                names |= {f"{own}.branch2.norm_{part}": f"{other}.bn{number}"}
    with torch.no_grad():
        for name, value in ours.state_dict().items():
            module, _, kind = name.rpartition(".")
            value.copy_(source[f"{names[module]}.{kind}"].reshape(value.shape))
    x = clips(2, frames=1, size=96)
    ours.head_pool = (1, 3, 3)
    ours.blocks[6].pool = nn.AvgPool3d((1, 3, 3), stride=1)
    with torch.inference_mode():
        expected, got = theirs(x[:, :, 0]), ours(x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("norm", "count"), [("gn", 25_557_032), ("bn", 25_557_032)])
def test_layout_image_has_the_parameters_of_a_2d_resnet50(norm, count):
    with torch.device("meta"):
        model = i3d_r50(norm, layout="image", num_frames=1, num_classes=1000)
    assert sum(p.numel() for p in model.parameters()) == count
    assert {m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv3d)} == {1}


def test_layout_image_treats_frames_alone():
    """Frames of a batch as frames of a clip: convolutions and pools see one at a time (a per-clip norm would not)."""
    model = randomize_norms(build("frozen_bn", layout="image", num_frames=1)).eval()
    x = clips(1, frames=6)
    with torch.inference_mode():
        together = model.positions(x)[0]  # [K, 6]
        alone = torch.cat([model.positions(x[:, :, t : t + 1])[0] for t in range(6)], dim=1)
    torch.testing.assert_close(together, alone)


def test_c2d_has_no_temporal_kernel_and_halves_time_as_i3d_does():
    c2d, i3d = build("gn", temporal_convs=False), build("gn")
    assert {m.kernel_size[0] for m in c2d.modules() if isinstance(m, nn.Conv3d)} == {1}
    assert c2d.head_pool == i3d.head_pool


@pytest.mark.parametrize(("depth", "res3", "res4"), [(50, [1, 3], [1, 3, 5]), (101, [1, 3], [6, 13, 20])])
def test_five_nonlocal_blocks_stand_where_the_release_has_them(depth, res3, res4):
    with torch.device("meta"):
        plain, model = i3d_r50("bn", depth=depth), i3d_r50("bn", depth=depth, nonlocal_blocks=True)
    behind = [[int(index) for index in model.blocks[place].nonlocal_blocks] for place in (1, 3, 4, 5)]
    assert behind == [[], res3, res4, []]
    # 4 convolutions between C and C/2 with biases, and a norm over C.
    own = sum(2 * c * c + 3 * c // 2 + c + 2 * c for c in [512] * 2 + [1024] * 3)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.parameters()) + own


@pytest.mark.parametrize("norm", ["gn", "bn"])
def test_nonlocal_blocks_start_silent_and_have_the_norm_of_the_network(norm):
    model = build(norm, nonlocal_blocks=True).eval()
    x = clips(2)
    with torch.no_grad():
        before = model(x)
        assert float(model.blocks[4].nonlocal_blocks["0"].conv_out.weight.std()) == pytest.approx(0.01, rel=0.1)
        block = model.blocks[3].nonlocal_blocks["0"]
        assert type(block.norm) is type(model.blocks[0].norm)
        nn.init.normal_(block.conv_out.weight)
        torch.testing.assert_close(model(x), before)
        nn.init.ones_(block.norm.weight)
        assert not torch.allclose(model(x), before)


def test_a_nonlocal_block_is_the_papers_formula():
    """z = W softmax(theta(x)^T phi(x) / sqrt(C')) g(x) + x, keys and values pooled by 2 in space; in NumPy, float64."""
    block = randomize_norms(build("bn", nonlocal_blocks=True).eval().blocks[3].nonlocal_blocks["0"]).double()
    channels = block.conv_theta.in_channels
    x = torch.randn(1, channels, 2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = {name: getattr(block, f"conv_{name}") for name in ("theta", "phi", "g", "out")}
    matrix = {name: conv.weight.detach().numpy()[:, :, 0, 0, 0] for name, conv in w.items()}
    bias = {name: conv.bias.detach().numpy()[:, None] for name, conv in w.items()}
    a = x.numpy()[0]
    pooled = a.reshape(channels, 2, 2, 2, 3, 2).max(axis=(3, 5)).reshape(channels, -1)
    a = a.reshape(channels, -1)
    theta, phi, g = (matrix[n] @ v + bias[n] for n, v in (("theta", a), ("phi", pooled), ("g", pooled)))
    affinity = theta.T @ phi / np.sqrt(len(theta))
    share = np.exp(affinity - affinity.max(1, keepdims=True))
    out = matrix["out"] @ (g @ (share / share.sum(1, keepdims=True)).T) + bias["out"]
    n = block.norm
    scale = (n.weight / torch.sqrt(n.running_var + n.eps)).detach().numpy()[:, None]
    expected = (out - n.running_mean.numpy()[:, None]) * scale + n.bias.detach().numpy()[:, None] + a
    with torch.no_grad():
        np.testing.assert_allclose(block(x).numpy()[0].reshape(channels, -1), expected, atol=1e-10)
