"""The average of the weights: against its closed form, and as what is scored and kept while training goes on."""

import copy
import json
import math
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from tests.runs import TINY
from tests.training.networks import QUIET, batch, build
from videogn.cli import main
from videogn.training.best_and_last import Checkpoints
from videogn.training.ema import EMA_KEY, WeightAverage, decay_at, taken_from
from videogn.training.errors import NonFiniteLoss
from videogn.training.module import VideoClassifier


def closed_form(values: list[np.ndarray], decay: float) -> np.ndarray:
    """The average of what came after each update, the first value being what was there before any: a weighted sum."""
    decays = np.array([decay_at(n, decay) for n in range(len(values) - 1)])
    after = np.append(np.cumprod(decays[::-1])[::-1], 1)  # the share of each value that all later updates leave
    weights = after * np.append(1, 1 - decays)
    assert weights.sum() == pytest.approx(1)
    return np.tensordot(weights, np.stack(values).astype(np.float64), 1)


def test_the_decay_rises_and_little_of_the_initialisation_is_left():
    assert [decay_at(n, 0.999) for n in (0, 1, 8)] == [0.1, 2 / 11, 0.5]
    assert decay_at(8989, 0.999) < decay_at(8990, 0.999) == decay_at(10**6, 0.999) == 0.999
    one = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.ones_(one.weight)
    average = WeightAverage(one, 0.999)
    nn.init.zeros_(one.weight)
    for _ in range(30):
        average.update(one)
    average.show(one)
    share = math.factorial(9) * math.factorial(30) / math.factorial(39)
    assert one.weight.item() == pytest.approx(share, rel=1e-9) == pytest.approx(4.7e-9, rel=0.01)


class Record(lightning.Callback):
    """The network after each update, and before the first."""

    def __init__(self) -> None:
        self.states: list[dict[str, np.ndarray]] = []

    def on_train_start(self, trainer, pl_module) -> None:
        self._take(pl_module)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == len(self.states):
            self._take(pl_module)

    def _take(self, module) -> None:
        self.states.append({name: value.numpy().copy() for name, value in module.model.state_dict().items()})


def fit(model: VideoClassifier, *callbacks: lightning.Callback, **settings) -> lightning.Trainer:
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=2, callbacks=list(callbacks), num_sanity_val_steps=0,
        **QUIET, **settings,
    )  # fmt: skip
    trainer.fit(model, DataLoader([batch(4, seed=seed) for seed in range(8)], batch_size=None))
    return trainer


def test_a_training_keeps_the_closed_form_and_is_not_changed_by_it():
    model, record = build("bn", ema=0.2), Record()
    trainer = fit(model, record)
    without, plain = build("bn"), Record()
    fit(without, plain)
    for state, other in zip(record.states, plain.states, strict=True):
        assert all(np.array_equal(value, other[name]) for name, value in state.items())

    trained = copy.deepcopy(model.model.state_dict())
    assert model.average.num_updates == trainer.global_step == 4
    with model.averaged():
        for name, value in model.model.state_dict().items():
            values = [state[name] for state in record.states]
            expected = closed_form(values, 0.2) if value.is_floating_point() else values[-1]
            np.testing.assert_allclose(value.numpy(), expected, rtol=1e-5, atol=1e-6, err_msg=name)
            if "num_batches" not in name:
                assert not np.array_equal(value.numpy(), values[-1]), name
    torch.testing.assert_close(model.model.state_dict(), trained, rtol=0, atol=0)


def test_a_step_that_a_loss_scaler_leaves_out_does_not_count():
    model = build("gn", ema=0.9)
    [optimizer] = fit(model).optimizers
    scaler = torch.amp.GradScaler("cpu")
    for number, expected in ((float("inf"), 4), (0.0, 5)):
        loss = scaler.scale(sum(parameter.sum() for parameter in model.parameters()) * number)
        optimizer.zero_grad()
        loss.backward()
        scaler.step(optimizer)
        scaler.update()
        assert model.average.num_updates == expected


def test_a_checkpoint_is_the_averages_and_what_is_loaded_is_what_counts():
    model = build("bn", ema=0.5)
    trainer = fit(model)
    written = []
    for shown in (False, True):
        if shown:
            model.on_validation_start()
        written.append(copy.deepcopy(trainer._checkpoint_connector.dump_checkpoint()))
    model.on_validation_end()
    keys = ("state_dict", EMA_KEY)
    torch.testing.assert_close(*([each[key] for key in keys] for each in written), rtol=0, atol=0)
    with model.averaged():
        average = copy.deepcopy(model.state_dict())
    torch.testing.assert_close(dict(written[0]["state_dict"]), dict(average), rtol=0, atol=0)
    taken_from(written[0])
    torch.testing.assert_close(dict(written[0]["state_dict"]), dict(model.state_dict()), rtol=0, atol=0)

    before = copy.deepcopy(model.state_dict())
    model.on_load_checkpoint(written[1])  # to be tested: no average of another training takes its place
    with model.averaged():
        torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_an_average_that_is_no_number_is_not_kept():
    model = build("gn", ema=0.5)
    trainer = fit(model)
    next(iter(model.average._held.values())).fill_(float("nan"))
    with pytest.raises(NonFiniteLoss, match="the weights are not finite after 4 updates"):
        trainer._checkpoint_connector.dump_checkpoint()


@pytest.mark.parametrize("ema", [-0.1, 1])
def test_a_decay_outside_of_its_range_is_refused(ema):
    with pytest.raises(ValueError, match=rf"ema is {ema}; expected a number in \[0, 1\)"):
        build(ema=ema)


class Killed(BaseException):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("precise", "every"), [("0", "2"), ("2", "0")])
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(precise, every, data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    Path("tiny.yaml").write_text(TINY.replace("norm: gn, channels_per_group: 4", "norm: bn"))
    fit = ["fit", "--config", "tiny.yaml", "--data.root", str(data_root), "--data.num_workers", "0"]
    fit += ["--model.ema", "0.3", "--model.base_lr", "0.05", "--precise_bn_batches", precise]
    assert main([*fit, "--run_dir", "whole"]) == 0
    assert "model.ema 0.3" in capsys.readouterr().out

    save = Checkpoints._save_last

    def save_and_die(self, trainer) -> None:
        save(self, trainer)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_save_last", save_and_die)
        with pytest.raises(Killed):
            main([*fit, "--run_dir", "killed", "--checkpoint_every", every])
    assert main(["fit", "--run_dir", "killed"]) == 0
    keys = ("global_step", "state_dict", EMA_KEY, "optimizer_states", "lr_schedulers")
    for name in ("last", "best"):
        one, two = (torch.load(f"{run}/checkpoints/{name}.ckpt", weights_only=True) for run in ("killed", "whole"))
        torch.testing.assert_close([one[key] for key in keys], [two[key] for key in keys], rtol=0, atol=0)

    # What is trained is what is trained without it, through validations and estimates.
    assert main([*fit, "--model.ema", "0", "--run_dir", "plain"]) == 0
    last, plain = (torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True) for run in ("whole", "plain"))
    assert EMA_KEY not in plain
    for name, value in last[EMA_KEY]["trained"].items():
        assert torch.equal(value, plain["state_dict"][name]) or (precise == "2" and "running" in name), name

    # Validation and test score what the checkpoint has as its weights, and others start from the same.
    assert last[EMA_KEY]["num_updates"] == 6
    assert any(not torch.equal(last["state_dict"][name], value) for name, value in last[EMA_KEY]["trained"].items())
    assert main(["test", "--no_report", "--run_dir", "whole", "--data.protocol", "1x1"]) == 0
    result = json.loads(Path("whole/result.json").read_text())
    lines = [line.split(",") for line in Path("whole/metrics.csv").read_text().splitlines()]
    losses = [line[lines[0].index("val/loss")] for line in lines[1:]]
    assert result["loss"] == pytest.approx(float([loss for loss in losses if loss][-1]), rel=1e-5)
    assert result["extras"] == {"model.ema": 0.3}
    size = {"depth": 14, "width": 8, "num_classes": 2, "num_frames": 8, "crop_size": 32}
    started = VideoClassifier("bn", **size, weights="whole/checkpoints/last.ckpt")
    for name, value in started.model.named_parameters():
        assert torch.equal(value, last["state_dict"][f"model.{name}"])
    torch.save({**last, "state_dict": {**last["state_dict"], **last[EMA_KEY]["trained"]}}, "trained.ckpt")
    assert (
        main(["test", "--no_report", "--run_dir", "whole", "--data.protocol", "1x1", "--ckpt_path", "trained.ckpt"])
        == 0
    )
    assert json.loads(Path("whole/result.json").read_text())["loss"] != pytest.approx(result["loss"], rel=1e-3)
    if precise == "2":  # statistics are those of the average: a test, which knows nothing else, estimates the same
        state = {name: value + 1 if "running" in name else value for name, value in last["state_dict"].items()}
        last["videogn"]["training"]["precise_bn"] = None
        torch.save({**last, "state_dict": state}, "others.ckpt")
        assert (
            main(["test", "--no_report", "--run_dir", "whole", "--data.protocol", "1x1", "--ckpt_path", "others.ckpt"])
            == 0
        )
        assert json.loads(Path("whole/result.json").read_text())["loss"] == result["loss"]
