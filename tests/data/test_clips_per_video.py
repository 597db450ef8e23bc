"""Several clips of a video from one decode: they count as clips, and no forward shows a video twice."""

import numpy as np
import pytest
import torch

from tests.data.clips import VIEWS, clips_of, module, records
from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import TrainDataset
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.lists.records import VideoRecord
from videogn.data.loader import forwards
from videogn.data.sampler import TrainSampler
from videogn.data.views.sampling import random_clip


def test_the_first_clip_is_the_only_one_and_all_come_from_one_decode(tmp_path, monkeypatch):
    videos = records(tmp_path, 2)
    alone = TrainDataset(videos, views=VIEWS, seed=3).__getitems__([(1, 0), (1, 1)])
    decodes = []
    read = PyAVVideo.read
    monkeypatch.setattr(PyAVVideo, "read", lambda self, *a, **k: (decodes.append(self.path), read(self, *a, **k))[1])
    several = TrainDataset(videos, views=VIEWS, seed=3, clips_per_video=3).__getitems__([(1, 0), (1, 1)])
    assert decodes == [video.path for video in videos]
    assert several["indices"].tolist() == [0, 1, 0, 1, 0, 1]
    assert several["labels"].tolist() == [0, 1, 0, 1, 0, 1]
    parts = list(forwards(several, 3))
    assert torch.equal(parts[0]["views"], alone["views"])
    assert len({digest for part in parts for _, digest in clips_of(part)}) == 6
    assert all(part["views"].data_ptr() != alone["views"].data_ptr() for part in parts)
    assert parts[1]["views"].untyped_storage().data_ptr() == several["views"].untyped_storage().data_ptr()


def test_later_clips_are_uniform_too():
    """Whole intervals from the first one, whose start is uniform: so are theirs."""
    rng = np.random.default_rng(0)
    counts = np.zeros(9)
    for _ in range(9000):
        clips = {"num_frames": 4, "frame_interval": 4, "rng": rng}
        first = int(random_clip(21, **clips)[0])
        second = int(random_clip(21, **clips, beside=first)[0])
        assert (second - first) % 4 == 0
        counts[second] += 1
    assert ((counts - 1000) ** 2 / 1000).sum() < 26.1  # chi squared, 8 degrees of freedom, p = 0.001


def test_an_update_has_the_same_clips_at_any_batch_workers_and_devices(data_root):
    def updates(batch_size: int, accumulate: int, *, devices: int = 1, **settings) -> list[set]:
        found: list[set] = [set() for _ in range(3)]
        for rank in range(devices):
            data = module(
                data_root, batch_size=batch_size, accumulate=accumulate, rank=rank, devices=devices, **settings
            )
            batches = list(data.train_dataloader())
            assert len(batches) == len(data.train_dataloader()) == data.batches_per_epoch == 3 * accumulate
            for place, batch in enumerate(batches):
                assert len(set(batch["indices"].tolist())) == batch_size  # distinct videos
                found[place // accumulate] |= set(clips_of(batch))
        return found

    expected = updates(4, 2)  # of 4 videos, with two clips each
    assert all(len(update) == 8 for update in expected)
    assert all(len({index for index, _ in update}) == 4 for update in expected)
    assert updates(2, 4) == updates(1, 8) == updates(2, 4, num_workers=1) == expected
    assert updates(2, 2, devices=2) == expected


@pytest.mark.parametrize("norm_batch", [1, 2])
def test_normalisation_batches_are_the_same_at_any_device_batch(data_root, norm_batch):
    def groups(batch_size: int, accumulate: int) -> set:
        batches = list(module(data_root, batch_size=batch_size, accumulate=accumulate).train_dataloader())
        starts = range(0, batch_size, norm_batch)
        return {tuple(clips_of(batch)[s : s + norm_batch]) for batch in batches for s in starts}

    assert groups(4, 2) == groups(2, 4)


def test_a_video_that_can_not_be_decoded_is_missing_in_each_forward(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    videos = [*records(tmp_path, 2), VideoRecord(str(broken), 0, 2, "broken")]
    batch = TrainDataset(videos, views=VIEWS, clips_per_video=2).__getitems__([(0, 2), (0, 1)])
    for part in forwards(batch, 2):
        assert part["missing"] == [0]
        assert part["weights"].tolist() == [0, 1]
        assert [index for index, _ in part["failures"]] == [2]
        assert (part["views"][0] == 115).all()


def test_forwards_that_can_not_be_dealt_are_refused(data_root):
    with pytest.raises(ValueError, match="clips_per_video 2 does not divide the 1 forwards of an update"):
        _ = module(data_root, batch_size=4, accumulate=1).batches_per_epoch
    with pytest.raises(ValueError, match="12 training videos do not fill one total batch of 32 clips"):
        _ = module(data_root, batch_size=4, accumulate=8).batches_per_epoch
    with pytest.raises(ValueError, match="clips_per_video is 0"):
        KineticsDataModule(clips_per_video=0)


def test_the_sampler_deals_half_the_videos():
    one, two = (TrainSampler(20, total_batch_size=8, seed=0, clips_per_video=clips) for clips in (1, 2))
    assert len(list(one)) == len(one) == 16
    assert len(list(two)) == len(two) == 20
    assert [key for key, _ in zip(two, range(16), strict=False)] == list(one)  # the same order
