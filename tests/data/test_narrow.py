"""Frames that are too narrow to be scaled are refused before memory is asked for; panoramas are not."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.data.images import picture, write_image
from videogn.data.dataset import TestDataset, TrainDataset
from videogn.data.decoding import DecodeError, Window, decode_frames, open_video
from videogn.data.lists.records import VideoRecord
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews
from videogn.data.views.training import RegionViews, TrainViews

VIEWS = [
    TestViews(32, 2, 256, 256, PROTOCOLS["10x3"], "nonlocal"),
    TrainViews(num_frames=4, frame_interval=1, scale_size=(256, 320), crop_size=224, flip_probability=0.5),
    RegionViews(num_frames=4, frame_interval=1, crop_area=(0.08, 1.0), crop_size=224, flip_probability=0.5),
]


def write(path: Path, width: int, height: int) -> Path:
    """Six frames, each of its own grey."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for k in range(6):
            picture = np.full((height, width, 3), 40 * k, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def read(path: Path, views: TestViews | TrainViews | RegionViews) -> tuple[tuple[int, ...], list[str]]:
    """The shape of what is given for a video, and why it is not given."""
    records = [VideoRecord(str(path), 0, 0, path.name)]
    if isinstance(views, TestViews):
        batch = TestDataset(records, views=views)[0, 0]
        shape = batch["views"][0].frames.shape if batch["views"] else ()
    else:
        batch = TrainDataset(records, views=views)[0, 0]
        shape = batch["views"].shape
    return tuple(shape), [reason for _, reason in batch["failures"]]


@pytest.mark.parametrize("views", VIEWS, ids=lambda views: type(views).__name__)
@pytest.mark.parametrize(("width", "height"), [(2000, 2), (2, 2000), (1056, 32)])
def test_narrow_videos_are_refused_by_all_views(tmp_path, views, width, height):
    path = write(tmp_path / "lines.mp4", width, height)
    _, failures = read(path, views)
    size = f"frames of {width} x {height} px are too narrow to be scaled"
    assert failures == [f"{path}: {size}; expected a long side of at most 32 times the short one; leave the video out"]
    assert decode_frames(path, [5]).shape == (1, height, width, 3)  # unscaled, it is read as any other


@pytest.mark.parametrize("backend", ["pyav", "decord", "torchcodec", "image"])
def test_no_reader_scales_a_video_of_few_lines(tmp_path, backend):
    if backend == "image":
        path, backend = write_image(tmp_path / "lines.png", picture(2, 2000)), "pyav"
    else:
        if backend != "pyav":
            pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
        path = write(tmp_path / "lines.mp4", 2000, 2)

    def scaled(height: int, width: int) -> Window:
        return Window(0, 0, height, width, 256, 256 * width // height)

    with open_video(path, backend=backend) as video, pytest.raises(DecodeError, match="2000 x 2 px are too narrow"):
        dict(video.read([0], window=scaled))


@pytest.mark.parametrize("views", VIEWS, ids=lambda views: type(views).__name__)
@pytest.mark.parametrize(("width", "height"), [(512, 64), (1024, 32)])
def test_panoramas_are_scaled_as_any_other(tmp_path, views, width, height):
    """8 : 1, and the most that there may be."""
    shape, failures = read(write(tmp_path / "panorama.mp4", width, height), views)
    assert not failures
    test = (6, 256, 256 * width // height, 3)
    assert shape == (test if isinstance(views, TestViews) else (1, 1, 4, 224, 224, 3))
