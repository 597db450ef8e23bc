"""What a GPU computes against a CPU in float64. Without a GPU the same tests run on the CPU.

FAIL_WITHOUT_CUDA=1 fails without a GPU: for a machine that is meant to have one.
"""

import copy
import gc
import json
import os
from typing import get_args

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from tests.models.networks import NORM_SETTINGS, clips, randomize_norms
from tests.models.networks import build as build_network
from tests.runs import TINY, videogn
from tests.training.networks import QUIET, batch, build
from videogn.models.compiled import compiled, positions
from videogn.models.i3d import PartName, i3d_r50
from videogn.models.input import normalize
from videogn.models.memory import step_memory
from videogn.models.norm import norm_factory
from videogn.norms import NORMS

ALL = get_args(PartName)
HAS_CUDA = torch.cuda.is_available()
needs_cuda = pytest.mark.skipif(not HAS_CUDA and not os.environ.get("FAIL_WITHOUT_CUDA"), reason="no GPU here")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    if not HAS_CUDA:
        if os.environ.get("FAIL_WITHOUT_CUDA"):
            pytest.fail("no GPU here, and FAIL_WITHOUT_CUDA is set")
        return torch.device("cpu")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return torch.device("cuda")


def off(found: torch.Tensor, exact: torch.Tensor) -> float:
    """Root mean square error, relative to the exact values'."""
    exact = exact.detach().double().cpu()
    return float((found.detach().double().cpu() - exact).square().mean().sqrt() / exact.square().mean().sqrt())


@pytest.mark.parametrize("mean", [1, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_is_float64s(device, norm, memory, dtype, mean):
    """Output and gradients. CUDA's group norm takes gammas, and keeps statistics, in half precision: gammas are rounded
    alike here, and a mean far from 0 may be off by its own rounding."""
    torch.manual_seed(0)
    exact = randomize_norms(norm_factory(**NORM_SETTINGS[norm])(num_features=32)).train()
    for parameter in exact.parameters():
        parameter.data = parameter.to(dtype).float()
    layer = copy.deepcopy(exact).to(device)
    exact = exact.double()
    x = (torch.randn(4, 32, 4, 9, 9) + mean).to(dtype)
    gradient = torch.randn(x.shape).to(dtype)
    own = x.to(device).contiguous(memory_format=memory).requires_grad_()
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        output = layer(own)
    wide = x.double().requires_grad_()
    expected = exact(wide)
    found = torch.autograd.grad(output, (own, layer.weight, layer.bias), gradient.to(device))
    of_exact = torch.autograd.grad(expected, (wide, exact.weight, exact.bias), gradient.double())
    assert output.dtype == found[0].dtype == dtype
    bound = 1e-4 if dtype == torch.float32 else 0.005 * mean
    for one, other in zip((output, *found), (expected, *of_exact), strict=True):
        assert off(one, other) < bound


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_is_float64s(device, norm):
    """Logits, and the gradients that reach the stem and the last layer, in float32."""
    exact = randomize_norms(build_network(norm)).train()
    network = copy.deepcopy(exact).to(device, memory_format=torch.channels_last_3d)
    exact = exact.double()
    views = clips(4)
    found, expected = network(views.to(device)), exact(views.double())
    found.square().sum().backward()
    expected.square().sum().backward()
    assert off(found, expected) < 1e-4
    for name in ("blocks.0.conv.weight", "blocks.6.proj.weight"):
        assert off(network.get_parameter(name).grad, exact.get_parameter(name).grad) < 5e-3


def test_input_is_normalised_alike(device):
    views = torch.randint(0, 256, (2, 1, 4, 9, 9, 3), dtype=torch.uint8)
    assert off(normalize(views.to(device)), normalize(views)) < 1e-6
    with torch.autocast(device.type, torch.bfloat16):
        assert off(normalize(views.to(device)), normalize(views)) < 0.004


@needs_cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("missing", [[], [1]])
def test_a_step_does_not_wait_for_the_gpu(device, norm, missing):
    class WithoutWaiting(lightning.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            # The first update makes what later ones use.
            torch.cuda.set_sync_debug_mode("error" if batch_idx >= 2 else "default")

        def on_train_batch_end(self, *_) -> None:
            torch.cuda.set_sync_debug_mode("default")

    batches = [{**batch(4, seed=seed), "missing": missing} for seed in range(8)]
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="gpu", devices=1, precision="bf16-mixed", accumulate_grad_batches=2,
        gradient_clip_val=1.0, log_every_n_steps=50, callbacks=[WithoutWaiting()], **QUIET,
    )  # fmt: skip
    try:
        trainer.fit(build(norm), DataLoader(batches, batch_size=None, pin_memory=True))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert trainer.global_step == 4


@needs_cuda
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler
@pytest.mark.parametrize("norm", ["gn", "bn"])
def test_a_compiled_network_is_float64s(device, norm):
    """In training and in evaluation; in float32 as close as eager mode, in bf16 within its rounding."""
    exact = randomize_norms(build_network(norm))
    network = copy.deepcopy(exact).to(device, memory_format=torch.channels_last_3d)
    exact = exact.double()
    views = torch.randint(0, 256, (4, 8, 48, 48, 3), dtype=torch.uint8)
    run = compiled(positions)
    for training in (True, False):
        expected = exact.train(training).positions(normalize(views).double())
        assert off(run(network.train(training), views.to(device)), expected) < 1e-4
        with torch.autocast("cuda", torch.bfloat16):
            assert off(run(network, views.to(device)), expected) < 0.03
    expected = exact.train().positions(normalize(views).double())
    expected.square().sum().backward()
    run(network.train(), views.to(device)).square().sum().backward()
    for name in ("blocks.0.conv.weight", "blocks.6.proj.weight"):
        assert off(network.get_parameter(name).grad, exact.get_parameter(name).grad) < 5e-3


@needs_cuda
@pytest.mark.parametrize(("norm", "parts"), [*((norm, ()) for norm in NORMS), ("gn", ("stem", "res2")), ("gn", ALL)])
def test_a_step_takes_the_memory_that_is_counted(device, norm, parts):
    sizes = {"num_frames": 32, "crop_size": 112, "activation_checkpointing": parts}
    clip = {"num_frames": 32, "crop_size": 112}
    counted = step_memory(lambda: i3d_r50(norm, **sizes), **clip, autocast=torch.bfloat16, multiple_of=2)
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    network = i3d_r50(norm, **sizes).train().to(device, memory_format=torch.channels_last_3d)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
    views = torch.zeros(8, 1, 32, 112, 112, 3, dtype=torch.uint8, device=device)
    for _ in range(2):
        torch.cuda.reset_peak_memory_stats()
        with torch.autocast("cuda", torch.bfloat16):
            loss = network(normalize(views)).float().square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.cuda.max_memory_allocated() - before == pytest.approx(counted.at(8), rel=0.1)


@pytest.mark.slow
def test_a_run_by_the_command_gives_the_cpus_figures(device, data_root, tmp_path):
    """Training in two parts, statistics re-estimated, all views of a test: in float32, against the CPU."""
    (tmp_path / "tiny.yaml").write_text(TINY.replace("norm: gn, channels_per_group: 4", "norm: bn"))
    results = {}
    for name in dict.fromkeys(("cpu", "gpu" if HAS_CUDA else "cpu")):
        more = ["--trainer.accelerator", name, "--trainer.precision", "32-true", "--run_dir", name]
        words = ["--config", "tiny.yaml", "--data.root", str(data_root), *more, "--precise_bn_batches", "2"]
        schedule = ["--model.base_lr", "0.05", "--model.schedule.milestones", "[100]"]
        videogn("fit", *words, *schedule, "--trainer.max_epochs", "1", cwd=tmp_path, interpreter=HAS_CUDA)
        parts = ["fit", *more[-2:], "--ckpt_path", "last", "--trainer.max_epochs", "2"]
        videogn(*parts, cwd=tmp_path, interpreter=HAS_CUDA)
        videogn("test", *more[-2:], cwd=tmp_path, interpreter=HAS_CUDA)
        results[name] = json.loads((tmp_path / name / "result.json").read_text())
    cpu, gpu = results["cpu"], results["gpu" if HAS_CUDA else "cpu"]
    assert gpu["steps"] == 6
    assert gpu["precise_bn"] == {"batches": 2, "clips": 8}
    assert gpu["num_videos_scored"] == 5
    assert gpu["loss"] == pytest.approx(cpu["loss"], rel=0.05)
