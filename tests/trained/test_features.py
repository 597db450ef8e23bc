"""What a layer says of videos: against the network's own arithmetic, and as a file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from videogn.cli import main
from videogn.data.datamodule import KineticsDataModule
from videogn.models.input import normalize
from videogn.trained.features import write_features
from videogn.trained.model import TrainedModel
from videogn.training.module import VideoClassifier

SIZES = {"num_frames": 8, "crop_size": 32}
TESTS = {"scale_size": 32, "test_scale_size": 40, "test_crop_size": 32, "num_workers": 0}


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A network that nobody trained, of random gammas: at the first, its residual branches would say nothing."""
    torch.manual_seed(0)
    module = VideoClassifier("bn", depth=14, width=8, num_classes=3, device_batch_size=4, **SIZES)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return TrainedModel(module, KineticsDataModule(**SIZES, **TESTS), classes=["a", "b", "c"])


def test_the_last_layer_makes_probabilities_of_what_goes_into_it(model, video):
    features = model.features(video, per="view").numpy()
    last = model.module.model.blocks[-1].proj
    logits = features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert features.shape == (30, 256)
    said = model(video)
    np.testing.assert_allclose(shares.mean(0), [said[name] for name in "abc"], rtol=1e-5)
    by_clip, by_video = (model.features(video, per=per).numpy() for per in ("clip", "video"))
    np.testing.assert_allclose(by_clip, features.reshape(10, 3, 256).mean(1), rtol=1e-5)
    np.testing.assert_allclose(by_video, features.mean(0, keepdims=True), rtol=1e-5)


def test_the_last_layer_of_a_c3d_is_a_convolution(video):
    sizes = {"num_frames": 16, "crop_size": 32}
    torch.manual_seed(0)
    module = VideoClassifier("gn", channels_per_group=4, network="c3d", width=8, num_classes=3, **sizes)
    model = TrainedModel(module, KineticsDataModule(**sizes, **TESTS), classes=["a", "b", "c"])
    model.data.protocol = "1x1"
    (features,) = model.features(video).numpy()
    last = module.model.get_submodule("blocks.5.proj")
    logits = last.weight.detach().numpy().reshape(3, -1) @ features + last.bias.detach().numpy()
    said = model(video)
    assert features.shape == (512,)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), [said[name] for name in "abc"], rtol=1e-5)
    np.testing.assert_allclose(model.features(video, layer="blocks.5.relu7")[0], features, rtol=1e-5)


@pytest.mark.parametrize("layer", ["blocks.4", "blocks.4.res_blocks.0.branch2.norm_a", "blocks.6.proj"])
def test_any_layer_is_heard_in_evaluation(model, video, layer):
    views = torch.stack(list(model.data.views_of(video)))
    x = normalize(views)
    parts = model.module.model.blocks
    with torch.no_grad():
        for part in parts[:4]:
            x = part(x)
        if layer == "blocks.4":
            expected = parts[4](x).mean((2, 3, 4))
        elif layer == "blocks.6.proj":
            expected = model.module.model(normalize(views))
        else:  # a ReLU behind it works in place
            branch = parts[4].res_blocks[0].branch2
            expected = branch.norm_a(branch.conv_a(x)).mean((2, 3, 4))
    model.module.train()
    (found,) = model.module.features(views[None], layer=layer)
    assert model.module.training
    model.module.eval()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not found.is_inference()  # so that something can be trained on it


def test_a_wrong_layer_is_told_the_right_ones(model, video):
    with pytest.raises(
        ValueError, match=r"block\.4 is no layer of this network; did you mean blocks\.4 or blocks\.6 or "
    ):
        model.features(video, layer="block.4")
    with pytest.raises(ValueError, match=r"^help is no layer of this network\. Its layers are blocks\.0, ") as error:
        model.features(video, layer="help")
    assert "blocks.4.res_blocks.0.branch2.conv_b, " in str(error.value)
    assert not model.module.model.blocks[4]._forward_hooks


@pytest.mark.parametrize("suffix", [".safetensors", ".npy"])
def test_a_file_says_where_each_row_is_from(model, data_root, shared_data, tmp_path, suffix):
    real = shared_data / "odd/derived/zero_bytes.mp4", shared_data / "odd/torchcodec_animated.gif"
    videos = model.videos([data_root / "val", *real])
    out = tmp_path / f"features{suffix}"
    written = write_features(model, videos, out, per="view", about={"run": "x"})
    names = [str(data_root / "val" / f"{k:02d}.mp4") for k in range(5)] + [str(real[1])]
    if suffix == ".npy":
        values = np.load(out, mmap_mode="r")
        rest = json.loads(out.with_suffix(".json").read_text())
    else:
        rest = {name: tensor.numpy() for name, tensor in load_file(out).items()}
        values = rest.pop("features")
        with safe_open(out, "pt") as file:
            rest |= {name: json.loads(file.metadata()[name]) for name in ("videos", "failed", "about")}
    assert {path.name for path in tmp_path.iterdir()} == {out.name, *([] if suffix != ".npy" else ["features.json"])}
    assert rest["videos"] == names == written.videos
    assert list(rest["failed"]) == [str(real[0])]
    assert rest["about"] == {"run": "x"}
    assert values.shape == (180, 256)
    assert np.array_equal(rest["video"], np.repeat(range(6), 30))
    assert np.array_equal(rest["clip"], np.tile(np.repeat(range(10), 3), 6))
    assert np.array_equal(rest["crop"], np.tile(range(3), 60))
    # 20 frames of 25 a second: clip j begins at 2 j, spans 15 frames, and goes on at the beginning.
    first = np.array(rest["frames"])[:30:3]
    assert np.array_equal(first, [[2 * j, (2 * j + 14) % 20] for j in range(10)])
    np.testing.assert_allclose(np.array(rest["seconds"])[:30:3], (first + np.array([0, 1])) / 25)
    for place, name in enumerate(names):
        np.testing.assert_allclose(values[30 * place : 30 * place + 30], model.features(name, per="view"), rtol=1e-5)


def test_names_that_no_header_holds_are_refused_before_the_work(model, data_root, tmp_path, monkeypatch):
    monkeypatch.setattr("videogn.trained.features._MOST_NAMES_BYTES", 100)
    with pytest.raises(ValueError, match=r"the names of 5 videos are 0 MB, too many for a \.safetensors file"):
        write_features(model, model.videos([data_root / "val"]), tmp_path / "x.safetensors", about={})
    assert not list(tmp_path.iterdir())


def test_what_is_stopped_leaves_what_was_there(model, data_root, tmp_path):
    out = tmp_path / "features.safetensors"
    out.write_text("old")

    def stop(name: str, outcome: object, num_done: int, total: int) -> None:
        if num_done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(model, model.videos([data_root / "val"]), out, about={}, on_done=stop)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(out.name, "old")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--out", "features.txt"], "expected a name that ends in .safetensors or .npy"),
        (["--out", "none/features.npy"], "--out none/features.npy: no such folder"),
        (["--out", "features.npy"], "holds no run (no config.yaml)"),
        (["--out", "features.npy", "--per", "frame"], "argument --per: invalid choice"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["features", ".", "--videos", "a.mp4", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert not list(Path().iterdir())
