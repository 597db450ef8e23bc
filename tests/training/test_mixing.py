"""Mixed clips and labels against NumPy: shares, boxes, and what stays as it is."""

import lightning
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.networks import QUIET, batch, build
from videogn.training.mixing import Mixing


def test_mixup_is_a_share_of_each_clip_and_its_neighbour():
    whole = batch(5, seed=3) | {"labels": torch.arange(5)}
    torch.manual_seed(1)
    mixed, targets = Mixing(mixup=1.0, cutmix=0.0, num_classes=7)(whole)
    share = float(targets[0, whole["labels"][0]])
    assert 0 < share < 1
    views = whole["views"].numpy().astype(np.float64)
    expected = share * views + (1 - share) * np.roll(views, 1, axis=0)
    assert np.abs(mixed["views"].numpy() - expected).max() <= 0.51  # rounded
    own, other = np.eye(7)[whole["labels"]], np.eye(7)[np.roll(whole["labels"], 1)]
    np.testing.assert_allclose(targets.numpy(), share * own + (1 - share) * other, atol=1e-6)
    assert mixed["views"].dtype == torch.uint8
    assert mixed["labels"] is whole["labels"]


def test_cutmix_puts_one_box_of_the_neighbour_into_all_frames():
    whole = batch(4, seed=4)
    torch.manual_seed(3)
    mixed, targets = Mixing(mixup=0.0, cutmix=1.0, num_classes=7)(whole)
    views, found = whole["views"].numpy(), mixed["views"].numpy()
    changed = (found != views).any(axis=(0, 1, 2, 5))
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    box = np.s_[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, :]
    expected = views.copy()
    expected[box] = np.roll(views, 1, axis=0)[box]
    np.testing.assert_array_equal(found, expected)
    area = len(rows) * len(columns) / (64 * 64)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    assert float(targets[1, whole["labels"][1]]) in (pytest.approx(1 - area), pytest.approx(1))


def test_both_are_drawn_and_the_same_seed_draws_the_same():
    mixing, whole = Mixing(mixup=0.2, cutmix=1.0, num_classes=7), batch(4)
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        found.append([mixing(whole)[0]["views"] for _ in range(8)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    shares = {bool(((views != whole["views"]).float().mean() > 0.9).item()) for views in found[0]}
    assert shares == {True, False}  # all pixels, or a box of them


def test_a_forward_with_a_clip_that_is_missing_stays_as_it_is():
    whole = batch(4) | {"missing": [2]}
    mixed, targets = Mixing(mixup=1.0, cutmix=0.0, num_classes=7)(whole)
    assert mixed["views"] is whole["views"]
    assert torch.equal(targets.argmax(1), whole["labels"])


def test_the_loss_is_that_of_mixed_clips_by_shares_of_labels():
    model, whole = build("gn", mixup=1.0), batch(4)
    model._trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET)
    torch.manual_seed(5)
    loss = model.training_step(whole, 0)
    torch.manual_seed(5)
    mixed, targets = model.mixing(whole)
    torch.testing.assert_close(loss, F.cross_entropy(model(mixed["views"]), targets, reduction="sum"))


def test_one_clip_has_no_neighbour():
    with pytest.raises(ValueError, match="the device batch is 1"):
        build("gn", mixup=0.2, device_batch_size=1)
    with pytest.raises(ValueError, match="cutmix is -1"):
        build("gn", cutmix=-1.0)
