"""Clips at one rate of time from videos of any: exact frames, as many seconds apart in each."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import TestDataset, TrainDataset
from videogn.data.decoding import decode_frames, open_video
from videogn.data.lists.records import VideoRecord
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import clip_indices, clip_span, interval_at
from videogn.data.views.testing import TestViews
from videogn.data.views.training import TrainViews

RATES = st.sampled_from([Fraction(10), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(24000, 1001)])


@given(RATES, st.integers(1, 8), st.floats(1, 60), st.integers(1, 64))
def test_frames_are_the_nearest_in_time(rate, frame_interval, target_fps, num_frames):
    interval = interval_at(rate, frame_interval, target_fps=target_fps)
    found = clip_indices(0, 10**6, num_frames=num_frames, frame_interval=interval)
    seconds = np.arange(num_frames) * frame_interval / target_fps
    assert np.abs(found - seconds * float(rate)).max() <= 0.5 + 2e-3 * found.max() / target_fps + 1e-9
    assert found[-1] + 1 == clip_span(num_frames, interval)


def test_at_its_own_rate_a_video_keeps_its_interval():
    for rate in (Fraction(30), Fraction(25), Fraction(24000, 1001)):
        assert interval_at(rate, 2, target_fps=float(rate)) == 2


def test_half_the_rate_shows_the_same_moments(tmp_path):
    """A video of 30 frames a second gives every fourth frame at target 15 and interval 2; one of 15, every other."""
    fast, slow = (write_video(tmp_path / f"{rate}.mp4", num_frames=64, rate=rate) for rate in (30, 15))
    views = TestViews(4, 2, 48, 48, PROTOCOLS["1x1"], "nonlocal")
    for path, interval in ((fast, 4), (slow, 2)):
        data = TestDataset([VideoRecord(str(path), 0, 0, path.name)], views=views, target_fps=15)
        found = next(iter(data[(0, 0)]["views"][0]))
        start = (64 - (3 * interval + 1)) // 2
        frames = decode_frames(path, [start + k * interval for k in range(4)])
        assert torch.equal(found, frames[:, :, 8:56])


def test_training_clips_come_at_the_rate_of_time(tmp_path):
    path = write_video(tmp_path / "a.mp4", num_frames=13, rate=30)
    views = TrainViews(4, 2, (48, 48), 48, 0.0)
    record = [VideoRecord(str(path), 0, 0, path.name)]
    found = TrainDataset(record, views=views, target_fps=15)[(0, 0)]["views"][0, 0]  # of span 13: one start
    frames = decode_frames(path, [0, 4, 8, 12])
    assert any(torch.equal(found, frames[:, :, left : left + 48]) for left in range(17))


@pytest.mark.parametrize("backend", ["pyav", "decord", "torchcodec"])
def test_every_decoder_tells_the_rate(tmp_path, backend):
    pytest.importorskip("av" if backend == "pyav" else backend, exc_type=(ImportError, RuntimeError, OSError))
    with open_video(write_video(tmp_path / "a.mp4", num_frames=30, rate=30), backend=backend) as video:
        assert video.rate == 30


def test_what_has_no_rate_is_refused_by_name(tmp_path):
    from PIL import Image

    for label in ("a", "b"):
        folder = tmp_path / "train" / label / "video0"
        folder.mkdir(parents=True)
        for k in range(3):
            Image.new("RGB", (64, 48)).save(folder / f"{k}.png")
    data = KineticsDataModule(str(tmp_path), frame_folders=True, target_fps=15)
    with pytest.raises(ValueError, match=r"video0: a folder of frames does not say its frame rate: give data\.fr"):
        data.check_rates(data.catalog.records("train"))
    with_rate = KineticsDataModule(str(tmp_path), frame_folders=True, target_fps=15, frames_per_second=30)
    with_rate.check_rates(with_rate.catalog.records("train"))
    record = VideoRecord(str(tmp_path / "train" / "a" / "video0"), 0, 0, "video0")
    batch = TrainDataset([record], views=TrainViews(4, 2, (48, 48), 48, 0.0), target_fps=15)[(0, 0)]
    assert "target_fps needs its frame rate" in batch["failures"][0][1]
    with pytest.raises(ValueError, match="target_fps is 0"):
        KineticsDataModule(target_fps=0)
    with pytest.raises(ValueError, match="frames_per_second has no effect without target_fps"):
        KineticsDataModule(frames_per_second=30)


def test_folders_of_frames_take_the_rate_that_they_are_given(tmp_path):
    """Of 30 frames a second, an interval of 2 at 15 is one of 4; each frame has a grey of its own."""
    from PIL import Image

    (tmp_path / "video0").mkdir()
    for k in range(13):
        Image.new("RGB", (48, 48), (10 * k,) * 3).save(tmp_path / "video0" / f"{k}.png")
    record = VideoRecord(str(tmp_path / "video0"), 0, 0, "video0")
    views = TrainViews(4, 2, (48, 48), 48, 0.0)
    [clip] = TrainDataset([record], views=views, target_fps=15, frames_per_second=30)[(0, 0)]["views"].flatten(0, 1)
    assert clip[:, 0, 0, 0].tolist() == [0, 40, 80, 120]
