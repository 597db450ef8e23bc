"""Where numbers stop being finite: the layer, the clips, the videos; or that it can't be known any more."""

import re
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor

from tests.runs import TINY
from tests.training.networks import batch, build
from videogn.cli import main
from videogn.models.i3d import I3D
from videogn.norms import NORMS
from videogn.training.errors import NonFiniteLoss
from videogn.training.non_finite import Place, first_layer_not_finite, first_not_finite

NAME = "blocks.3.res_blocks.0.branch2.conv_b"  # of res3


def overflow(model: I3D) -> None:
    with torch.no_grad():
        model.get_parameter(f"{NAME}.weight").fill_(torch.finfo(torch.float32).max)


def clips(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 8, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", [name for name in NORMS if name != "none"])
def test_the_first_layer_that_overflows_is_named(norm):
    model = build(norm).model.train()
    assert first_layer_not_finite(model, lambda: model(clips())) is None
    overflow(model)
    assert first_not_finite(model) is None
    found = first_layer_not_finite(model, lambda: model(clips()))
    assert found == Place(f"the output of {NAME} (in res3)", (0, 1, 2), 3)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_an_input_that_is_not_finite_is_no_layers_fault():
    model, given = build("gn").model.train(), clips()
    given[1, 0, 3, 5, 7] = float("inf")
    assert first_layer_not_finite(model, lambda: model(given)) == Place("the network's input", (1,), 3)
    model = build("bn").model.train()
    given[0, 2] = float("nan")
    assert first_layer_not_finite(model, lambda: model(given)) == Place("the network's input", (0, 1), 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_first_weight_or_statistic_that_is_not_finite_is_named(value):
    model = build("bn").model
    model.get_buffer("blocks.4.res_blocks.0.branch1_norm.running_var")[1] = value
    assert first_not_finite(model) == "blocks.4.res_blocks.0.branch1_norm.running_var (in res4)"
    with torch.no_grad():
        model.get_parameter(f"{NAME}.weight")[0, 0, 0, 0, 0] = value
    assert first_not_finite(model) == f"{NAME}.weight (in res3)"
    with pytest.raises(
        NonFiniteLoss, match=re.escape(f"the network's output is not finite: {NAME}.weight (in res3) is")
    ):
        build_with(model).probabilities(list(batch(2)["views"]))


def build_with(model: I3D):
    module = build("bn").eval()
    module.model = model.eval()
    return module


class Break(lightning.Callback):
    """Makes a layer overflow before a forward, or one weight NaN."""

    def __init__(self, batch_idx: int) -> None:
        self.batch_idx = batch_idx

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx == self.batch_idx:
            overflow(pl_module.model)


@pytest.fixture
def words(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    trainer = ["--trainer.callbacks", "tests.training.test_non_finite.Break", "--trainer.callbacks.batch_idx", "1"]
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--data.num_workers", "0", *trainer]


@pytest.mark.parametrize(
    ("more", "num_clips"),
    [
        ([], 4),
        (["--data.batch_size", "2", "--total_batch_size", "4"], 2),  # the second of two forwards of the first update
        (["--data.clips_per_video", "2", "--data.batch_size", "2", "--total_batch_size", "4"], 2),
        (["--model.mixup", "0.2"], 4),
    ],
)
def test_a_run_names_layer_and_videos(words, more, num_clips, capsys, data_root):
    assert main([*words, *more]) == 4
    streams = capsys.readouterr()
    error = streams.err.splitlines()[-1]
    updates = 1 if num_clips == 4 else 0
    assert f"the training loss is nan in epoch 1, batch 2, after {updates} updates: " in error
    found = re.search(
        rf"; the weights are finite, and the first that is not is the output of {re.escape(NAME)} \(in res3\), for "
        rf"{num_clips} of {num_clips} clips, first (\S+)$",
        error,
    )
    assert found is not None, error
    paths = re.search(r"^these are: (.*)$", streams.out, re.MULTILINE)[1].split(", ")
    assert len(paths) == num_clips
    assert paths[0] == found[1]
    assert all(Path(path).parent == data_root / "train" for path in paths)


def test_a_run_says_where_it_can_not_be_known_any_more_and_how_it_can(words, capsys):
    assert main([*words, "--trainer.log_every_n_steps", "3"]) == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert "in epoch 1, batch 2, after 1 updates" in error
    assert re.search(
        r"; after 2 updates the weights are not finite either, first blocks\.\S+ \(in stem\); the same command with",
        error,
    )
    assert "with --trainer.log_every_n_steps 1 stops before the update, and names the layer" in error
