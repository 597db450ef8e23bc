"""Compiled networks and activation checkpointing in a training: the numbers of the plain one."""

import copy
from functools import partial

import lightning
import pytest
import torch
import torch._dynamo
from torch import Tensor
from torch._dynamo.utils import counters
from torch.utils.data import DataLoader

from tests.runs import TINY, videogn
from tests.training.networks import QUIET, batch, build
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import estimate_statistics


@pytest.fixture
def without_inductor(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def train(model: VideoClassifier, batches: list[dict], **more) -> dict[str, Tensor]:
    settings = {"max_epochs": 1, "accelerator": "cpu", "accumulate_grad_batches": 2, **QUIET, **more}
    lightning.Trainer(**settings).fit(model, DataLoader(batches, batch_size=None))
    return model.state_dict()


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def without_a_clip(whole: dict, rows: range) -> dict:
    views = whole["views"].clone()
    views[list(rows)] = 0
    return {**whole, "views": views, "weights": whole["weights"].index_fill(0, torch.tensor(rows), 0.0)} | {
        "missing": list(rows)
    }


@pytest.mark.parametrize(("norm", "more"), [("gn", {}), ("bn", {"norm_batch_size": 2})])
def test_a_compiled_training_is_the_eager_one(norm, more, without_inductor):
    batches = [batch(4, seed=k) for k in range(4)]
    batches[1] = without_a_clip(batches[1], range(2))  # a whole normalisation batch
    ways = [build(norm, compile=compile, **more) for compile in (True, False)]
    compiled, eager = (train(model, copy.deepcopy(batches)) for model in ways)
    assert_close(compiled, eager)
    assert counters["stats"]["unique_graphs"] == 1
    # 7 views: one whole device batch, and a rest for which no graph is made.
    views = batch(7)["views"]
    with torch.inference_mode():
        found, expected = (model.eval().probabilities(views) for model in ways)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == 2


def test_statistics_are_estimated_without_a_graph_of_their_own(without_inductor):
    compiled, eager = (build("bn", compile=compile) for compile in (True, False))
    for model in (compiled, eager):
        with torch.compiler.set_stance("force_eager"):
            estimate_statistics(model.model, [batch(4)["views"]], model)
    assert not counters["stats"]["unique_graphs"]
    assert_close(compiled.state_dict(), eager.state_dict())


@pytest.mark.parametrize("norm", ["gn", "bn", "brn"])
def test_activations_that_are_computed_again_train_the_same_network(norm):
    batches = [batch(4, seed=k) for k in range(4)]
    plain, recomputing = (
        train(build(norm, activation_checkpointing=parts), copy.deepcopy(batches)) for parts in ((), ("stem", "res2"))
    )
    assert all(torch.equal(value, plain[name]) for name, value in recomputing.items())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"activation_memory_budget": 0.5}, "activation_memory_budget is for compile"),
        ({"activation_memory_budget": 1.5, "compile": True}, "activation_memory_budget is 1.5; expected a share in"),
        ({"activation_checkpointing": ("stem",), "compile": True}, "activation_checkpointing is for eager mode"),
    ],
)
def test_what_does_not_go_together(settings, says):
    with pytest.raises(ValueError, match=says):
        build("gn", **settings)


@pytest.mark.slow
def test_a_run_goes_on_with_activations_computed_again(data_root, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("norm: gn, channels_per_group: 4", "norm: bn"))
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), "--model.schedule.milestones", "[100]"]
    videogn("fit", *words, "--run_dir", "whole", cwd=tmp_path)
    videogn("fit", *words, "--run_dir", "parts", "--trainer.max_epochs", "1", cwd=tmp_path)
    again = ["--model.activation_checkpointing", "[stem,res2]", "--trainer.max_epochs", "2"]
    said = videogn("fit", "--run_dir", "parts", "--ckpt_path", "last", *again, cwd=tmp_path)
    assert "activations          of stem and res2: computed again, not kept" in said
    whole, parts = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    )
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


@pytest.mark.slow
def test_a_machine_without_a_compiler_is_told(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "/no/compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ["--data.root", str(data_root), "--model.compile", "true", "--trainer.accelerator", "cpu"]
    said = videogn("fit", "--config", "tiny.yaml", *words, cwd=tmp_path, status=1, interpreter=True)
    assert "compiled             by torch.compile" in said
    last = said.strip().splitlines()[-1]
    assert last.startswith(
        "videogn fit: error: torch.compile failed: InvalidCxxCompiler: No working C++ compiler found"
    )
    assert last.endswith("(without --model.compile the run needs no compiler)")
