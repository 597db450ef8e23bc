"""A 2-D network and the video network that was filled from its file give the same logits on a still clip.

Shapes: images [N, 3, H, W], clips [N, 3, T, H, W].
"""

import warnings
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import ResNet

from tests.models.weights.files import (
    IMAGENET_STD,
    caffe2_names,
    dump,
    imagenet_input,
    pad_with_grey,
    python2_pickle,
    randomize,
    replicate_in_time,
    resnet14,
    save,
    slowfast_names,
    still_clip,
    write,
)
from videogn.data.decoding import decode_frames
from videogn.models.i3d import I3D, i3d_r50
from videogn.models.weights import LoadReport, load_weights, read_weights

SCALE = 0.225 / torch.tensor(IMAGENET_STD, dtype=torch.float64)[:, None, None]


def images(size: int = 64, count: int = 2) -> Tensor:
    """What videogn's networks take, of as many images."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def filled(path: Path, norm: str, *, depth: int, layout: str = "slowfast", frames: int = 4, size: int = 64, **more):
    """A network in double precision, padded by its border's frames in time, and how it was filled."""
    classes = more.pop("num_classes", 7)
    model = i3d_r50(
        norm, depth=depth, layout=layout, num_frames=frames, crop_size=size, num_classes=classes, dropout=0.0, **more
    )
    report = load_weights(model.double(), read_weights(path), norm=norm)
    replicate_in_time(model)
    return model.eval(), report


def largest_difference(got: Tensor, expected: Tensor) -> float:
    """Relative to the largest logit; the logits must differ from each other, or nothing is proven."""
    assert expected.std() > 1e-2
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    return float((got - expected).abs().max() / expected.abs().max())


@torch.inference_mode()
def compare(image_model: ResNet, model: I3D, norm: str, *, frames: int, size: int = 64) -> float:
    """Largest difference of logits for the same images, each network with its own input.

    Of a batch norm network, all of the input is folded in, if what lies beyond the border is the same grey. Of a group
    norm network the scale is.
    """
    x = images(size)
    image_model = image_model.double().eval()
    if norm == "bn":
        pad_with_grey(image_model)
        return largest_difference(model(still_clip(x, frames)), image_model(imagenet_input(x)))
    return largest_difference(model(still_clip(x, frames)), image_model(x * SCALE))


@pytest.mark.parametrize(
    ("build", "norm"),
    [
        pytest.param(lambda: torchvision.models.resnet50(num_classes=7), "bn", id="torchvision resnet50"),
        pytest.param(lambda: timm.create_model("resnet50", num_classes=7), "bn", id="timm resnet50"),
        pytest.param(lambda: timm.create_model("resnet50_gn", num_classes=7), "gn", id="timm resnet50_gn"),
    ],
)
def test_inflated_resnet50_is_the_image_network(build, norm, tmp_path):
    image_model = randomize(build()).double()
    path = save(tmp_path / "resnet50.pth", image_model.state_dict())
    model, report = filled(path, norm, depth=50)
    assert compare(image_model, model, norm, frames=4) < 1e-12
    assert sum(row.note.startswith("inflated 1 -> 3") for row in report.rows) == 3 + 2 + 3 + 1
    left_out = "" if norm == "bn" else "; the difference of the inputs' means is left out"
    assert [row.note for row in report.rows if row.name == "blocks.0.conv.weight"] == [
        f"inflated 1 -> 5, x 0.9825, 1.004, 1{left_out}"
    ]


@pytest.mark.parametrize("norm", ["bn", "gn"])
@pytest.mark.parametrize("layout", ["slowfast", "nonlocal", "image"])
def test_every_layout_is_the_image_network(layout, norm, tmp_path):
    image_model = randomize(resnet14(norm)).double()
    path = save(tmp_path / "resnet14.pth", image_model.state_dict())
    frames = {"slowfast": 4, "nonlocal": 8, "image": 1}[layout]
    model, _ = filled(path, norm, depth=14, layout=layout, frames=frames, size=80)
    if layout == "nonlocal":
        image_model.maxpool.padding = 0  # as the paper's layout has it
    assert compare(image_model, model, norm, frames=frames, size=80) < 1e-12


def test_zero_padding_in_time_does_not_pass_for_it(tmp_path):
    image_model = randomize(resnet14()).double()
    path = save(tmp_path / "resnet14.pth", image_model.state_dict())
    model = i3d_r50("bn", depth=14, layout="slowfast", num_frames=4, crop_size=64, num_classes=7).double().eval()
    load_weights(model, read_weights(path), norm="bn")
    assert compare(image_model, model, "bn", frames=4) > 1e-3


def test_group_norm_reproduce(tmp_path):
    image_model = randomize(resnet14("gn"))
    parallel = nn.DataParallel(image_model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1, momentum=0.9)
    image_model(images().float()).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 100,
        "arch": "resnet50",
        "state_dict": parallel.state_dict(),
        "best_acc1": torch.tensor(75.9),
        "optimizer": optimizer.state_dict(),
    }
    model, report = filled(save(tmp_path / "model.pth", checkpoint), "gn", depth=14)
    assert compare(image_model, model, "gn", frames=4) < 1e-5  # the file is float32, and so is its folding
    assert set(report.unused) == {"epoch", "arch", "best_acc1", "optimizer"}


@pytest.mark.parametrize("wrapped", [True, False])
def test_detectron_gn_takes_bgr_of_0_to_255(wrapped, tmp_path):
    image_model = randomize(resnet14("gn")).double()
    with torch.no_grad():
        image_model.conv1.weight /= 57.375  # as trained on inputs of that size
    blobs = caffe2_names({name: tensor.float() for name, tensor in image_model.state_dict().items()}, "gn")
    momenta = {f"{name}_momentum": blob for name, blob in blobs.items()}
    extra = {"model_iter": 90000, "conv1_b": blobs["conv1_gn_b"] * 0, "fpn_inner_w": blobs["conv1_gn_b"]}
    content = python2_pickle({**blobs, **momenta, **extra}, wrapped=wrapped)
    path = write(tmp_path / "R-50-GN.pkl", content)
    model, report = filled(path, "gn", depth=14)
    x = images()
    with torch.inference_mode():
        expected = image_model.eval()(
            (x * 57.375).flip(1)
        )  # x * 57.375: 0..255, less a constant; then R, G, B -> B, G, R
        assert largest_difference(model(still_clip(x, 4)), expected) < 1e-5
    assert set(report.unused) == {*momenta, "model_iter", "conv1_b (zeros)", "fpn_inner_w"}
    assert {row.source for row in report.rows} == set(blobs)


def test_pytorchvideo_zoo(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorchvideo.models.hub import i3d_r50 as zoo_i3d_r50
    theirs = randomize(zoo_i3d_r50()).eval()
    path = save(tmp_path / "I3D_8x8_R50.pyth", {"model_state": theirs.state_dict()})
    ours = i3d_r50("bn", layout="slowfast", num_frames=8).eval()
    report = load_weights(ours, read_weights(path), norm="bn")
    x = torch.randn(1, 3, 8, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected, got = theirs(x), ours(x)
    assert expected.std() > 1e-2
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert not report.fresh
    assert [notice for notice in report.notices if "head of 400 classes is kept" not in notice] == []


VIDEO = {"depth": 26, "layout": "nonlocal", "num_frames": 8, "crop_size": 64, "num_classes": 5, "nonlocal_blocks": True}


@pytest.mark.parametrize("form", ["slowfast .pyth", "caffe2 of Python 2", "caffe2, conv head", "caffe2 of Python 3"])
def test_video_networks_come_back_from_slowfast_and_caffe2(form, tmp_path):
    known = randomize(i3d_r50("bn", **VIDEO)).eval()
    state = known.state_dict()
    if form == "slowfast .pyth":
        file = {"epoch": 3, "model_state": slowfast_names(state), "optimizer_state": {"state": {}}, "cfg": "A: 1\n"}
        path = save(tmp_path / "checkpoint_epoch_00003.pyth", file)
    else:
        blobs = caffe2_names(state, "bn")
        if form == "caffe2, conv head":
            blobs["pred_w"] = blobs["pred_w"][:, :, None, None, None]
        content = {**blobs, "lr": blobs["pred_b"][:1].reshape(()), "model_iter": 400000}
        if form == "caffe2 of Python 3":
            path = dump(tmp_path / "c2.pkl", {"blobs": content}, protocol=4)
        else:
            path = write(tmp_path / "c2.pkl", python2_pickle(content))
    filled_model = i3d_r50("bn", **VIDEO).eval()
    report = load_weights(filled_model, read_weights(path), norm="bn")
    got = filled_model.state_dict()
    for name, tensor in state.items():
        assert torch.equal(got[name], tensor) or name.endswith("num_batches_tracked"), name
    assert not report.fresh
    assert not any("fold" in row.note or "inflated" in row.note for row in report.rows)
    x = torch.randn(2, 3, 8, 64, 64)
    with torch.inference_mode():
        assert torch.equal(filled_model(x), known(x))


def report_of(path: Path, norm: str) -> LoadReport:
    return filled(path, norm, depth=14)[1]


def test_two_d_caffe2_files_with_batch_norms_are_inflated(tmp_path):
    image_model = randomize(resnet14()).double()
    blobs = caffe2_names({name: tensor.float() for name, tensor in image_model.state_dict().items()}, "bn")
    model, report = filled(write(tmp_path / "r14.pkl", python2_pickle(blobs)), "bn", depth=14)
    x = images()
    with torch.inference_mode():  # RGB, (x - 114.75) / 57.375, as here
        assert largest_difference(model(still_clip(x, 4)), image_model.eval()(x)) < 1e-6
    assert any(row.note == "inflated 1 -> 5" for row in report.rows)


@pytest.mark.parametrize("norm", ["bn", "gn"])
def test_how_far_logits_move_on_a_real_frame_by_what_can_not_be_folded(norm, shared_data, tmp_path):
    """ImageNet's mean colour against grey. Of a BN network only the border's padding differs; of a GN network all."""
    video = next(path for path in sorted((shared_data / "actions").rglob("*")) if path.suffix in {".mp4", ".avi"})
    frame = decode_frames(str(video), [0])[0].permute(2, 0, 1)[None].double() / 255
    x = (nn.functional.interpolate(frame, size=(224, 224), mode="bilinear") - 0.45) / 0.225
    torch.manual_seed(0)
    image_model = resnet14(norm).double().train()
    for module in image_model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.inference_mode():
        image_model(imagenet_input(torch.cat([x, x.flip(-1)])))
        expected = image_model.eval()(imagenet_input(x))
    path = save(tmp_path / "resnet14.pth", image_model.state_dict())
    model, _ = filled(path, norm, depth=14, layout="image", frames=1, size=224)

    def moved() -> float:
        with torch.inference_mode():
            return float((model(x[:, :, None]) - expected).norm() / expected.norm())

    folded = moved()
    print(f"{norm}: logits move by {folded:.3f} of their norm")
    assert 1e-6 < folded < 1
    if norm == "bn":
        model.blocks[0].norm.running_mean.copy_(image_model.bn1.running_mean)
        print(f"{norm}: they would by {moved():.3f} without the running mean")
        assert folded < moved() / 3
