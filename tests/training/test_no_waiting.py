"""Between two log points a training reads no value from its device: on a GPU that would wait for all that is under way.

Lightning's whole loop runs here on the CPU, and every reading of a tensor is counted.
"""

import contextlib
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from tests.models.networks import NORM_SETTINGS
from tests.runs import on_two_devices
from tests.training.networks import QUIET, SMALL, batch, build
from videogn.models.batch_norm import BatchNorm, update_running_statistics
from videogn.models.fake_cuda import fake_cuda
from videogn.models.i3d import i3d_r50
from videogn.norms import NORMS
from videogn.training.callbacks import ProgressBar, Throughput
from videogn.training.errors import NonFiniteLoss
from videogn.training.log_points import LossWatch
from videogn.training.loggers import MetricsCSV
from videogn.training.module import VideoClassifier
from videogn.training.update import Update

NUM_BATCHES = 8
pytestmark = pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than the logging interval")


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
    """Counts from the start of each training batch to the start of the next: all hooks, metrics and loggers."""

    def __init__(self) -> None:
        self.by_batch: list[list[str]] = []
        self._inside = contextlib.ExitStack()

    def on_train_batch_start(self, *_) -> None:
        self._inside.close()
        self.by_batch.append(self._inside.enter_context(Readings()).found)

    def on_validation_start(self, *_) -> None:
        self._inside.close()

    def on_train_epoch_end(self, *_) -> None:
        self._inside.close()


def train(model: VideoClassifier, monkeypatch, folder: Path, *, missing: tuple[int, ...] = ()) -> list[list[str]]:
    """What each batch has read, up to the last one, which is a log point."""
    batches = [{**batch(4, seed=seed), "missing": list(missing)} for seed in range(NUM_BATCHES)]
    watch = Watch()
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=2, gradient_clip_val=1.0, log_every_n_steps=50,
        logger=MetricsCSV(folder), enable_checkpointing=False, enable_model_summary=False,
        callbacks=[watch, Throughput(), ProgressBar()],
    )  # fmt: skip
    with monkeypatch.context() as patched:
        right = {name: getattr(Tensor, name) for name in ("tolist", "numpy")}
        for name in right:  # they do not pass the dispatcher
            patched.setattr(Tensor, name, lambda self, *_, name=name, **__: note(name) or right[name](self))

        def note(name: str) -> None:
            watch.by_batch[-1].append(name)

        trainer.fit(model, DataLoader(batches, batch_size=None))
    assert trainer.global_step == NUM_BATCHES // 2
    assert len(watch.by_batch) == NUM_BATCHES
    assert "train/loss_epoch" in (folder / "metrics.csv").read_text()
    return watch.by_batch[:-1]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("missing", [(), (1,), (0, 1)])
def test_a_step_reads_no_value(norm, missing, monkeypatch, tmp_path):
    """Forward, backward, clipping, SGD, the average of weights, running statistics, metrics, logging, progress bar."""
    split = {"norm_batch_size": 2} if norm in ("bn", "brn") else {}
    found = train(build(norm, label_smoothing=0.1, ema=0.9, **split), monkeypatch, tmp_path, missing=missing)
    assert found == [[]] * (NUM_BATCHES - 1)


@pytest.mark.parametrize("reading", [torch.Tensor.item, bool, torch.nonzero, lambda loss: loss[loss > 0]])
def test_a_reading_is_seen(reading, monkeypatch, tmp_path):
    model = build()
    step = model.training_step

    def training_step(batch, batch_idx):
        loss = step(batch, batch_idx)
        reading(loss.detach())
        return loss

    model.training_step = training_step
    assert all(train(model, monkeypatch, tmp_path))


def test_figures_that_are_read_at_every_batch_are_seen(monkeypatch, tmp_path):
    monkeypatch.setattr("videogn.training.callbacks.at_log_point", lambda *_: True)
    assert any(train(build(), monkeypatch, tmp_path))


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
    if at == 7:  # of the update that a log point is before, which was not made
        assert trainer.said.endswith("; the weights were not finite before it, first blocks.6.proj.bias (in head)")
    else:
        assert f"; after {trainer.global_step} updates the weights are not finite either, first " in trainer.said
    assert trainer.global_step - at // 2 <= 1
    assert trainer.global_step in (1, 3)  # before the update


class Save(lightning.Callback):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        trainer.save_checkpoint(self.folder / f"{batch_idx}.ckpt")

    def on_exception(self, trainer, pl_module, exception) -> None:
        with contextlib.suppress(NonFiniteLoss):
            trainer.save_checkpoint(self.folder / "exception.ckpt")


def test_no_checkpoint_has_weights_that_are_not_numbers(tmp_path):
    fit_with_nan(2, Save(tmp_path), every=50)
    assert {path.name for path in tmp_path.iterdir()} == {"0.ckpt", "1.ckpt"}


def test_gradients_that_are_infinite_under_a_finite_loss_leave_no_checkpoint(tmp_path):
    class Infinite(lightning.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            if trainer.global_step == 1:
                next(pl_module.model.parameters()).grad.fill_(float("inf"))

    trainer = lightning.Trainer(
        max_steps=2, accelerator="cpu", callbacks=[Infinite(), Save(tmp_path)], **QUIET
    )  # fmt: skip
    with pytest.raises(NonFiniteLoss, match="the weights are not finite after 2 updates"):
        trainer.fit(build("gn"), DataLoader([batch(4, seed=seed) for seed in range(2)], batch_size=None))
    assert {path.name for path in tmp_path.iterdir()} == {"0.ckpt"}


def _on_one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    watch, update, weight = LossWatch(), Update(7), nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    said = "nothing"
    for step in range(3):
        logits = torch.full((2, 7), float("nan") if (rank, step) == (1, 1) else 1.0)
        labels, weights = torch.zeros(2, dtype=torch.int64), torch.ones(2)
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        loss = update.loss(losses, logits=logits, labels=labels, weights=weights)
        watch.add_forward(loss, indices=torch.arange(2), where=f"batch {step + 1}")
        sums, *_ = update.finish([weight], accumulate=1, num_devices=2)
        watch.add_update(sums["loss"])
    try:
        watch.check()
    except NonFiniteLoss as error:
        said = str(error)
    norms = [BatchNorm(4).train() for _ in range(5)]
    exchanges = []
    exchange = torch.distributed.all_reduce
    torch.distributed.all_reduce = lambda *words, **more: (exchanges.append(1), exchange(*words, **more))[1]
    for norm in norms:
        norm.defer_update = True
        norm(torch.randn(2, 4, 2, 3, 3))
    update_running_statistics(norms)
    torch.save({"said": said, "exchanges": len(exchanges), "mean": norms[3].running_mean}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_all_devices_stop_at_one_place_and_exchange_statistics_once(tmp_path):
    on_two_devices(_on_one_of_two, str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first["said"].startswith("the training loss on another device is not finite, between batch 1 and batch 3")
    assert second["said"].startswith("the training loss is nan in batch 2")
    assert first["exchanges"] == second["exchanges"] == 1
    assert torch.equal(first["mean"], second["mean"])
