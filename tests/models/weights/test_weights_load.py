"""What fits where: norms, depths, widths, heads; all or nothing."""

import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.models.weights.files import caffe2_names, python2_pickle, randomize, resnet14, save, slowfast_names, write
from videogn.models.i3d import I3D, i3d_r50
from videogn.models.weights import WeightsError, load_weights, read_weights, write_safetensors
from videogn.models.weights.adapt import inflate


def small(norm: str = "bn", **more) -> I3D:
    settings = {"depth": 14, "layout": "slowfast", "num_frames": 4, "crop_size": 64, "num_classes": 7, **more}
    return randomize(i3d_r50(norm, **settings), seed=9)


def resnet14_file(folder: Path, norm: str = "bn", **more) -> Path:
    return save(folder / f"resnet14_{norm}.pth", randomize(resnet14(norm, **more)).state_dict())


def own_checkpoint(folder: Path, norm: str, **settings) -> Path:
    """A Lightning checkpoint as videogn writes it."""
    architecture = {
        "norm": norm,
        "num_groups": 32 if norm == "gn" and "channels_per_group" not in settings else None,
        "channels_per_group": None,
        "layout": "slowfast",
        **settings,
    }
    more = {name: settings[name] for name in ("num_groups", "channels_per_group") if name in settings}
    state = {f"model.{name}": tensor for name, tensor in small(norm, **more).state_dict().items()}
    checkpoint = {"epoch": 1, "state_dict": state, "videogn": {"architecture": architecture, "classes": ["a"]}}
    return save(folder / f"{norm}.ckpt", checkpoint)


def refused(model: nn.Module, path: Path, message: str, **how) -> None:
    """Refused, and nothing of the network has changed."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        load_weights(model, read_weights(path), **how)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_inflation_repeats_and_divides():
    kernel = torch.randn(4, 3, 5, 5)
    inflated = inflate(kernel, 3)
    assert inflated.shape == (4, 3, 3, 5, 5)
    torch.testing.assert_close(inflated.sum(2), kernel)
    assert torch.equal(inflated[:, :, 0], inflated[:, :, 2])
    assert torch.equal(inflate(kernel.unsqueeze(2), 3), inflated)
    assert torch.equal(inflate(kernel, 1)[:, :, 0], kernel)


def test_every_tensor_is_used_or_listed(tmp_path):
    path = resnet14_file(tmp_path)
    weights = read_weights(path)
    report = load_weights(small(), weights, norm="bn")
    names = set(torch.load(path))
    assert {row.source for row in report.rows} | set(report.unused) == names
    assert not {row.source for row in report.rows} & set(report.unused)
    assert all(name.endswith("num_batches_tracked") for name in report.unused)
    kind = "torchvision / timm ResNet (2-D), torch file"
    assert report.summary == f"{len(report.rows)} tensors from {path} ({kind}); 4 kernels inflated over time"


@pytest.mark.parametrize("norm", ["bn", "sync_bn", "frozen_bn", "brn"])
def test_norms_with_running_statistics_take_each_others_weights(norm, tmp_path):
    for path in (resnet14_file(tmp_path), own_checkpoint(tmp_path, "bn"), own_checkpoint(tmp_path, norm)):
        weights = read_weights(path)
        model = small(norm)
        report = load_weights(model, weights, norm=norm)
        state = model.state_dict()
        assert torch.equal(
            state["blocks.4.res_blocks.0.branch2.norm_b.running_var"],
            weights.tensors["blocks.4.res_blocks.0.branch2.norm_b.running_var"],
        )
        assert not report.fresh
        counts = [tensor for name, tensor in state.items() if name.endswith("num_batches_tracked")]
        assert not any(counts)  # batch renormalization goes by its own steps


def test_group_and_batch_norms_are_never_mixed_up(tmp_path):
    gn, bn = resnet14_file(tmp_path, "gn"), resnet14_file(tmp_path)
    no_statistics = r"group norms \(no running statistics\); model.norm is {}: set --model.norm gn"
    for norm in ("bn", "sync_bn", "frozen_bn", "brn"):
        refused(small(norm), gn, no_statistics.format(norm), norm=norm)
    refused(small("gn"), bn, r"batch norms \(running statistics\); model.norm is gn: set --model.norm bn", norm="gn")
    for norm in ("ln", "in", "none"):
        refused(small(norm), gn, f"group norms .* model.norm is {norm}", norm=norm)
        refused(small(norm), bn, f"batch norms .* model.norm is {norm}", norm=norm)
        own = own_checkpoint(tmp_path, norm)
        assert not load_weights(small(norm), read_weights(own), norm=norm).fresh
        refused(small("gn"), own, f"has the norm {norm}; model.norm is gn", norm="gn")


def test_groups_must_be_the_same(tmp_path):
    foreign, own = resnet14_file(tmp_path, "gn"), own_checkpoint(tmp_path, "gn", channels_per_group=4)
    load_weights(small("gn"), read_weights(foreign), norm="gn", num_groups=32)
    refused(
        small("gn", num_groups=16),
        foreign,
        r"the file does not say\); the network has 16 groups: set --model.num_groups 32",
        norm="gn",
        num_groups=16,
    )
    refused(
        small("gn", channels_per_group=4),
        foreign,
        "groups of 4 channels: set --model.num_groups 32",
        norm="gn",
        channels_per_group=4,
    )
    load_weights(small("gn", channels_per_group=4), read_weights(own), norm="gn", channels_per_group=4)
    refused(
        small("gn"), own, "groups of 4 channels; the network has 32 groups: set --model.channels_per_group 4", norm="gn"
    )


def test_weight_standardization_must_be_the_same(tmp_path):
    own = own_checkpoint(tmp_path, "gn", weight_standardization=True)
    refused(small("gn"), own, "with weight standardization, the network is without", norm="gn")
    refused(
        small("gn"),
        resnet14_file(tmp_path, "gn"),
        "without weight standardization",
        norm="gn",
        weight_standardization=True,
    )
    load_weights(small("gn"), read_weights(own), norm="gn", weight_standardization=True)


def test_depth_and_width_must_be_the_same(tmp_path):
    deep = save(tmp_path / "r26.pth", timm.create_model("resnet26", num_classes=7).state_dict())
    refused(
        small(), deep, r"depth 26 \(2 \+ 2 \+ 2 \+ 2 blocks\); the network is of depth 14 .*--model.depth 26", norm="bn"
    )
    refused(small(depth=26), resnet14_file(tmp_path), "depth 14 .* the network is of depth 26", norm="bn")
    refused(
        small(width=32),
        resnet14_file(tmp_path),
        "width 64; the network is of width 32: set --model.width 64",
        norm="bn",
    )


def test_resnet101_into_resnet50_says_so(tmp_path):
    path = save(tmp_path / "r101.pth", torchvision.models.resnet101().state_dict())
    with pytest.raises(WeightsError, match=r"depth 101 \(3 \+ 4 \+ 23 \+ 3 blocks\); the network is of depth 50"):
        load_weights(i3d_r50("bn"), read_weights(path), norm="bn")


def test_a_head_of_another_class_count_is_dropped_with_a_notice(tmp_path):
    model = small(num_classes=5)
    head = model.blocks[6].proj.weight.detach().clone()
    report = load_weights(model, read_weights(resnet14_file(tmp_path, num_classes=1000)), norm="bn")
    assert report.notices == ("the file's head of 1000 classes is dropped: the network's, of 5, starts fresh",)
    assert report.fresh == ("blocks.6.proj.weight", "blocks.6.proj.bias")
    assert {"fc.weight", "fc.bias"} <= set(report.unused)
    assert torch.equal(model.blocks[6].proj.weight, head)


def test_a_file_without_a_head(tmp_path):
    state = {name: tensor for name, tensor in resnet14().state_dict().items() if not name.startswith("fc.")}
    report = load_weights(small(), read_weights(save(tmp_path / "w.pth", state)), norm="bn")
    assert report.notices == ("the file has no head: the network's, of 7 classes, starts fresh",)


def test_nonlocal_blocks_that_the_file_lacks_start_fresh(tmp_path):
    report = load_weights(small(nonlocal_blocks=True), read_weights(resnet14_file(tmp_path)), norm="bn")
    assert report.notices == (
        "the file's head of 7 classes is kept: they must be the data's classes in their order",
        "the file has no non-local blocks blocks.3.nonlocal_blocks.0, blocks.4.nonlocal_blocks.0: "
        "the network's start fresh",
    )
    assert all("nonlocal" in name for name in report.fresh)
    state = small(nonlocal_blocks=True).state_dict()
    path = save(tmp_path / "w.pyth", {"model_state": slowfast_names(state)})
    refused(small(), path, "the network has no non-local blocks there: set --model.nonlocal_blocks true", norm="bn")
    del state["blocks.3.nonlocal_blocks.0.conv_phi.weight"]
    path = save(tmp_path / "w.pyth", {"model_state": slowfast_names(state)})
    refused(small(nonlocal_blocks=True), path, "lacks 1 tensors.*conv_phi.weight", norm="bn")


def test_image_and_c2d_networks(tmp_path):
    weights = read_weights(resnet14_file(tmp_path))
    for settings in ({"layout": "image", "num_frames": 1}, {"temporal_convs": False}):
        report = load_weights(small(**settings), weights, norm="bn")
        assert not any("inflated" in row.note for row in report.rows)
    video = own_checkpoint(tmp_path, "bn")
    refused(
        small(layout="image", num_frames=1), video, "kernels over time do not become kernels of one frame", norm="bn"
    )
    report = load_weights(small(layout="nonlocal", num_frames=8), read_weights(video), norm="bn", layout="nonlocal")
    assert "trained in layout slowfast, the network is nonlocal" in report.notices[0]


def changed(state: dict[str, Tensor], **changes) -> dict[str, Tensor]:
    state = dict(state)
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer1__0__conv2__weight": torch.zeros(64, 2, 3, 3)}, "res2 have 64 channels from 2, expected 64 .*ResNeXt"),
        ({"conv1__weight": torch.zeros(64, 3, 3, 3)}, r"\[64, 3, 1, 3, 3\] in the file and \[64, 3, 5, 7, 7\]"),
        ({"conv1__weight": torch.zeros(64, 4, 7, 7)}, "takes 4 channels; expected 3"),
        ({"layer2__0__bn3__bias": None}, "1 of .* tensors are missing: blocks.3.res_blocks.0.branch2.norm_c.bias"),
        ({"bn1__running_var": None}, "1 of .* missing: blocks.0.norm.running_var"),
        ({"conv1__bias": torch.ones(64)}, "'conv1.bias', a bias before a norm"),
        ({"layer1__0__se__fc1__weight": torch.ones(4, 4)}, "'layer1.0.se.fc1.weight', so it is another ResNet"),
        ({"conv1__weight": None}, "holds no stem"),
        ({"bn1__weight": torch.full((64,), float("nan"))}, "not finite"),
        ({"bn1__weight": torch.ones(64, dtype=torch.int64)}, "int64; expected floating-point"),
        ({"bn1__weight": torch.ones(64, 1)}, "expected 1 axes"),
        ({"bn1__weight": torch.ones(64).to_sparse()}, "no plain tensor"),
        ({"module__conv1__weight": torch.ones(64)}, "twice"),
    ],
)
def test_files_that_are_almost_right_are_refused(changes, message, tmp_path):
    state = changed(resnet14().state_dict(), **changes)
    refused(small(), save(tmp_path / "w.pth", state), message, norm="bn")


def test_other_networks_are_refused_by_what_they_are(tmp_path):
    def read(name: str, state: dict[str, Tensor]) -> None:
        read_weights(save(tmp_path / f"{name}.pth", state))

    with pytest.raises(WeightsError, match=r"basic blocks, as in ResNet-18"):
        read("r18", torchvision.models.resnet18().state_dict())
    with pytest.raises(WeightsError, match=r"'conv1.0.weight', so it is another ResNet"):
        read("r50d", timm.create_model("resnet26d").state_dict())
    with pytest.raises(WeightsError, match=r"unknown kind of weights: .*'features.0.weight'.*known kinds: torchvision"):
        read("vgg", {"features.0.weight": torch.zeros(1)})
    state = slowfast_names(small().state_dict())
    with pytest.raises(WeightsError, match="two pathways"):
        read("slowfast", {**state, "s1.pathway1_stem.conv.weight": torch.zeros(8, 3, 5, 7, 7)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorchvideo.models.hub import slow_r50
    with pytest.raises(
        WeightsError, match=r"'blocks.2.res_blocks.0.branch1_conv.weight'.*its I3D has a pool in blocks.2"
    ):
        read("slow", slow_r50().state_dict())
    blobs = caffe2_names(resnet14().state_dict(), "bn")
    affine = {name: blob for name, blob in blobs.items() if not name.endswith(("_rm", "_riv"))}
    with pytest.raises(WeightsError, match="no running statistics: a file for fine-tuning"):
        read_weights(write(tmp_path / "affine.pkl", python2_pickle(affine, wrapped=False)))
    with pytest.raises(WeightsError, match="'t_conv1_w', so it is another network"):
        read_weights(write(tmp_path / "two.pkl", python2_pickle({**blobs, "t_conv1_w": blobs["conv1_w"]})))


def test_files_of_half_precision_and_safetensors_are_read(tmp_path):
    state = randomize(resnet14("gn")).state_dict()
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    full = read_weights(tmp_path / "model.safetensors")
    assert (full.norm, full.num_groups) == ("gn", 32)
    half = read_weights(save(tmp_path / "half.pth", {name: tensor.half() for name, tensor in state.items()}))
    for name, tensor in half.tensors.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, full.tensors[name], rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("norm", ["bn", "gn", "in"])
def test_what_was_written_is_read_back(norm, tmp_path):
    source = own_checkpoint(tmp_path, norm) if norm == "in" else resnet14_file(tmp_path, norm)
    weights = read_weights(source)
    write_safetensors(weights, tmp_path / "out" / "w.safetensors")
    again = read_weights(tmp_path / "out" / "w.safetensors")
    assert (again.norm, again.num_groups, again.layout) == (weights.norm, weights.num_groups, weights.layout)
    assert again.kind == f"videogn, safetensors (from {weights.kind})"
    assert set(again.tensors) == set(weights.tensors)
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in weights.tensors.items())
    a, b = small(norm), small(norm)
    load_weights(a, weights, norm=norm)
    load_weights(b, again, norm=norm)
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    with pytest.raises(WeightsError, match="exists: remove it"):
        write_safetensors(weights, tmp_path / "out" / "w.safetensors")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["w.safetensors"]


def test_a_checkpoint_that_lies_about_its_norm_is_refused(tmp_path):
    path = own_checkpoint(tmp_path, "bn")
    checkpoint = torch.load(path)
    checkpoint["videogn"]["architecture"]["norm"] = "gn"
    with pytest.raises(WeightsError, match="says that its norm is gn, but its tensors say otherwise"):
        read_weights(save(path, checkpoint))
    for architecture, message in (
        ({}, "its norm is None; expected one of gn, bn"),
        ({"norm": 3}, "its norm is 3"),
        ({"norm": "fog"}, "its norm is 'fog'; expected one of"),
    ):
        checkpoint["videogn"]["architecture"] = architecture
        with pytest.raises(WeightsError, match=message):
            read_weights(save(path, checkpoint))
