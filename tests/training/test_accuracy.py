"""Top-k: against torchmetrics and NumPy where nothing is tied, and by its own rule where something is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy

from videogn.training.accuracy import TopK, ks_of, ranks
from videogn.training.result import ScoredVideo, top_k


@given(st.integers(5, 12), st.integers(1, 30), st.integers(0, 2**31))
def test_without_ties_it_is_torchmetrics_micro_accuracy(num_classes, num_videos, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.stack([torch.randperm(num_classes, generator=generator) for _ in range(num_videos)]).float()
    labels = torch.randint(0, num_classes, (num_videos,), generator=generator)
    ours = TopK(num_classes)
    ours.add(scores, labels)
    found = ours.finish()
    for k in (1, 5):
        theirs = MulticlassAccuracy(num_classes, top_k=k, average="micro")
        theirs.update(scores, labels)
        assert float(found[f"top{k}"]) == pytest.approx(float(theirs.compute()))


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**31))
def test_ties_count_against_as_in_numpy(num_classes, num_videos, seed):
    """Scores of three values: nearly all of them are tied."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, (num_videos, num_classes)), rng.integers(0, num_classes, num_videos)
    found = ranks(torch.from_numpy(scores).float(), torch.from_numpy(labels))
    for place, label in enumerate(labels):
        others = np.delete(scores[place], label)
        assert int(found[place]) == (others >= scores[place, label]).sum()


def test_a_network_that_decides_nothing_is_right_nowhere():
    """torch.topk would have called it right for the classes that come first."""
    scores, labels = torch.zeros(8, 8), torch.arange(8)
    accuracy = TopK(8)
    accuracy.add(scores, labels)
    assert {name: float(share) for name, share in accuracy.finish().items()} == {"top1": 0, "top5": 0}
    assert ranks(scores, labels).tolist() == [7] * 8


def test_what_is_not_a_number_is_not_right():
    assert ranks(torch.tensor([[float("nan"), 0.0], [0.0, float("nan")]]), torch.tensor([0, 0])).tolist() == [1, 1]


def test_the_result_counts_as_the_metric_does():
    """In half precision, where a class in a hundred is tied: one figure, however it is counted."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2000, 400, generator=generator).bfloat16()
    labels = scores.float().add(torch.randn(2000, 400, generator=generator)).argmax(1)
    metric = TopK(400)
    metric.add(scores, labels)
    shares = metric.finish()
    videos = [
        ScoredVideo(index, label, rank, 0.0, 0)
        for index, (label, rank) in enumerate(zip(labels.tolist(), ranks(scores, labels).tolist(), strict=True))
    ]
    tied = (scores == scores.gather(1, labels[:, None])).sum(1) > 1
    assert tied.any()
    for k in (1, 5):
        assert top_k(videos, k) == pytest.approx(float(shares[f"top{k}"]))


@pytest.mark.parametrize(("num_classes", "ks"), [(1, (1,)), (2, (1,)), (4, (1,)), (5, (1, 5)), (400, (1, 5))])
def test_there_is_no_top_5_among_fewer_than_five_classes(num_classes, ks):
    assert ks_of(num_classes) == ks
    assert list(TopK(num_classes)) == [f"top{k}" for k in ks]


def test_shares_are_of_videos_not_of_classes():
    accuracy = TopK(7)
    labels = torch.tensor([0] * 40 + [6] * 10)
    accuracy.add(torch.nn.functional.one_hot(torch.zeros(50, dtype=torch.int64), 7).float(), labels)
    assert float(accuracy.finish()["top1"]) == pytest.approx(0.8)
