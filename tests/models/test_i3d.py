"""The network against the paper's table, against PyTorchVideo's own, and against what its norms promise."""

import copy
import warnings

import pytest
import torch
from torch import nn

from tests.models.networks import NORM_SETTINGS, build, clips, randomize_norms
from videogn.models.i3d import i3d_r50


@pytest.mark.parametrize("norm", NORM_SETTINGS)
@pytest.mark.parametrize("layout", ["nonlocal", "slowfast"])
def test_parameters_at_400_classes(norm, layout):
    with torch.device("meta"):
        model = i3d_r50(norm, layout=layout)
    norms = [m for name, m in model.named_modules() if "norm" in name.rpartition(".")[2]]
    assert sum(p.numel() for p in model.parameters()) == 28_043_472
    assert len(norms) == 53
    assert sum(p.numel() for m in norms for p in m.parameters()) == 53_120
    assert not any(m.bias is not None for m in model.modules() if isinstance(m, nn.Conv3d))


def test_the_nonlocal_layout_has_the_papers_shapes():
    """Table of Wang et al. 2018 as the released code builds it, for 3 x 32 x 224 x 224, layer by layer."""
    model = i3d_r50("gn").eval()
    shapes = {}
    stem, res2, pool2, res3, res4, res5, head = model.blocks
    named = {"conv1": stem.conv, "pool1": stem.pool, "res2": res2, "pool2": pool2}
    named |= {"res3": res3, "res4": res4, "res5": res5, "pool5": head.pool}
    for name, module in named.items():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    with torch.inference_mode():
        logits = model(clips(1, frames=32, size=224))
    assert shapes == {
        "conv1": (64, 16, 112, 112),
        "pool1": (64, 8, 55, 55),
        "res2": (256, 8, 55, 55),
        "pool2": (256, 4, 55, 55),
        "res3": (512, 4, 28, 28),
        "res4": (1024, 4, 14, 14),
        "res5": (2048, 4, 7, 7),
        "pool5": (2048, 1, 1, 1),
    }
    assert logits.shape == (1, 400)


def test_temporal_kernels_are_where_the_table_has_them():
    model = i3d_r50("gn")
    stages = [model.blocks[i] for i in (1, 3, 4, 5)]
    kernels = [[block.branch2.conv_a.kernel_size[0] for block in stage.res_blocks] for stage in stages]
    assert kernels == [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1]]
    for stage in stages:
        for block in stage.res_blocks:
            assert block.branch2.conv_a.stride == (1, 1, 1)
            assert block.branch2.conv_b.kernel_size == (1, 3, 3)
            assert block.branch2.conv_c.kernel_size == (1, 1, 1)


def test_layout_slowfast_is_pytorchvideos_i3d_r50_under_copied_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorchvideo.models.hub import i3d_r50 as zoo_i3d_r50
    theirs = randomize_norms(zoo_i3d_r50()).eval()
    ours = i3d_r50("bn", layout="slowfast", num_frames=8).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    x = clips(1, size=224)
    with torch.inference_mode():
        expected, got = theirs(x), ours(x)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("norm", NORM_SETTINGS)
def test_last_norm_of_every_branch_starts_at_zero_whatever_it_is(norm):
    model = build(norm, depth=26)
    last = {f"{name}.branch2.norm_c.weight" for name, m in model.named_modules() if hasattr(m, "branch2")}
    assert len(last) == 8
    for name, parameter in model.named_parameters():
        if "norm" in name:
            expected = 0.0 if name in last or name.endswith("bias") else 1.0
            assert torch.equal(parameter, torch.full_like(parameter, expected)), name


def test_all_norms_of_one_seed_start_from_the_same_weights():
    gn = dict(build("gn").named_parameters())
    for norm in NORM_SETTINGS:
        other = dict(build(norm).named_parameters())
        assert list(gn) == list(other)
        assert all(torch.equal(gn[name], other[name]) for name in gn)
    other = dict(build("gn", seed=3).named_parameters())
    assert not torch.equal(gn["blocks.0.conv.weight"], other["blocks.0.conv.weight"])


def test_initial_spread_is_he_fan_out():
    conv = i3d_r50("gn").blocks[5].res_blocks[1].branch2.conv_a  # 3x1x1, 2048 -> 512
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (512 * 3)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("norm", ["gn", "ln", "in", "frozen_bn", "none"])
def test_logits_do_not_depend_on_the_clips_beside(norm):
    model = randomize_norms(build(norm)).train()
    x = clips(6)
    together, alone = model(x), torch.cat([model(clip[None]) for clip in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["bn", "sync_bn", "brn"])
def test_logits_do_depend_on_the_clips_beside_where_batch_statistics_are(norm):
    model = randomize_norms(build(norm)).train()
    x = clips(6)
    together, alone = model(x), torch.cat([model(clip[None]) for clip in x])
    assert (together - alone).abs().max() > 0.01 * together.abs().max()


def gradients(model: nn.Module, x: torch.Tensor, labels: torch.Tensor, size: int) -> dict[str, torch.Tensor]:
    """Of the mean loss over all clips, accumulated over forwards of `size` clips."""
    model.zero_grad()
    for part, label in zip(x.split(size), labels.split(size), strict=True):
        (nn.functional.cross_entropy(model(part), label) * len(part) / len(x)).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name] - b[name]).norm() / a[name].norm()) for name in a)


def test_gn_gradients_are_the_same_at_any_normalisation_batch_and_bns_are_not():
    x, labels = clips(8).double(), torch.arange(8) % 5
    gn, bn = (randomize_norms(build(norm)).double().train() for norm in ("gn", "bn"))
    for size in (1, 2, 4):
        assert largest_difference(gradients(gn, x, labels, 8), gradients(gn, x, labels, size)) < 1e-9
        assert largest_difference(gradients(bn, x, labels, 8), gradients(bn, x, labels, size)) > 1e-2


def test_splitting_bn_gives_the_gradients_of_accumulation():
    x, labels = clips(8), torch.arange(8) % 5
    accumulated = randomize_norms(build("bn")).train()
    split = randomize_norms(build("bn", norm_batch_size=2)).train()
    split.load_state_dict(copy.deepcopy(accumulated.state_dict()))
    difference = largest_difference(gradients(accumulated, x, labels, 2), gradients(split, x, labels, 8))
    assert difference < 1e-3


def test_a_larger_view_has_positions_that_average_to_the_forward():
    model = randomize_norms(i3d_r50("gn", depth=14, num_frames=8, num_classes=7)).eval()
    with torch.inference_mode():
        positions = model.positions(clips(2, size=256))
        assert positions.shape == (2, 7, 4)  # 8x8 before a 7x7 pool
        torch.testing.assert_close(model(clips(2, size=256)), positions.mean(2))
        assert model.positions(clips(2, size=224)).shape == (2, 7, 1)


@pytest.mark.parametrize(("frames", "size"), [(4, 48), (8, 32)])
def test_a_clip_that_is_too_small_is_refused(frames, size):
    with pytest.raises(ValueError, match=f"a clip of {frames} frames of {size}x{size} px is too small"):
        build("gn")(clips(1, frames=frames, size=size))


def test_groups_that_do_not_divide_name_the_layer_and_what_would():
    with pytest.raises(ValueError, match=r"stem of an I3D of width 24: 32 groups do not divide 24 channels.*\[1, 2, 3"):
        i3d_r50("gn", width=24)
    with pytest.raises(ValueError, match=r"res2 \(inner\) of an I3D|stem of an I3D"):
        i3d_r50("gn", width=8, channels_per_group=16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "2d"}, "unknown layout '2d'; expected one of nonlocal, slowfast, image"),
        ({"depth": 18}, "depth is 18; expected one of 14, 26, 50, 101"),
        ({"width": 0}, "width is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"num_frames": 2}, "2 frames of 224 px leave nothing"),
        ({"crop_size": 2}, "32 frames of 2 px leave nothing"),
        ({"norm": "in", "num_frames": 8, "crop_size": 32}, "leave one value of it in res5"),
        ({"norm": "gn", "channels_per_group": 1, "num_frames": 8, "crop_size": 32}, "leave one value of it in res5"),
        ({"layout": "image"}, "layout image is for single frames, and num_frames is 32"),
        ({"nonlocal_blocks": True, "num_frames": 8, "crop_size": 16}, "nothing to pool for the non-local blocks"),
        ({"norm": "none", "weight_standardization": True}, "needs a norm behind the convolutions"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        i3d_r50(**{"norm": "bn", **settings})
