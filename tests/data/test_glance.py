"""What headers say of videos before a run: shorter than a clip, and of different rates."""

from pathlib import Path

import pytest

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.glance import MOST, Header, headers, rates_differ
from videogn.data.lists.records import Records


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Videos of 40 frames at 10 and at 30 a second, one of 12 frames, one of these in Matroska, an image, no video."""
    root = tmp_path_factory.mktemp("rates")
    write_video(root / "slow.mp4", num_frames=40, rate=10)
    write_video(root / "fast.mp4", num_frames=40, rate=30)
    write_video(root / "short.mkv", num_frames=12, rate=30)
    (root / "broken.mp4").write_bytes(b"none")
    return root


def data(root: Path, names: list[str], **settings) -> KineticsDataModule:
    for split in ("train", "val"):
        (root / f"{split}.csv").write_text("".join(f"{name} {place % 2}\n" for place, name in enumerate(names)))
    return KineticsDataModule(str(root), num_frames=8, frame_interval=4, **settings)


def test_headers_say_frames_and_rate(root):
    names = ["slow.mp4", "broken.mp4", "short.mkv", "fast.mp4"]
    found = list(headers(Records(names, labels=[0] * 4, folder=str(root))))
    assert found == [Header(40, 10.0), Header(12, 30.0), Header(40, 30.0)]
    assert list(headers(Records([], labels=[]))) == []


def test_a_long_list_is_looked_at_evenly(root):
    names = ["slow.mp4"] * 1000 + ["fast.mp4"] * 1000
    found = list(headers(Records(names, labels=[0] * 2000, folder=str(root))))
    assert len(found) <= MOST
    assert {header.rate for header in found} == {10.0, 30.0}


def test_short_videos_and_rates_that_differ_are_said(root):
    found = [text for text in data(root, ["slow.mp4", "fast.mp4", "short.mkv"]).doubts() if "train.csv" in text]
    assert found[-2].endswith("a smaller --data.frame_interval may be better")
    assert "train.csv: 1 of 3 videos looked at are shorter than a clip" in found[-2]
    assert "train.csv: of 3 videos looked at, 10 to 30 frames a second: a clip is 0.97 to 2.9 s; --data" in found[-1]


def test_rates_differ_by_more_than_a_factor_of_two():
    assert rates_differ([12.5, 25.0], num_frames=8, frame_interval=4) is None
    assert rates_differ([], num_frames=8, frame_interval=4) is None
    assert rates_differ([30.0, 12.0], num_frames=8, frame_interval=4).startswith("12 to 30 frames a second")


def test_rates_of_the_built_in_videos_do_not_matter(root, tmp_path):
    for name in ("slow", "fast"):
        (tmp_path / f"{name}.mp4").symlink_to(root / f"{name}.mp4")
    assert any("frames a second" in text for text in data(tmp_path, ["slow.mp4", "fast.mp4"]).doubts())
    (tmp_path / "motions.json").touch()
    assert not any("frames a second" in text for text in data(tmp_path, ["slow.mp4", "fast.mp4"]).doubts())


def test_a_test_whose_clips_wrap_is_said(root):
    """A clip spans 29 frames; one video has 40 of them, one 12."""
    (root / "wraps.csv").write_text("fast.mp4 0\nshort.mkv 1\n")
    settings = {"test_list": "wraps.csv", "target_fps": 30.0}
    module = data(root, ["fast.mp4", "slow.mp4"], **settings)
    [said] = [text for text in module.doubts() if "wraps.csv" in text]
    assert "wraps.csv: 1 of 2 videos looked at are shorter than a clip" in said
    short, wrapped = module.doubts_of_test()
    assert short == said
    assert "wraps.csv: 1 of 2 videos looked at are shorter than two clips" in wrapped
    assert data(root, ["fast.mp4", "slow.mp4"], **settings, clip_policy="spread").doubts_of_test() == [said]
    assert data(root, ["fast.mp4", "slow.mp4"], **settings, protocol="1x1").doubts_of_test() == [said]


def test_at_one_rate_a_clip_is_as_long_in_all(root):
    """29 frames at 30 a second are 9.7 of a video of 10 a second."""
    found = data(root, ["slow.mp4", "fast.mp4"], target_fps=30.0).doubts()
    assert not [text for text in found if "looked at" in text]
    [found] = [text for text in data(root, ["slow.mp4", "fast.mp4"], target_fps=5.0).doubts() if "train.csv" in text]
    assert "2 of 2 videos looked at are shorter" in found
