"""The LightningModule: loss, optimiser, probabilities, and that splitting and accumulating train the same network."""

import copy

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from tests.training.networks import QUIET, batch, build, slices
from videogn.models.batch_norm import BatchNorm
from videogn.norms import NORMS
from videogn.training.checkpoint import check_same_model
from videogn.training.errors import CheckpointError
from videogn.training.module import VideoClassifier, balanced_weights
from videogn.training.recipe import OFF, check_same_recipe
from videogn.training.schedule import Schedule


def fit(model: VideoClassifier, batches: list[dict], accumulate: int = 1) -> VideoClassifier:
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", accumulate_grad_batches=accumulate, **QUIET)
    loader = DataLoader(batches, batch_size=None)
    trainer.fit(model, loader)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_splitting_and_accumulating_train_the_same_network(size):
    """The whole path: forward, backward, optimiser steps, running statistics; then what a test would see."""
    wholes = [batch(8, seed=k) for k in range(3)]
    schedule = Schedule(milestones=(100,))
    start = build(base_lr=0.01, schedule=schedule, device_batch_size=8).state_dict()
    accumulated, split = (
        build(base_lr=0.01, schedule=schedule, device_batch_size=size),
        build(base_lr=0.01, schedule=schedule, device_batch_size=8, norm_batch_size=size),
    )
    for model in (accumulated, split):
        model.load_state_dict(copy.deepcopy(start))
    fit(accumulated, [part for whole in wholes for part in slices(whole, size)], accumulate=8 // size)
    fit(split, wholes)

    # Float rounding grows with every step: compare with the distance that training went.
    for name, value in accumulated.state_dict().items():
        if not value.is_floating_point() or "metrics" in name:
            continue
        moved = (value - start[name]).norm()
        assert (value - split.state_dict()[name]).norm() <= 0.02 * moved + 1e-6, name
    for norm in (m for m in split.modules() if isinstance(m, BatchNorm)):
        assert int(norm.num_batches_tracked) == 3  # once an optimiser step


@pytest.mark.slow
def test_the_normalisation_batch_changes_bn_and_not_gn():
    wholes = [batch(8, seed=k) for k in range(2)]
    ends = {}
    for norm in ("gn", "bn"):
        for size in (2, 8):
            model = build(norm, base_lr=0.01, schedule=Schedule(milestones=(100,)), device_batch_size=size)
            fit(model, [part for whole in wholes for part in slices(whole, size)], accumulate=8 // size)
            ends[norm, size] = model.eval().probabilities(wholes[0]["views"])
    difference = {norm: float((ends[norm, 2] - ends[norm, 8]).detach().abs().max()) for norm in ("gn", "bn")}
    assert difference["gn"] < 1e-5
    assert difference["bn"] > 1e-3


def test_probabilities_are_softmax_averaged_over_positions_and_views():
    model = build("gn", num_frames=8, device_batch_size=2).eval()
    views = batch(2, views=3, size=128)["views"]
    with torch.inference_mode():
        got = model.probabilities(views)
        logits = model.model.positions((views.flatten(0, 1).permute(0, 4, 1, 2, 3).float() - 114.75) / 57.375)
    assert logits.shape[2] > 1
    expected = logits.softmax(1).mean(2).reshape(2, 3, 7).mean(1)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(got.sum(1), torch.ones(2))


@pytest.mark.parametrize("norm", NORMS)
def test_norms_and_the_rest_decay_apart(norm):
    model = build(norm, weight_decay=0.3, norm_weight_decay=0.0)
    trainer = lightning.Trainer(max_steps=1, accelerator="cpu", **QUIET)
    trainer.fit(model, DataLoader([batch(4)], batch_size=None))
    optimizer = trainer.optimizers[0]
    decayed, norms = optimizer.param_groups
    assert (decayed["weight_decay"], norms["weight_decay"]) == (0.3, 0.0)
    assert decayed["nesterov"]
    named = {id(p): name for name, p in model.named_parameters()}
    assert all("norm" in named[id(p)] for p in norms["params"])
    assert not any("norm" in named[id(p)] for p in decayed["params"])
    assert len(decayed["params"]) + len(norms["params"]) == len(named)


def test_learning_rate_scales_with_the_total_batch():
    model = build(base_lr=0.01, device_batch_size=4)
    model.trainer = lightning.Trainer(accelerator="cpu", accumulate_grad_batches=2, **QUIET)
    assert model.learning_rate == pytest.approx(0.00125)


def saved(model: VideoClassifier) -> dict:
    model._trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET)
    checkpoint: dict = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(checkpoint)
    return checkpoint


def test_a_checkpoint_of_another_model_is_refused():
    checkpoint = saved(build("gn"))
    build("gn").on_load_checkpoint(checkpoint)
    with pytest.raises(CheckpointError, match=r"it has norm 'gn' \(asked for: 'bn'\)"):
        build("bn").on_load_checkpoint(checkpoint)
    with pytest.raises(CheckpointError, match=r"num_classes 7 \(asked for: 5\)"):
        build("gn", num_classes=5).on_load_checkpoint(checkpoint)
    with pytest.raises(CheckpointError, match="no checkpoint of videogn's"):
        build("gn").on_load_checkpoint({"state_dict": {}})
    build("gn", num_frames=16).on_load_checkpoint(checkpoint)  # longer clips: the same parameters


@pytest.mark.slow
def test_from_python_too_a_training_goes_on_with_its_own_settings_alone(tmp_path):
    batches = DataLoader([batch(4, seed=k) for k in range(2)], batch_size=None)
    first = lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET)
    first.fit(build("bn"), batches)
    first.save_checkpoint(tmp_path / "one.ckpt")
    for settings, says in (
        ({"base_lr": 0.5}, r"model\.base_lr 0\.01 \(asked for: 0\.5\)"),
        ({"norm_batch_size": 2}, r"normalisation batch 4 \(asked for: 2\)"),
    ):
        with pytest.raises(CheckpointError, match=says):
            lightning.Trainer(max_epochs=2, accelerator="cpu", **QUIET).fit(
                build("bn", **settings), batches, ckpt_path=tmp_path / "one.ckpt", weights_only=True
            )
    longer = lightning.Trainer(max_epochs=2, accelerator="cpu", **QUIET)
    longer.fit(build("bn"), batches, ckpt_path=tmp_path / "one.ckpt", weights_only=True)
    assert longer.global_step == 4


def test_settings_that_a_checkpoint_is_older_than_were_off():
    own = {"training": {"recipe": {"model.base_lr": 0.1}, "train_fingerprint": "f"}}
    check_same_recipe(own, {"model.base_lr": 0.1, **OFF}, fingerprint="f")
    with pytest.raises(CheckpointError, match=r'trained with model\.optimizer "sgd" \(asked for: "adamw"\)'):
        check_same_recipe(own, {**OFF, "model.optimizer": "adamw"}, fingerprint="f")


def test_a_checkpoint_of_other_classes_is_refused():
    one, other = build("gn"), build("gn")
    one.class_names, other.class_names = list("abcdefg"), list("gfedcba")
    with pytest.raises(CheckpointError, match="classes are not the data set's"):
        other.on_load_checkpoint(saved(one))


def test_a_checkpoint_holds_plain_types_alone(tmp_path):
    torch.save(saved(build("bn")), tmp_path / "c.ckpt")
    loaded = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert loaded["videogn"]["architecture"]["norm"] == "bn"
    assert loaded["videogn"]["training"]["norm_batch_size"] == 4


def test_bad_settings():
    with pytest.raises(ValueError, match="norm_batch_size 3 does not divide the device batch of 4"):
        build(norm_batch_size=3)
    with pytest.raises(ValueError, match="base_lr is 0"):
        build(base_lr=0)


def test_model_lies_in_channels_last_memory():
    convolutions = [m for m in build().modules() if isinstance(m, nn.Conv3d)]
    assert all(m.weight.is_contiguous(memory_format=torch.channels_last_3d) for m in convolutions)


def test_a_checkpoint_of_before_there_were_other_inputs_is_one_of_rgb():
    architecture = {"norm": "gn", "input": "rgb"}
    check_same_model({"architecture": {"norm": "gn"}, "classes": []}, architecture=architecture, classes=[])
    architecture["input"] = "motion"
    with pytest.raises(CheckpointError, match=r"it has input 'rgb' \(asked for: 'motion'\)"):
        check_same_model({"architecture": {"norm": "gn"}, "classes": []}, architecture=architecture, classes=[])


def test_balanced_weights_are_those_of_torch_and_sklearn_and_a_clip_weighs_1_on_average():
    """n / (K x count of the class), sklearn's "balanced"; a class without videos is not among the K."""
    labels = np.array([0] * 6 + [1] * 3 + [3], np.int32)
    weights = balanced_weights(labels, 4)
    torch.testing.assert_close(weights[[0, 1, 3]], torch.tensor([10 / 18, 10 / 9, 10 / 3]))
    assert weights[torch.from_numpy(labels).long()].mean() == pytest.approx(1)


def test_balanced_classes_weight_the_loss():
    model, whole = build("gn"), batch(4)
    whole["labels"] = torch.tensor([0, 0, 0, 1])
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET)
    model._trainer = trainer
    model.class_weights = torch.tensor([2 / 3, 2.0, 1, 1, 1, 1, 1])
    logits = model(whole["views"])
    expected = torch.nn.functional.cross_entropy(logits, whole["labels"], weight=model.class_weights, reduction="sum")
    torch.testing.assert_close(model.training_step(whole, 0), expected)
    assert "class_weights" not in model.state_dict()


def test_balanced_classes_need_the_training_videos():
    with pytest.raises(ValueError, match="balance_classes needs the training videos"):
        fit(build("gn", balance_classes=True), [batch(4)])
