"""Binary cross-entropy and mean average precision against NumPy and torch's own, and what goes with them."""

import lightning
import numpy as np
import pytest
import torch
import torch.distributed
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import on_two_devices
from tests.several_labels import average_precision, mean_average_precision
from tests.training.networks import QUIET, batch, build
from videogn.training.average_precision import (
    AveragePrecision,
    average_precisions,
    mean_of_known,
    scored_labels,
)
from videogn.training.checkpoint import check_same_model
from videogn.training.checkpoint_content import check_own
from videogn.training.errors import CheckpointError
from videogn.training.result import ResultError, read_result, write_result
from videogn.training.result_of_labels import (
    ResultOfLabels,
    ScoredLabels,
    read_any_result,
    scores_of,
    write_precisions,
    write_scored_labels,
)

# Few values, so that classes have ties, and classes without a video.
TABLES = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.tuples(
            st.lists(st.sampled_from([0.0, 0.125, 0.5, 0.75, 1.0]), min_size=k, max_size=k), st.integers(0, 2**k)
        ),
        min_size=1,
        max_size=12,
    )
)


def several(n: int, seed: int = 0) -> dict:
    labels = (torch.rand(n, 7, generator=torch.Generator().manual_seed(seed)) < 0.4).float()
    return batch(n, seed) | {"labels": labels}


def videos_of(scores: np.ndarray, targets: np.ndarray) -> list[ScoredLabels]:
    rows = zip(scores.tolist(), targets, strict=True)
    return [ScoredLabels(k, tuple(np.flatnonzero(own).tolist()), tuple(row), 0.0) for k, (row, own) in enumerate(rows)]


@given(TABLES)
def test_average_precision_is_its_definition(rows):
    scores = np.array([row for row, _ in rows])
    targets = np.array([[bits >> k & 1 for k in range(scores.shape[1])] for _, bits in rows], bool)
    found = average_precisions(videos_of(scores, targets)).numpy()
    for k, value in enumerate(found):  # a class without a video has none, and is not in the mean
        expected = average_precision(scores[:, k], targets[:, k]) if targets[:, k].any() else np.nan
        np.testing.assert_allclose(value, expected, rtol=1e-5)
    split = AveragePrecision()
    for part in np.array_split(np.arange(len(scores)), 3):
        split.add(torch.tensor(scores[part], dtype=torch.float32), torch.tensor(targets[part]).float())
    mean = split.finish()["map"]
    if targets.any():
        assert float(mean) == pytest.approx(mean_average_precision(scores, targets), rel=1e-5)
    else:
        assert mean.isnan()
    assert split.finish()["map"].isnan()  # it begins again
    torch.testing.assert_close(mean_of_known(torch.from_numpy(found)), mean, equal_nan=True)


def _on_one_of_two(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    scores, targets = torch.load(f"{folder}/all.pt")
    found = []
    for mine in ([slice(0, 7), slice(7, 20)][rank], slice(0, 20 * rank)):  # in the second, the first has no video
        split = AveragePrecision()
        if len(scores[mine]):
            split.add(scores[mine], targets[mine])
        found.append(split.finish()["map"])
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_devices_have_the_score_of_all_videos(tmp_path):
    generator = torch.Generator().manual_seed(1)
    scores, targets = torch.rand(20, 4, generator=generator), (torch.rand(20, 4, generator=generator) < 0.3).float()
    torch.save((scores, targets), tmp_path / "all.pt")
    on_two_devices(_on_one_of_two, str(tmp_path))
    expected = mean_average_precision(scores.numpy().astype(np.float64), targets.numpy().astype(bool))
    for rank in range(2):
        assert [float(value) for value in torch.load(tmp_path / f"{rank}.pt")] == pytest.approx([expected] * 2)


def test_the_loss_is_binary_cross_entropy_over_the_classes():
    model, whole = build("gn", multi_label=True), several(4)
    whole["weights"][2] = 0.0  # was skipped
    model._trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **QUIET)
    loss = model.training_step(whole, 0)
    logits, targets = model(whole["views"]).detach().double().numpy(), whole["labels"].numpy()
    of_clips = (np.logaddexp(0, logits) - targets * logits).mean(axis=1)
    assert loss.item() == pytest.approx(of_clips[[0, 1, 3]].sum(), rel=1e-5)
    loss.backward()
    sums, clips, skipped = model.update.finish(model.parameters(), accumulate=1, num_devices=1)
    bias = next(module for module in reversed(list(model.modules())) if isinstance(module, torch.nn.Linear)).bias
    of_classes = (1 / (1 + np.exp(-logits)) - targets)[[0, 1, 3]].mean(axis=0) / 7  # of the mean over clips and classes
    np.testing.assert_allclose(bias.grad, of_classes, atol=1e-7)
    assert (list(sums), float(clips), float(skipped)) == (["loss"], 3, 1)


def test_each_class_has_a_probability_of_its_own():
    model, whole = build("gn", multi_label=True).eval(), several(3)
    with torch.no_grad():
        logits = model._positions(whole["views"][:, 0]).double().numpy()
        found = model.probabilities(whole["views"])
    np.testing.assert_allclose(found, (1 / (1 + np.exp(-logits))).mean(axis=-1), atol=1e-6)
    assert not torch.allclose(found.sum(dim=1), torch.ones(3), atol=0.05)
    expected = F.binary_cross_entropy(found, whole["labels"], reduction="none").mean(dim=1)
    torch.testing.assert_close(model._losses(found, whole["labels"]), expected)


def test_validation_is_scored_by_the_average_precision_of_all_its_videos():
    model = build("gn", multi_label=True)
    batches = [several(3, seed) | {"views": several(3, seed)["views"]} for seed in range(3)]
    trainer = lightning.Trainer(accelerator="cpu", **QUIET)
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    (figures,) = trainer.validate(model, loader, verbose=False)
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model.probabilities(part["views"]) for part in batches])
    targets = torch.cat([part["labels"] for part in batches])
    expected = mean_average_precision(scores.double().numpy(), targets.numpy().astype(bool))
    assert figures["val/map"] == pytest.approx(expected, rel=1e-5)
    assert figures["val/loss"] == pytest.approx(float(F.binary_cross_entropy(scores, targets)), rel=1e-5)
    none = [part | {"labels": torch.zeros(3, 7)} for part in batches]
    with pytest.raises(ValueError, match="none of the 9 validation videos that were scored has a label"):
        trainer.validate(model, torch.utils.data.DataLoader(none, batch_size=None), verbose=False)


def test_mixed_clips_have_shares_of_both_sets_of_labels():
    model, whole = build("gn", multi_label=True, mixup=1.0), several(4)
    torch.manual_seed(1)
    mixed, targets = model.mixing(whole)
    own = whole["labels"].numpy()
    other = np.roll(own, 1, axis=0)
    at = np.argwhere(own != other)[0]
    share = abs(float(targets[tuple(at)]) - other[tuple(at)])
    assert 0 < share < 1
    np.testing.assert_allclose(targets.numpy(), share * own + (1 - share) * other, atol=1e-6)
    views = whole["views"].numpy().astype(np.float64)
    expected = share * views + (1 - share) * np.roll(views, 1, axis=0)
    assert np.abs(mixed["views"].numpy() - expected).max() <= 0.51  # rounded
    assert torch.equal(model.mixing(whole | {"missing": [1]})[1], whole["labels"])


@pytest.mark.parametrize("setting", [{"label_smoothing": 0.1}, {"balance_classes": True}])
def test_settings_of_one_class_a_video_are_refused(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} is for videos of one class each"):
        build("gn", multi_label=True, **setting)


def test_a_checkpoint_of_the_other_kind_is_refused():
    one, of_labels = build("gn").architecture, build("gn", multi_label=True).architecture
    assert "multi_label" not in one  # as earlier versions have it
    for theirs, ours in ((one, of_labels), (of_labels, one)):
        with pytest.raises(CheckpointError, match="of another model: it has multi_label"):
            check_same_model({"architecture": theirs, "classes": []}, architecture=ours, classes=[])
    check_same_model({"architecture": of_labels, "classes": []}, architecture=of_labels, classes=[])


@pytest.mark.parametrize("best", [{"map": 0.5}, {"top1": 0.5}, {}, {"map": "high"}])
def test_a_checkpoint_says_by_what_its_best_is_the_best(best):
    training = {"steps": 1, "epochs": 1, "train_seconds": 1.0, "validated_at_step": 1, "norm_batch_size": None}
    own = {"architecture": {}, "classes": [], "training": training}
    own["training"] |= {"best": {**best, "step": 1, "validation": {}}}
    if best in ({"map": 0.5}, {"top1": 0.5}):
        check_own(own)
    else:
        with pytest.raises(CheckpointError, match=r"training\.best"):
            check_own(own)


def test_a_video_that_was_not_scored_counts_as_never_found():
    """Of 2 and 3 expected videos of two classes, 2 and 2 were scored; a third class has one, and none was."""
    found = scores_of([0.75, 1.0, float("nan"), float("nan")], [2, 2, 0, 0], [2, 3, 1, 0])
    assert found["mean_average_precision"] == pytest.approx(100 * (0.75 + 1.0) / 2)
    assert found["mean_average_precision_of_expected"] == pytest.approx(100 * (0.75 + 2 / 3 + 0) / 3)
    assert found["num_classes_scored"] == 2
    with pytest.raises(ValueError, match="none of the videos that were scored has a label"):
        scores_of([float("nan")], [0], [2])


def test_what_is_kept_of_a_video_is_what_it_got():
    scores, targets = torch.rand(5, 4, generator=torch.Generator().manual_seed(0)), torch.eye(5, 4)
    found = scored_labels(torch.arange(5), scores, targets, torch.zeros(5))
    assert [video.labels for video in found] == [(0,), (1,), (2,), (3,), ()]
    assert [list(video.probabilities) for video in found] == scores.tolist()


def test_files_of_a_test(tmp_path):
    result = ResultOfLabels(mean_average_precision=61.5, num_classes=4, num_classes_scored=3, protocol="10x3")
    path = write_result(result, tmp_path)
    assert read_any_result(path) == result
    with pytest.raises(ResultError, match="got top1 None, expected a percentage"):
        read_result(path)  # as a study reads it
    path.write_text('{"mean_average_precision": 1e9}')
    with pytest.raises(ResultError, match=r"got mean_average_precision 1000000000\.0"):
        read_any_result(path)
    per_class = write_precisions([0.5, float("nan")], [3, 0], ["a,b", "c"], tmp_path)
    assert per_class.read_text() == 'class,videos,average_precision\n"a,b",3,50.00\nc,0,\n'
    videos = [ScoredLabels(4, (0, 2), (0.25, 1e-9, 1.0), 0.1), ScoredLabels(6, (), (0.0, 0.5, 1 / 3), 0.1)]
    of_videos = write_scored_labels(videos, ["x.mp4", "y.mp4"], ["", "g"], tmp_path)
    assert of_videos.read_text() == (
        "index,video,labels,probabilities,group\n4,x.mp4,0 2,0.25 1e-09 1,\n6,y.mp4,,0 0.5 0.333333333,g\n"
    )
