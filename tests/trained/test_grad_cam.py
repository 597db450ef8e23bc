"""Grad-CAM: against closed forms, finite differences and pytorch-grad-cam; and what the command writes."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import zoom
from torch import Tensor, nn

import videogn
from videogn.cli import main
from videogn.data.batch import VideoViews
from videogn.data.datamodule import KineticsDataModule
from videogn.data.motions import render
from videogn.models.i3d import initialize
from videogn.models.input import normalize
from videogn.models.network import VideoNetwork
from videogn.trained.grad_cam import grad_cam
from videogn.trained.heat_pictures import overlaid, write_strip, write_video
from videogn.trained.model import TrainedModel
from videogn.training.module import VideoClassifier

SIZES = {"num_frames": 16, "crop_size": 96}
TESTS = {"scale_size": 96, "num_workers": 0}
NETWORKS = {
    "gn": {"norm": "gn", "channels_per_group": 4},
    "bn": {"norm": "bn"},
    "gn, weight standardization": {"norm": "gn", "channels_per_group": 4, "weight_standardization": True},
    "bn, non-local blocks": {"norm": "bn", "nonlocal_blocks": True},
}


def trained(name: str = "gn", *, test_px: int = 96, **settings: object) -> TrainedModel:
    """A network of random parameters: at the first, its residual branches would say nothing."""
    torch.manual_seed(0)
    settings = {**NETWORKS[name], "depth": 14, "width": 8, **settings}
    module = VideoClassifier(**settings, num_classes=3, device_batch_size=2, **SIZES)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    data = KineticsDataModule(**SIZES, **{**TESTS, "test_scale_size": test_px, "test_crop_size": test_px})
    data.protocol = "10x1"
    return TrainedModel(module, data, classes=["a", "b", "c"])


def through(parts: nn.ModuleList, x: Tensor) -> Tensor:
    for part in parts:
        x = part(x)
    return x


def upsampled(maps: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Trilinearly, of pixels that have an area, by SciPy."""
    shape = maps.shape[-3:]
    scale = [new / old for new, old in zip(size, shape, strict=True)]
    return np.stack([zoom(one, scale, order=1, mode="nearest", grid_mode=True) for one in maps.astype(np.float64)])


@pytest.mark.parametrize("name", NETWORKS)
def test_of_a_network_that_averages_and_is_linear_it_is_its_class_activation_map(name, video):
    model = trained(name)
    views = model.data.views_of(video)
    views.clips, views.spans = views.clips[:3], views.spans[:3]
    network = model.module.model
    with torch.no_grad():
        activations = through(network.blocks[:-1], normalize(torch.stack(list(views)))).double().numpy()
    weights = network.blocks[-1].proj.weight.detach().double().numpy()
    assert activations.shape[2:] == (2, 3, 3)
    assert network.head_pool == (2, 3, 3)
    spoke = 0
    for index, label in enumerate("abc"):
        maps = np.maximum(np.einsum("nkthw,k->nthw", activations, weights[index]), 0)
        spoke += maps.any()
        expected = upsampled(maps, (16, 96, 96))
        expected /= max(expected.max(), 1e-30)
        heat = model.grad_cam(views, class_name=label)
        assert (heat.shape, heat.dtype) == ((3, 16, 96, 96), torch.float32)
        np.testing.assert_allclose(heat.numpy(), expected, atol=1e-4)
    assert spoke
    best = next(iter(model(views)))
    assert torch.equal(model.grad_cam(views), model.grad_cam(views, class_name=best))


@pytest.mark.parametrize("layer", ["blocks.3", "blocks.4.res_blocks.0.branch2.norm_a"])
def test_weights_are_finite_differences_of_the_logit(layer, video):
    """At an earlier layer, in views that are larger than the network was made for: there are several positions."""
    model = trained(test_px=128)
    network = model.module.model
    views = torch.stack(list(model.data.views_of(video))[:2])
    found = grad_cam(network, views, class_index=1, layer=layer)
    network.double()
    shift: list[Tensor] = [torch.zeros(1, dtype=torch.float64)]
    seen: list[Tensor] = []

    def shifted(_: nn.Module, inputs: object, output: Tensor) -> Tensor:
        seen.append(output.clone())
        return output + shift[0]

    with torch.no_grad():
        before = through(network.blocks[:3], normalize(views).double())
        handle = network.get_submodule(layer).register_forward_hook(shifted)

        def logit() -> Tensor:
            logits = through(network.blocks[3:], before)
            assert logits.shape[2:].numel() > 1
            return logits.flatten(2).mean(-1)[:, 1]

        logit()
        activations = seen[0]
        step, slopes = 1e-6, []
        for channel in range(activations.shape[1]):
            one = torch.zeros(1, activations.shape[1], 1, 1, 1, dtype=torch.float64)
            one[0, channel] = step
            values = []
            for sign in (1, -1):
                shift[0] = sign * one
                values.append(logit())
            slopes.append((values[0] - values[1]) / (2 * step))
        handle.remove()
    weights = torch.stack(slopes, dim=1) / activations.shape[2:].numel()
    maps = torch.einsum("nkthw,nk->nthw", activations, weights).clamp_min(0).numpy()
    expected = upsampled(maps, (16, 128, 128))
    assert (expected > 0).mean() > 0.05
    np.testing.assert_allclose(found.numpy(), expected, atol=5e-3 * expected.max())


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_that_of_pytorch_grad_cam(name, video):
    library = pytest.importorskip("pytorch_grad_cam")
    model = trained(name, test_px=128)
    network = model.module.model
    views = torch.stack(list(model.data.views_of(video))[:2])
    warm = 0
    for index in range(3):
        with library.GradCAM(network, [network.blocks[3]]) as cam:
            cam.activations_and_grads(normalize(views))[:, index].sum().backward()
            seen = cam.activations_and_grads
            maps = cam.get_cam_image(views, None, None, seen.activations[0].numpy(), seen.gradients[0].numpy())
        expected = upsampled(np.maximum(maps, 0), (16, 128, 128))
        warm += expected.any()
        found = grad_cam(network, views, class_index=index, layer="blocks.3")
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4 * expected.max())
    assert warm


def test_it_leaves_nothing_behind_and_computes_in_float32(video):
    model = trained()
    model.data.protocol = "1x1"
    model.autocast = torch.bfloat16
    heat = model.grad_cam(video, class_name="a")
    model.autocast = None
    assert torch.equal(heat, model.grad_cam(video, class_name="a"))
    assert heat.max() == 1
    assert all(parameter.grad is None for parameter in model.module.parameters())
    assert not any(module._forward_hooks for module in model.module.modules())
    with pytest.raises(ValueError, match="gives no one tensor"):
        model.grad_cam(video, layer="blocks.6.proj")
    assert not any(module._forward_hooks for module in model.module.modules())
    assert torch.is_grad_enabled()


def test_where_nothing_speaks_for_a_class_there_is_no_heat(video):
    model = trained()
    model.data.protocol = "1x1"
    model.module.model.blocks[-1].proj.weight.data.abs_().neg_()  # of averages of ReLUs
    assert not model.grad_cam(video).any()


def test_what_there_is_not_is_said(video):
    model = trained()
    model.data.protocol = "1x1"
    with pytest.raises(ValueError, match=r"^d is no class of this run\. Its classes are a, b, c$"):
        model.grad_cam(video, class_name="d")
    with pytest.raises(ValueError, match=r"block\.4 is no layer of this network; did you mean blocks\.4 or "):
        model.grad_cam(video, layer="block.4")
    model.module.model.unused = nn.ReLU()
    with pytest.raises(ValueError, match="layer unused takes no part in a forward: name another"):
        model.grad_cam(video, layer="unused")


class Bright(VideoNetwork):
    """Class 0 is brightness, class 1 darkness: what Grad-CAM finds is known."""

    def __init__(self) -> None:
        head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Conv3d(2, 2, 1, bias=False))
        conv = nn.Conv3d(3, 2, 1)
        super().__init__([conv, nn.ReLU(), head], head_pool=(1, 1, 1), input="rgb", last_norm_size=(1, 1, 1))
        conv.weight.data = torch.tensor([1.0, -1.0])[:, None, None, None, None].expand(2, 3, 1, 1, 1).clone()
        conv.bias.data = torch.tensor([-3.0, -3.0])
        head[1].weight.data = torch.eye(2)[:, :, None, None, None]

    def size_left(self, size: tuple[int, int, int]) -> tuple[int, int, int]:
        return size


def test_heat_lies_where_and_when_the_thing_is():
    views = torch.full((1, 10, 20, 30, 3), 115, dtype=torch.uint8)
    views[0, 3:6, 5:9, 12:20] = 255
    views[0, 7:, :3, :] = 0
    for index, (frames, rows, columns) in enumerate([((3, 6), (5, 9), (12, 20)), ((7, 10), (0, 3), (0, 30))]):
        expected = torch.zeros(10, 20, 30, dtype=torch.bool)
        expected[slice(*frames), slice(*rows), slice(*columns)] = True
        assert torch.equal(grad_cam(Bright().eval(), views, class_index=index)[0] > 0, expected)


def heat_on_shapes(model: TrainedModel, layer: str | None, *, num_videos: int) -> float:
    """Heat per pixel on the shapes of built-in videos, over that on their ground."""
    on, off = [], []
    for index in range(num_videos):
        rng = np.random.default_rng([99, index])
        scene, label = render.draw_scene(rng), index % len(render.CLASSES)
        frames = render.render_scene(scene, label, num_frames=30, height=64, width=80)
        bare = render.render_scene(replace(scene, shapes=()), label, num_frames=30, height=64, width=80)
        changed = abs(frames.astype(int) - bare).max(axis=-1, keepdims=True) > 8
        masks = model.data.views_of(np.repeat(changed, 3, axis=-1) * np.uint8(255))
        shapes = torch.stack(list(masks))[..., 0] > 127
        heat = model.grad_cam(frames, class_name=render.CLASSES[label], layer=layer)
        heat /= max(heat.sum(), 1e-30)
        on.append((heat[shapes].sum(), shapes.float().mean()))
        off.append((heat[~shapes].sum(), 1 - shapes.float().mean()))
    (heat_on, area_on), (heat_off, area_off) = (torch.tensor(each).sum(0).tolist() for each in (on, off))
    return (heat_on / area_on) / (heat_off / area_off)


@pytest.mark.slow
def test_heat_lies_on_what_moves(request, tmp_path, monkeypatch):
    if not request.config.getoption("--full"):
        pytest.skip("--full trains motions.yaml: minutes")
    monkeypatch.setattr("sys.argv", ["videogn"])
    monkeypatch.chdir(tmp_path)  # where it makes the videos
    assert main(["fit", "--config", "motions.yaml"]) == 0
    model = videogn.load("runs/motions", protocol="1x1")
    layers = {"res2": "blocks.1", "res3": "blocks.3", "res4": "blocks.4", "res5": None}
    times = {name: heat_on_shapes(model, layer, num_videos=96) for name, layer in layers.items()}
    torch.manual_seed(0)
    initialize(model.module.model)
    for name, parameter in model.module.model.named_parameters():
        if name.endswith("norm_c.weight"):
            nn.init.ones_(parameter)  # else its residual branches would say nothing
    random = {name: heat_on_shapes(model, layer, num_videos=96) for name, layer in layers.items()}
    for words, found in {"trained": times, "random weights": random}.items():
        print(f"heat on shapes / on the ground, {words}:", {name: round(value, 2) for name, value in found.items()})
    assert times["res2"] > 1.4 * random["res2"]
    assert times["res3"] > 1.1 * random["res3"]


def test_pictures_show_the_views_and_their_heat(tmp_path):
    torch.manual_seed(0)
    frames = torch.randint(0, 256, (12, 1, 1, 3), dtype=torch.uint8).expand(12, 112, 140, 3).contiguous()
    views = VideoViews(
        frames,
        clips=torch.tensor([[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]),
        corners=[(0, 0), (0, 28)],
        crop_size=(112, 112),
        spans=[(0, 10), (1, 11)],
        rate=25.0,
    )
    heat = torch.zeros(4, 6, 112, 112)
    heat[..., :56, :] = 1
    write_strip(tmp_path / "x.png", views, heat, title="a class " * 100)
    picture = np.asarray(Image.open(tmp_path / "x.png"))
    assert picture.shape == (24 + 4 * (24 + 224), 6 * 224 + 5 * 2, 3)
    grey = frames[0, 0, 0].numpy().mean().round()
    assert abs(picture[24 + 24 + 200, 100].astype(int) - grey).max() <= 1
    yellow = np.array([252, 255, 164])  # of matplotlib's inferno
    assert abs(picture[24 + 24 + 20, 100] - (0.3 * grey + 0.7 * yellow)).max() <= 1
    write_video(tmp_path / "x.mp4", views, heat, title="x", rate=Fraction(25, 2))
    with av.open(tmp_path / "x.mp4") as container:
        (stream,) = container.streams.video
        assert (stream.average_rate, stream.codec_context.name) == (Fraction(25, 2), "h264")
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(shown) == 4 * 6
    plain = torch.cat(list(views))[:, 0, 0].numpy()
    for picture, colour in zip(shown, plain.astype(int), strict=True):
        assert picture.shape == (24 + 224, 2 * 224, 3)
        assert abs(picture[150, 100].astype(int) - colour).max() < 12  # H.264's colours are of half the size
        assert abs(picture[200, 350].astype(int) - colour.mean()).max() < 12
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "x.mp4"}
    assert np.array_equal(overlaid(np.full((1, 1, 3), 9, np.uint8), np.zeros((1, 1), np.float32)), [[[9, 9, 9]]])


@pytest.mark.slow
def test_the_command_writes_a_strip_and_a_video_of_each(run, data_root, shared_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.mp4").symlink_to(data_root / "val/00.mp4")
    broken = shared_data / "odd/derived/zero_bytes.mp4"
    words = ["gradcam", str(run), "--out", "heat", "--layer", "blocks.3"]
    assert main([*words, "--videos", "a", "b", str(broken)]) == 0
    said = capsys.readouterr()
    assert f"not decoded: {broken}: " in said.err
    first, second, last = said.out.splitlines()
    assert first.replace("heat/0.heat:", "heat/0-2.heat:") == second
    assert last == "written to heat: 2 of 3 videos, a .png and an .mp4 each"
    names = {path.name for path in (tmp_path / "heat").iterdir()}
    assert names == {f"{name}.heat.{kind}" for name in ("0", "0-2") for kind in ("png", "mp4")}
    with av.open("heat/0.heat.mp4") as container:
        assert container.streams.video[0].average_rate == Fraction(25, 2)
        assert sum(1 for _ in container.decode(video=0)) == 8
    for more, expected in {
        ("--class", "jmp"): "jmp is no class of this run; did you mean jump?",
        ("--layer", "blocks"): "blocks is no layer of this network; did you mean blocks.",
        ("--layer", "blocks.6.proj"): "layer blocks.6.proj gives no one tensor [N, C, T, H, W] in a forward",
        ("--out", "a/0.mp4"): "--out a/0.mp4: no folder can be made there: File exists",
        ("--videos", "none.mp4"): "none.mp4",
    }.items():
        assert main([*words, "--videos", "a", *more]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert expected in line
    assert main([*words, "--videos", str(broken)]) == 1
    assert "0 of 1 video could be decoded; the first: " in capsys.readouterr().err
