"""Between two log points a training reads no value from its device: on a GPU that would wait for all that is under way.

Lightning's whole loop runs here on the CPU, and every reading of a tensor is counted.
"""

import contextlib

import lightning
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from tests.models.networks import NORM_SETTINGS
from tests.training.networks import QUIET, SMALL, batch, build
from videogn.models.fake_cuda import fake_cuda
from videogn.models.i3d import i3d_r50
from videogn.norms import NORMS
from videogn.training.callbacks import Throughput
from videogn.training.errors import NonFiniteLoss
from videogn.training.module import VideoClassifier

NUM_BATCHES = 8


class Readings(TorchDispatchMode):
    """Names the operations whose result's shape or Python value depends on a tensor's values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        by_mask = "index" in func.name() and any(
            isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ())
        )
        if by_mask or torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags:
            self.found.append(func.name())
        return func(*args, **(kwargs or {}))


class Watch(lightning.Callback):
    """Counts from the start of each training batch to its end."""

    def __init__(self) -> None:
        self.by_batch: list[list[str]] = []
        self._inside = contextlib.ExitStack()

    def on_train_batch_start(self, *_) -> None:
        self.mode = self._inside.enter_context(Readings())

    def on_train_batch_end(self, *_) -> None:
        self._inside.close()
        self.by_batch.append(self.mode.found)


def train(model: VideoClassifier, monkeypatch, *, missing: tuple[int, ...] = ()) -> Watch:
    batches = [{**batch(4, seed=seed), "missing": list(missing)} for seed in range(NUM_BATCHES)]
    watch = Watch()
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=2, gradient_clip_val=1.0, log_every_n_steps=50,
        callbacks=[Throughput(), watch], **QUIET,
    )  # fmt: skip
    with monkeypatch.context() as patched:
        for name in ("tolist", "numpy"):  # they do not pass the dispatcher
            patched.setattr(Tensor, name, lambda *_: pytest.fail("a tensor became a list or an array"))
        trainer.fit(model, DataLoader(batches, batch_size=None))
    assert trainer.global_step == NUM_BATCHES // 2
    return watch


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("missing", [(), (1,), (0, 1)])
def test_a_step_reads_no_value(norm, missing, monkeypatch):
    """Forward, backward, gradient clipping, SGD, running statistics, metrics and logging; two forwards an update."""
    split = {"norm_batch_size": 2} if norm in ("bn", "brn") else {}
    found = train(build(norm, label_smoothing=0.1, **split), monkeypatch, missing=missing).by_batch
    assert found == [[]] * NUM_BATCHES


@pytest.mark.parametrize("reading", [torch.Tensor.item, bool, torch.nonzero, lambda loss: loss[loss > 0]])
def test_a_reading_is_seen(reading, monkeypatch):
    model = build()
    step = model.training_step

    def training_step(batch, batch_idx):
        loss = step(batch, batch_idx)
        reading(loss.detach())
        return loss

    model.training_step = training_step
    assert all(train(model, monkeypatch).by_batch)


@pytest.mark.parametrize("norm", NORMS)
def test_a_forward_on_a_gpu_reads_no_value(norm):
    """There, some operations read values that they do not read on a CPU."""
    model = build(norm)
    model.trainer = lightning.Trainer(accelerator="cpu", **QUIET)
    with fake_cuda(torch.bfloat16):
        model.model = i3d_r50(**{**SMALL, **NORM_SETTINGS[norm]}).train()
        views, labels = torch.zeros(4, 1, 8, 64, 64, 3, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
        given = {"views": views, "labels": labels, "weights": torch.ones(4), "indices": labels}
        loss = model.training_step({**given, "missing": [1], "failures": []}, 0)
        assert loss.device.type == "cuda"
        with pytest.raises(DataDependentOutputException):
            loss.item()


class FillWithNaN(lightning.Callback):
    def __init__(self, batch_idx: int) -> None:
        self.batch_idx = batch_idx

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if batch_idx == self.batch_idx:
            with torch.no_grad():
                pl_module.model.blocks[-1].proj.bias.fill_(float("nan"))


def fit_with_nan(at: int, *callbacks: lightning.Callback, every: int = 2, **settings) -> lightning.Trainer:
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=2, log_every_n_steps=every,
        callbacks=[FillWithNaN(at), *callbacks], **QUIET, **settings,
    )  # fmt: skip
    batches = [{**batch(4, seed=seed), "indices": torch.arange(4) + 10 * seed} for seed in range(NUM_BATCHES)]
    with pytest.raises(NonFiniteLoss) as caught:
        trainer.fit(build("gn"), DataLoader(batches, batch_size=None))
    trainer.said = str(caught.value)
    return trainer


@pytest.mark.parametrize("at", [0, 1, 4, 5, 7])
def test_a_loss_that_is_not_finite_stops_at_the_next_log_point_and_says_where_it_was(at, capsys):
    trainer = fit_with_nan(at)
    assert f"loss is nan in epoch 1, batch {at + 1}, after {at // 2} updates" in trainer.said
    assert f"places in the training list: {[10 * at + k for k in range(4)]}" in capsys.readouterr().out
    assert trainer.global_step - at // 2 <= 2
    assert trainer.global_step in (2, 4)


def test_it_stops_before_a_checkpoint_is_written(tmp_path):
    class Save(lightning.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            trainer.save_checkpoint(tmp_path / f"{batch_idx}.ckpt")

    fit_with_nan(2, Save(), every=50)
    assert {path.name for path in tmp_path.iterdir()} == {"0.ckpt", "1.ckpt"}
