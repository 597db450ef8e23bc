"""What reading holds: no more after thousands of clips, and no more for a long video than for a short one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch.utils.data._utils.pin_memory import pin_memory

from tests.data.encodings import encode, read_counted, x264
from tests.videos import write_video
from videogn.data.batch import VideoViews
from videogn.data.dataset import TestDataset, TrainDataset
from videogn.data.decoding import decode_frames
from videogn.data.lists.records import Records
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import protocol_clips
from videogn.data.views.testing import TestViews
from videogn.data.views.training import TrainViews

reads_proc = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads /proc")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@reads_proc
def test_no_frame_is_kept(tmp_path):
    large = write_video(tmp_path / "large.mp4", num_frames=8, height=480, width=640)
    for _ in range(20):
        decode_frames(large, [7])
    before = resident_bytes()
    for _ in range(150):
        decode_frames(large, [7])
    assert resident_bytes() < before + 40_000_000  # one kept frame each would be 138 MB


@reads_proc
@pytest.mark.slow
def test_memory_is_flat_over_clips(tmp_path, request):
    sizes = [(48, 64), (120, 160), (64, 64), (96, 128)]
    for place in range(24):
        height, width = sizes[place % 4]
        write_video(tmp_path / f"{place}.mp4", num_frames=20, height=height, width=width, seed=place)
    records = Records([f"{place}.mp4" for place in range(24)], labels=range(24), folder=str(tmp_path))
    views = TrainViews(num_frames=4, frame_interval=2, scale_size=(64, 80), crop_size=56, flip_probability=0.5)
    dataset = TrainDataset(records, views=views)
    warm_up, clips = (1000, 5000) if request.config.getoption("--full") else (500, 1500)
    for clip in range(warm_up):
        dataset[clip, clip % 24]
    before = resident_bytes()
    for clip in range(clips):
        dataset[clip, clip % 24]
    assert resident_bytes() < 1.02 * before


def test_a_long_video_costs_what_its_clips_cost(tmp_path):
    """Ten clips over a video 40 times as long: the same number of frames is decoded, and held."""
    views = TestViews(8, 2, 64, 64, PROTOCOLS["10x3"], "nonlocal")
    decoded, held = [], []
    for num_frames in (200, 8000):
        path = encode(
            tmp_path / f"{num_frames}.mp4",
            *x264(keyint=20, bframes=2, scenecut=0),
            num_frames=num_frames,
            seed=1,
        )
        indices = protocol_clips(num_frames, num_clips=10, num_frames=8, frame_interval=2).ravel().tolist()
        _, count, fell_back = read_counted(path, indices)
        assert not fell_back
        decoded.append(count)
        (video,) = TestDataset(Records([str(path)], labels=[0]), views=views)[0, 0]["views"]
        held.append(video.frames.numel())
    assert decoded[1] < 1.5 * decoded[0] < 8000 / 10
    assert held[1] <= 1.2 * held[0]


def test_views_are_made_when_asked_for(tmp_path, video):
    views = TestViews(8, 2, 48, 48, PROTOCOLS["10x3"], "nonlocal")
    (made,) = TestDataset(Records([str(video)], labels=[0]), views=views)[0, 0]["views"]
    assert made.frames.numel() * 3 < sum(view.numel() for view in made)
    assert len(made) == 30
    for wrong in (-1, 30):
        with pytest.raises(IndexError, match=f"view {wrong} of 30"):
            made[wrong]
    moved = made.to("cpu")
    assert all(np.array_equal(one, other) for one, other in zip(made, moved, strict=True))


def test_what_pins_memory_and_moves_to_devices_takes_frames_not_views(video, monkeypatch):
    views = TestViews(8, 2, 48, 48, PROTOCOLS["10x3"], "nonlocal")
    batch = TestDataset(Records([str(video)], labels=[0]), views=views)[0, 0]
    seen = []
    monkeypatch.setattr(VideoViews, "pin_memory", lambda self: seen.append("pinned") or self)
    monkeypatch.setattr(VideoViews, "to", lambda self, device: seen.append("moved") or self)
    pin_memory({"views": batch["views"]})
    move_data_to_device(batch, torch.device("cpu"))
    assert seen == ["pinned", "moved"]
