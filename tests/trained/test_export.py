"""Networks as programs: each says what its network says, at any number of views, and one that does not is not kept."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

import videogn
from videogn.cli import main
from videogn.data.datamodule import KineticsDataModule
from videogn.models.build import build_network
from videogn.models.network import VideoNetwork
from videogn.norms import NORMS
from videogn.trained import export as exporting
from videogn.trained.card import about
from videogn.trained.export import ABOUT, ExportError, ViewProbabilities, export
from videogn.trained.names import SUFFIXES

pytestmark = pytest.mark.slow  # exporting takes seconds

NETWORKS = {
    **{norm: {"norm": norm} for norm in NORMS},
    "weight standardization": {"norm": "gn", "weight_standardization": True},
    "non-local blocks": {"norm": "bn", "nonlocal_blocks": True},
    "standardized": {"norm": "gn", "input": "standardized"},
    "motion": {"norm": "ln", "input": "motion"},
    "slowfast": {"norm": "gn", "layout": "slowfast"},
    "c2d": {"norm": "bn", "temporal_convs": False},
    "c3d": {"network": "c3d", "depth": None, "norm": "gn", "num_frames": 16, "crop_size": 32},
}
ALWAYS = {"non-local blocks"}  # bn; a test of the command exports gn


def network(name: str) -> VideoNetwork:
    """A network of random parameters and statistics, none of which is 0 or 1."""
    torch.manual_seed(0)
    settings = {"num_classes": 5, "num_frames": 8, "crop_size": 64, "depth": 14, "width": 8, **NETWORKS[name]}
    groups = {"channels_per_group": 4} if settings["norm"] == "gn" else {}
    model = build_network(**settings, **groups)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.3, 0.6) if tensor.ndim == 1 else nn.init.kaiming_normal_(tensor)
    return model.to(memory_format=torch.channels_last_3d).eval()


class Small(nn.Module):
    """What an I3D looks like from outside."""

    input = "rgb"

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 5, 1)

    def positions(self, clips: torch.Tensor) -> torch.Tensor:
        return self.conv(clips).flatten(2)


@pytest.fixture(scope="module")
def views(shared_data: Path) -> torch.Tensor:
    """Of real clips, uint8 [5, 8, 72, 72, 3]: larger than the network was made for, so that it has more positions."""
    data = KineticsDataModule(num_frames=8, crop_size=64, scale_size=72, test_scale_size=72, test_crop_size=72)
    data.protocol = "1x1"
    paths = [*sorted((shared_data / "actions/val").rglob("*.mp4"))[::30], shared_data / "odd/decord_video_270.mov"]
    return torch.stack([data.views_of(path)[0] for path in paths])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", ["torch_export", "onnx"])
def test_a_program_says_what_its_network_says(name, form, views, tmp_path, request, monkeypatch):
    if name not in ALWAYS and not request.config.getoption("--full"):
        pytest.skip("--full exports all networks")
    if form == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    monkeypatch.setattr(exporting, "_SECONDS_OF_TIMING", 0.0)
    model = network(name)
    views = views.repeat(1, NETWORKS[name].get("num_frames", 8) // 8, 1, 1, 1)
    out = tmp_path / f"x{SUFFIXES[form]}"
    checked = export(model, views[:3], out, name=form, about={"classes": ["a"]})
    assert list(tmp_path.iterdir()) == [out]
    assert set(checked.milliseconds) == {1, 3}
    with torch.no_grad():
        expected = ViewProbabilities(model)(views)
    # A saturated softmax would hide differences.
    assert expected.max() < 0.99
    assert expected.std(dim=0).max() > 1e-3
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(out))
        found = torch.from_numpy(session.run(None, {"views": views.numpy()})[0])
        about = session.get_modelmeta().custom_metadata_map["videogn"]
    else:
        extra = {ABOUT: ""}
        found = torch.export.load(out, extra_files=extra).module()(views)
        about = extra[ABOUT]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert json.loads(about) == {"classes": ["a"]}


def test_a_program_that_differs_is_not_kept(views, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    model = Small()
    with pytest.raises(ExportError, match=r"differs from the network by 0 in a probability; expected less than 0\."):
        export(model, views[:2], tmp_path / "x.pt2", name="torch_export", about={})
    assert not list(tmp_path.iterdir())


def test_a_program_that_differs_where_the_network_is_sure_is_not_kept(views, tmp_path, monkeypatch):
    model = Small()
    model.conv.bias.data[0] = 12.0  # of all others the probabilities are below 1e-4
    read = exporting._read_pt2

    def read_another(path: Path) -> exporting.Program:
        program = read(path)
        return lambda views: torch.nn.functional.normalize(program(views) ** 1.05, p=1, dim=1)

    monkeypatch.setattr(exporting, "_read_pt2", read_another)
    with pytest.raises(
        ExportError, match=r"differs from the network by 0\.\d+ of a probability; expected less than 0\.01 "
    ):
        export(model, views[:2], tmp_path / "x.pt2", name="torch_export", about={})
    assert not list(tmp_path.iterdir())


def test_a_card_has_the_accuracy_of_its_own_checkpoint(run, data_root, tmp_path):
    own = shutil.copytree(run, tmp_path / "run")
    words = ["--run_dir", str(own), "--data.root", str(data_root), "--data.protocol", "1x1"]
    assert main(["test", "--no_report", *words]) == 0
    model = videogn.load(own)
    assert about(model, own)["result"]["num_videos_scored"] == 5
    model.module.training_run["seed"] += 1  # of another run of the same length on the same videos
    assert about(model, own)["result"] is None


def test_the_command_writes_a_program_and_its_card(run, data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporting, "_SECONDS_OF_TIMING", 0.0)
    assert main(["export", str(run), "--out", "x.pt2"]) == 2
    assert "name videos to check the program on, with --videos" in capsys.readouterr().err
    assert main(["export", str(run), "--out", "x.onnx"]) == 2
    assert "expected a name that ends in .pt2, as --format is torch_export" in capsys.readouterr().err
    if find_spec("onnxscript") is None:
        assert main(["export", str(run), "--out", "x.onnx", "--format", "onnx"]) == 2
        assert "pip install 'videogn[onnx]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("sys.argv", ["videogn"])
    assert (
        main(["test", "--no_report", "--run_dir", str(run), "--data.root", str(data_root), "--data.protocol", "1x1"])
        == 0
    )
    top1 = json.loads((run / "result.json").read_text())["top1"]
    assert main(["export", str(run), "--out", "x.pt2", "--videos", str(data_root / "val"), "--json", "x.json"]) == 0
    assert json.loads((tmp_path / "x.json").read_text())["largest_difference"] < 1e-5
    assert "checked on 4 real views: within " in capsys.readouterr().out
    card = (tmp_path / "x.pt2.md").read_text()
    assert "| input | uint8 [N, 8, 32, 32, 3], RGB" in card
    assert f"1x1 (nonlocal): top-1 {top1:.2f} %, 5 of 5 videos scored" in card
    assert card.endswith("Classes, by index:\n\n0. jump\n1. run\n")
    code = card.partition("```python\n")[2].partition("```")[0]
    names = {"views": torch.randint(0, 256, (3, 8, 32, 32, 3), dtype=torch.uint8)}
    exec(code, names)
    assert names["probabilities"].shape == (3, 2)
