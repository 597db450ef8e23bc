"""Class-balanced sampling: classes come equally often, a repeated video with another clip, at any batch and devices."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.clips import VIEWS, clips_of, module, records
from tests.runs import TINY
from videogn.cli import main
from videogn.data.balanced import balanced_order, times_before
from videogn.data.dataset import TrainDataset
from videogn.data.sampler import TrainSampler
from videogn.training.module import VideoClassifier

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(lambda labels: np.array(labels, np.int32))


@given(labels=LABELS, number=st.integers(1, 150), seed=st.integers(0, 9))
def test_classes_and_within_them_videos_come_equally_often(labels, number, seed):
    order = balanced_order(labels, number, rng=np.random.default_rng(seed))
    assert len(order) == number
    of_classes = Counter(labels[order].tolist())
    assert max(of_classes.values()) - min(of_classes[label] for label in set(labels.tolist())) <= 1
    for label in set(labels.tolist()):
        own, videos = order[labels[order] == label], np.flatnonzero(labels == label)
        counts = np.bincount(own, minlength=len(labels))[videos]
        assert counts.max() - counts.min() <= 1
        # So a forward holds a video twice only where it holds more clips of a class than that has videos.
        for start in range(max(1, len(own) - len(videos) + 1)):
            part = own[start : start + len(videos)]
            assert len(set(part.tolist())) == len(part)


@given(order=st.lists(st.integers(0, 5), max_size=40))
def test_a_repeat_has_a_number_of_its_own(order):
    seen: Counter[int] = Counter()
    expected = []
    for place in order:
        expected.append(seen[place])
        seen[place] += 1
    assert times_before(np.array(order, np.int64)).tolist() == expected


def test_over_epochs_all_videos_and_all_orders_of_classes_come():
    labels = np.array([0] * 30 + [1] * 2 + [2] * 3, np.int32)
    orders = [balanced_order(labels, 10, rng=np.random.default_rng((0, epoch))) for epoch in range(60)]
    assert set(np.concatenate(orders).tolist()) == set(range(35))
    assert {int(np.bincount(labels[order]).argmax()) for order in orders} == {0, 1, 2}  # one more than the others
    assert len({tuple(labels[order[:3]].tolist()) for order in orders}) > 15  # of 27


def test_without_it_each_video_comes_once_in_the_order_on_record():
    sampler = TrainSampler(20, total_batch_size=8, seed=3)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        order = np.random.default_rng((3, epoch)).permutation(20)[:16]
        assert list(sampler) == [(epoch, place) for place in order.tolist()]


def test_clips_of_a_repeat_count_on(tmp_path):
    seen = []
    dataset = TrainDataset(
        records(tmp_path, 2), views=VIEWS, seed=4, clips_per_video=2, pixels=lambda clip, entropy: seen.append(entropy)
    )
    batch = dataset.__getitems__([(1, 0), (1, 2), (1, 5)])  # the first video twice, the second for the third time
    assert batch["indices"].tolist() == [0, 0, 1] * 2
    assert batch["labels"].tolist() == [0, 0, 1] * 2
    assert seen == [(4, 1, 0, 0), (4, 1, 0, 1), (4, 1, 0, 2), (4, 1, 0, 3), (4, 1, 1, 4), (4, 1, 1, 5)]
    assert len(set(clips_of(batch))) == 6


@pytest.fixture
def uneven(data_root: Path, tmp_path: Path) -> Path:
    """A folder of class folders: 9 and 3 training videos, 2 and 2 for validation."""
    for split, numbers in {"train": (9, 3), "val": (2, 2)}.items():
        videos = iter(sorted((data_root / split).iterdir()))
        for name, number in zip(("jump", "run"), numbers, strict=True):
            folder = tmp_path / "uneven" / split / name
            folder.mkdir(parents=True)
            for _ in range(number):
                video = next(videos)
                os.link(video, folder / video.name)
    return tmp_path / "uneven"


@pytest.mark.parametrize("clips_per_video", [1, 2])
def test_an_update_has_the_same_clips_at_any_batch_workers_and_devices(uneven, clips_per_video):
    settings = {"clips_per_video": clips_per_video, "balanced_sampling": True}
    update = 4 * clips_per_video

    def updates(batch_size: int, *, devices: int = 1, **more) -> list[set]:
        accumulate = update // batch_size // devices
        found: list[set] = [set() for _ in range(3)]
        for rank in range(devices):
            data = module(
                uneven, batch_size=batch_size, accumulate=accumulate, rank=rank, devices=devices, **settings, **more
            )
            for place, batch in enumerate(data.train_dataloader()):
                found[place // accumulate] |= set(clips_of(batch))
        return found

    expected = updates(4)
    assert updates(2) == updates(1) == updates(2, num_workers=1) == updates(2, devices=2) == expected
    every = set().union(*expected)
    assert len(every) == 3 * update  # a repeat is another clip
    indices = Counter(index for index, _ in every)
    counts = {
        label: [indices[index] // clips_per_video for index in own] for label, own in ((0, range(9)), (1, range(9, 12)))
    }
    assert counts[1] == [2, 2, 2]
    assert sorted(counts[0]) == [0] * 3 + [1] * 6
    once = module(uneven, batch_size=4, accumulate=clips_per_video, clips_per_video=clips_per_video)
    plain = {clip for batch in once.train_dataloader() for clip in clips_of(batch)}
    assert len(every & plain) == 9 * clips_per_video  # where a video comes first, it has the clips that it always has


@pytest.mark.slow
def test_a_fit_on_uneven_classes(uneven, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    Path("tiny.yaml").write_text(TINY)
    labels: list[int] = []
    step = VideoClassifier.training_step
    monkeypatch.setattr(
        VideoClassifier,
        "training_step",
        lambda self, batch, batch_idx: (labels.extend(batch["labels"].tolist()), step(self, batch, batch_idx))[1],
    )
    words = ["--config", "tiny.yaml", "--data.root", str(uneven), "--data.num_workers", "0", "--run_dir", "run"]
    words += ["--data.balanced_sampling", "true"]
    for command in ("plan", "fit"):
        assert main([command, *words, "--model.balance_classes", "true"]) == 2
        assert "small classes would count twice. Give one of the two" in capsys.readouterr().err
    assert main(["fit", *words]) == 0
    assert "data.balanced_sampling True" in capsys.readouterr().out
    assert [Counter(labels[:12]), Counter(labels[12:])] == [{0: 6, 1: 6}] * 2
    assert main(["test", "--no_report", "--run_dir", "run", "--data.protocol", "1x1"]) == 0
    assert json.loads(Path("run/result.json").read_text())["extras"] == {"data.balanced_sampling": True}
