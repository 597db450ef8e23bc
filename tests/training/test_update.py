"""An update is the mean over its clips that could be decoded, however they are cut into forwards; figures are, too."""

import copy
import csv
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from tests.training.networks import QUIET, batch, build, slices
from videogn.training.loggers import MetricsCSV
from videogn.training.missing import filled
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule
from videogn.training.update import Update


def failing(whole: dict, places: list[int]) -> dict:
    """The batch with videos that could not be decoded: grey, and without weight."""
    views, weights = whole["views"].clone(), whole["weights"].clone()
    views[places], weights[places] = 115, 0.0
    return {**whole, "views": views, "weights": weights, "missing": places, "failures": [(p, "broken") for p in places]}


def parts(whole: dict, size: int) -> list[dict]:
    failed = {index for index, _ in whole["failures"]}
    cut = slices(whole, size)
    for part in cut:
        part["failures"] = [(index, "broken") for index in part["indices"].tolist() if index in failed]
        part["missing"] = [row for row, index in enumerate(part["indices"].tolist()) if index in failed]
    return cut


@pytest.mark.parametrize("accumulate", [1, 2, 4])
@pytest.mark.parametrize("missing", [[], [1], [0, 1], [2, 5, 7], [0, 1, 2, 3, 4, 5, 6]])
def test_the_gradient_is_that_of_the_mean_over_the_clips_that_are_there(accumulate, missing):
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(8, 5, generator=generator), torch.randint(0, 6, (8,), generator=generator)
    weights = torch.ones(8)
    weights[missing] = 0
    layer = torch.nn.Linear(5, 6)
    there = weights > 0
    loss = F.cross_entropy(layer(x)[there], labels[there])
    expected = torch.autograd.grad(loss, list(layer.parameters()))

    update = Update(num_classes=6)
    for one, label, weight in zip(*(t.split(8 // accumulate) for t in (x, labels, weights)), strict=True):
        logits = layer(one)
        losses = F.cross_entropy(logits, label, reduction="none")
        (update.loss(losses, logits=logits, labels=label, weights=weight) / accumulate).backward()
    sums, clips, skipped = update.finish(layer.parameters(), accumulate=accumulate, num_devices=1)
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert (float(clips), float(skipped)) == (8 - len(missing), len(missing))
    assert float(sums["loss"] / clips) == pytest.approx(float(loss.detach()), rel=1e-5)
    best = layer(x).detach().numpy().argsort(1)[:, ::-1]
    correct = [label in row[:5] for label, row in zip(labels.tolist(), best, strict=True)]
    assert float(sums["top5"] / clips) == pytest.approx(np.mean(np.array(correct)[there.numpy()]))


def test_an_update_without_a_clip_has_no_gradient():
    layer = torch.nn.Linear(5, 6)
    logits, labels = layer(torch.randn(2, 5)), torch.zeros(2, dtype=torch.int64)
    update = Update(num_classes=6)
    losses = F.cross_entropy(logits, labels, reduction="none")
    update.loss(losses, logits=logits, labels=labels, weights=torch.zeros(2)).backward()
    sums, clips, _ = update.finish(layer.parameters(), accumulate=1, num_devices=1)
    assert float(clips) == float(sums["loss"]) == float(layer.weight.grad.abs().max()) == 0


def test_an_update_that_an_epoch_cuts_short_is_the_mean_over_what_it_has():
    """Three forwards where four are accumulated: the trainer has divided each by four."""
    layer = torch.nn.Linear(5, 6)
    x, labels = torch.randn(6, 5), torch.arange(6)
    expected = torch.autograd.grad(F.cross_entropy(layer(x), labels), layer.weight)[0]
    update = Update(num_classes=6)
    for one, label in zip(x.split(2), labels.split(2), strict=True):
        logits = layer(one)
        losses = F.cross_entropy(logits, label, reduction="none")
        (update.loss(losses, logits=logits, labels=label, weights=torch.ones(2)) / 4).backward()
    update.finish(layer.parameters(), accumulate=4, num_devices=1)
    torch.testing.assert_close(layer.weight.grad, expected)


def test_what_stands_in_for_a_clip_is_of_its_normalisation_batch():
    whole = failing(batch(8), [0, 3, 4, 5])
    views = filled(whole, norm_batch=2)
    expected = [1, 1, 2, 2, 4, 5, 6, 7]  # 4 and 5 have nobody, and stay grey
    assert torch.equal(views, whole["views"][expected])
    assert torch.equal(torch.cat([filled(part, norm_batch=2) for part in parts(whole, 4)]), views)
    assert torch.equal(torch.cat([filled(part, norm_batch=2) for part in parts(whole, 2)]), views)
    complete = batch(8)
    assert filled(complete, norm_batch=2) is complete["views"]


def fit(model: VideoClassifier, batches: list[dict], folder: Path, accumulate: int = 1, **more) -> list[dict[str, str]]:
    """Trains an epoch; returns the rows of metrics.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {**QUIET, "logger": MetricsCSV(folder), **more}
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=accumulate, log_every_n_steps=1, **settings
    )
    trainer.fit(model, DataLoader(batches, batch_size=None))
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_training_that_was_stopped_within_an_update_leaves_nothing_for_the_next(tmp_path):
    """Two forwards are accumulated, and the second one fails: then the same module is trained again."""
    batches = [part for seed in range(2) for part in parts(batch(8, seed=seed), 4)]
    broken = [batches[0], {**batches[1], "labels": torch.full((4,), 99)}]
    for norm in ("gn", "bn"):
        ends = []
        for before in ([], broken):
            model = build(norm, base_lr=0.01, schedule=Schedule(milestones=(100,)))
            if before:
                with pytest.raises(IndexError):
                    fit(model, before, tmp_path / norm / "broken", accumulate=2)
                model.load_state_dict(ends[0][0])
            start = copy.deepcopy(model.state_dict())
            rows = fit(model, batches, tmp_path / norm / str(len(before)), accumulate=2)
            ends.append((start, model.state_dict(), rows))
        for name, value in ends[0][1].items():
            assert torch.equal(value, ends[1][1][name]), name
        assert ends[0][2] == ends[1][2]


@pytest.mark.slow
def test_a_normalisation_batch_without_a_clip_leaves_no_trace_in_running_statistics(tmp_path):
    """Each clip by itself: those that are there are all that statistics are of."""
    whole = failing(batch(8), [0, 3])
    there = [1, 2, 4, 5, 6, 7]
    rest = {name: value[there] for name, value in whole.items() if isinstance(value, torch.Tensor)}
    ends = []
    for one in (whole, {**rest, "missing": [], "failures": []}):
        model = build("bn", base_lr=1e-9, device_batch_size=8, norm_batch_size=1)
        fit(model, [one], tmp_path / str(len(one["labels"])))
        ends.append(model.state_dict())
    for name, value in ends[0].items():
        if "running" in name:
            torch.testing.assert_close(value, ends[1][name], rtol=1e-4, atol=1e-5)
    model = build("bn", base_lr=1e-9, device_batch_size=8, norm_batch_size=1)
    before = copy.deepcopy(model.state_dict())
    fit(model, [failing(batch(8), list(range(8)))], tmp_path / "none")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items() if "running" in name)


@pytest.mark.slow
@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize(("norm", "split"), [("gn", None), ("bn", 2), ("brn", 2)])
def test_with_failures_too_the_cut_of_a_total_batch_changes_nothing(norm, split, clip, tmp_path):
    """Forwards of 8, 4 and 2 clips: the same weights, the same statistics, the same metrics.csv."""
    wholes = [failing(batch(8, seed=0), [1]), failing(batch(8, seed=1), [2, 3, 6]), batch(8, seed=2)]
    ends, rows = {}, {}
    start = None
    for size in (8, 4, 2):
        more = {} if split is None else {"norm_batch_size": split}
        model = build(norm, base_lr=0.01, schedule=Schedule(milestones=(100,)), device_batch_size=size, **more)
        start = copy.deepcopy(model.state_dict()) if start is None else start
        model.load_state_dict(copy.deepcopy(start))
        batches = [part for whole in wholes for part in parts(whole, size)]
        rows[size] = fit(model, batches, tmp_path / str(size), accumulate=8 // size, gradient_clip_val=clip)
        ends[size] = model.state_dict()
    assert start is not None
    for size in (4, 2):
        for name, value in ends[8].items():
            if value.is_floating_point():
                moved = (value - start[name]).norm()
                assert (ends[size][name] - value).norm() <= 0.02 * moved + 1e-6, name
        assert len(rows[size]) == len(rows[8])
        for one, other in zip(rows[8], rows[size], strict=True):
            assert one.keys() == other.keys()
            for column in one:
                assert (one[column] == "") == (other[column] == ""), column
                if one[column]:
                    assert float(other[column]) == pytest.approx(float(one[column]), rel=1e-3), column
    last = next(row for row in rows[8] if row["train/loss_epoch"])
    assert float(last["train/skipped_videos"]) == 4
    steps = [float(row["train/loss_step"]) for row in rows[8] if row["train/loss_step"]]
    assert float(last["train/loss_epoch"]) == pytest.approx(np.average(steps, weights=[7, 5, 8]), rel=1e-5)
