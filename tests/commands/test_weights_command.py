"""`videogn weights`: what it prints, writes and refuses."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import torch
import yaml

from tests.models.weights.files import caffe2_names, python2_pickle, randomize, resnet14, save, write
from videogn.cli import main
from videogn.commands.configs import find_config
from videogn.models.i3d import i3d_r50
from videogn.models.weights import read_weights
from videogn.training.module import VideoClassifier


@pytest.fixture
def resnet14_gn(tmp_path: Path) -> Path:
    return save(tmp_path / "resnet14_gn.pth", randomize(resnet14("gn")).state_dict())


def test_show_says_what_a_file_is_and_cuts_nothing(resnet14_gn, tmp_path, capsys):
    assert main(["weights", "show", str(resnet14_gn), "--json", str(tmp_path / "w.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "layer4.0.downsample.1.weight" in line)
    assert "blocks.5.res_blocks.0.branch1_norm.weight" in row
    assert "2048" in row
    assert any("conv1.weight" in line and "64 x 3 x 1 x 7 x 7" in line and "x 0.9825" in line for line in lines)
    assert "norm:    gn, 32 groups (as all known ones have: the file does not say)" in lines
    assert "network: ResNet-14 of width 64, 2-D" in lines
    assert "layout:  image" in lines
    assert "head:    7 classes" in lines
    assert any(line.startswith(f"file:    {resnet14_gn}  (sha256 ") for line in lines)
    told = json.loads((tmp_path / "w.json").read_text())
    expected = {
        "norm": "gn",
        "num_groups": 32,
        "depth": 14,
        "width": 64,
        "num_classes": 7,
        "dimensions": 2,
        "out": None,
    }
    assert {name: told[name] for name in expected} == expected
    assert {row["source"] for row in told["tensors"]} == set(torch.load(resnet14_gn))


def test_import_writes_what_fit_takes(resnet14_gn, tmp_path, capsys):
    out = tmp_path / "folder" / "w.safetensors"
    assert main(["weights", "import", str(resnet14_gn), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    fit = f"videogn fit --config i3d_gn.yaml --model.depth 14 --model.weights {out}"
    assert f"written: {out}\nuse it:  {fit}\n" in printed
    assert read_weights(out).num_groups == 32
    assert main(["weights", "show", str(out)]) == 0
    assert "(from torchvision / timm ResNet (2-D), torch file)" in capsys.readouterr().out


def test_what_is_not_used_is_listed(tmp_path, capsys):
    blobs = caffe2_names(resnet14().state_dict(), "bn")
    momenta = {f"{name}_momentum": blob for name, blob in blobs.items()}
    path = write(tmp_path / "c2.pkl", python2_pickle({**blobs, **momenta, "model_iter": 3}))
    assert main(["weights", "show", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"tensors: {len(blobs)} used, {len(momenta) + 1} not used" in lines
    assert f"  not used: *_momentum ({len(momenta)} of them)" in lines
    assert "  not used: model_iter" in lines


MAY_BE = "it may be of layout nonlocal (the Non-local release's 32x2 files), of layout slowfast (SlowFast's I3D and C2D"


@pytest.mark.parametrize(
    ("name", "layout", "words", "flags"),
    [
        ("I3D_8x8_R50.pkl", "slowfast", "slowfast, by its name: one of SlowFast's I3D and C2D files", "slowfast"),
        (
            "i3d_nonlocal_32x2_IN_pretrain_400k.pkl",
            "nonlocal",
            "nonlocal, by its name: one of the Non-local release's 32x2 files",
            None,
        ),
        (
            "i3d_nonlocal_8x8_IN_pretrain_400k.pkl",
            "other",
            "neither nonlocal nor slowfast, by its name: one of the Non-local release's 8x8 files",
            "slowfast",
        ),
        ("renamed.pkl", None, f"the file does not say: {MAY_BE}", None),
    ],
)
def test_the_layout_of_a_caffe2_file_is_shown_and_proposed(name, layout, words, flags, tmp_path, capsys):
    network = i3d_r50("bn", layout="nonlocal", depth=14, width=8, num_classes=3, crop_size=48, num_frames=8)
    path = write(tmp_path / name, python2_pickle(caffe2_names(network.state_dict(), "bn")))
    out, told = tmp_path / "w.safetensors", tmp_path / "w.json"
    assert main(["weights", "import", str(path), "--out", str(out), "--json", str(told)]) == 0
    printed = capsys.readouterr().out
    assert f"\nlayout:  {words}" in printed
    command = printed.split("use it:  ")[1].split()
    assert (command[command.index("--model.layout") + 1] if "--model.layout" in command else None) == flags
    content = json.loads(told.read_text())
    assert content["layout"] == layout
    assert content["layout_words"].startswith(words)
    assert main(["weights", "show", str(out)]) == 0
    assert f"\nlayout:  {words}" in capsys.readouterr().out


def test_a_caffe2_c2d_is_proposed_as_one(tmp_path, capsys):
    network = i3d_r50("bn", layout="nonlocal", depth=14, width=8, num_frames=8, crop_size=48, temporal_convs=False)
    for name in ("c2d_baseline_32x2_IN_pretrain_400k.pkl", "renamed.pkl"):
        path = write(tmp_path / name, python2_pickle(caffe2_names(network.state_dict(), "bn")))
        assert main(["weights", "import", str(path), "--out", str(tmp_path / f"{name}.safetensors")]) == 0
        printed = capsys.readouterr().out
        assert "network: ResNet-14 of width 8, C2D (kernels of one frame)\n" in printed
        assert " --model.temporal_convs false " in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: show|import"),
        (["convert"], "invalid choice: 'convert'"),
        (["show"], "the following arguments are required: FILE"),
        (["show", "none.pth"], "none.pth: no such file"),
        (["show", "{text}"], "none of safetensors, torch file and pickle"),
        (["import", "{file}"], "the following arguments are required: --out"),
        (["import", "{file}", "--out", "w.pth"], "--out w.pth: expected a name that ends in .safetensors"),
        (["import", "{file}", "--out", "{taken}"], "exists: remove it, or name another file"),
        (["import", "{file}", "--out", "{text}/w.safetensors"], "can't be written"),
        (["show", "{file}", "--json", "{file}"], "is the weights file: name another"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_status_2(words, message, resnet14_gn, tmp_path, capsys):
    text, taken = write(tmp_path / "text", b"some text"), write(tmp_path / "taken.safetensors", b"mine")
    assert main(["weights", *(word.format(file=resnet14_gn, text=text, taken=taken) for word in words)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("videogn weights: error: ")
    assert message in lines[0]
    assert taken.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"text", "taken.safetensors", "resnet14_gn.pth"}


def test_the_manual_page_lists_the_kinds_and_loads_nothing_heavy(capsys):
    with contextlib.suppress(SystemExit):
        main(["weights", "--help"])
    page = capsys.readouterr().out
    for name in (
        "torchvision",
        "resnet50_gn",
        "GroupNorm-reproduce",
        "R-50-GN.pkl",
        "I3D_8x8_R50.pyth",
        "i3d_baseline",
    ):
        assert name in page
    for words in (["--help"], ["show", "--help"], ["import", "--help"], ["show"]):
        code = (
            f"import sys\nfrom videogn.cli import main\ntry:\n    main({['weights', *words]!r})\n"
            "except SystemExit:\n    pass\nprint(sorted({'torch', 'numpy', 'safetensors', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]", words


@pytest.mark.parametrize(
    ("norm", "layout", "more"),
    [
        ("bn", "slowfast", {"temporal_convs": False}),
        ("gn", "nonlocal", {"channels_per_group": 4, "weight_standardization": True}),
        ("gn", "nonlocal", {"num_groups": 4}),
        ("in", "nonlocal", {"nonlocal_blocks": True}),
        ("brn", "slowfast", {}),
        ("none", "image", {}),
    ],
)
def test_the_command_that_import_prints_takes_the_file(norm, layout, more, tmp_path, capsys):
    """Whatever the network was: its flags are those that `load_weights` asks for."""
    size = {"depth": 14, "width": 8, "num_classes": 3, "crop_size": 48, "num_frames": 1 if layout == "image" else 8}
    source = VideoClassifier(norm, layout=layout, **size, **more)
    source._trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1)
    checkpoint = {"state_dict": source.state_dict()}
    source.on_save_checkpoint(checkpoint)
    out = tmp_path / "w.safetensors"
    assert main(["weights", "import", str(save(tmp_path / "own.ckpt", checkpoint)), "--out", str(out)]) == 0
    command = capsys.readouterr().out.split("use it:  ")[1].split()
    flags = dict(zip(command[4::2], command[5::2], strict=True))
    settings = {name.removeprefix("--model."): yaml.safe_load(value) for name, value in flags.items()}
    norm_of_config = yaml.safe_load(Path(find_config(command[3])).read_text())["model"]["norm"]
    fitted = VideoClassifier(**{"norm": norm_of_config, **size, "num_frames": 8, **settings})
    assert fitted.architecture["norm"] == norm
    for name, value in more.items():
        assert fitted.architecture[name] == value
    assert fitted.architecture["layout"] == ("nonlocal" if layout == "image" else layout)
