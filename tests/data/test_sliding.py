"""A window that slides over a video: the clips that a test has at the same places, each frame from one decode."""

import re
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.encodings import encode, x264
from tests.data.full_decode import full_decode, odd_files
from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding import DecodeError, open_video
from videogn.data.decoding.memory import MemoryVideo
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.sliding import slide
from videogn.data.views.protocols import Protocol
from videogn.data.views.sampling import clip_indices
from videogn.data.views.testing import TestViews

EVERY_FRAME = 1e-6  # no frame is shown as shortly


def module(**settings) -> KineticsDataModule:
    sizes = {"num_frames": 8, "frame_interval": 3, "test_scale_size": 48, "test_crop_size": 32, "num_workers": 0}
    return KineticsDataModule(**{"clip_policy": "spread", **sizes, **settings})


def views_of(clip, crop_size: int) -> list[np.ndarray]:
    frames = np.stack([clip.frames[index] for index in clip.indices.tolist()])
    return [frames[:, top : top + crop_size, left : left + crop_size] for top, left in clip.corners]


def check_against_test(data: KineticsDataModule, path) -> int:
    """Every view that a test has of a video is the one that the window shows when it is there, to the last bit."""
    tested = data.views_of(path)
    shown = {int(clip.indices[0]): clip for clip in data.slide(path, every_seconds=EVERY_FRAME)}
    num_compared = 0
    for place, view in enumerate(tested):
        clip, crop = divmod(place, len(tested.corners))
        first, last = tested.spans[clip]
        if last < first and len(shown) > 1:
            continue  # of a clip that goes on at the video's beginning
        assert np.array_equal(view.numpy(), views_of(shown[first], data.test_crop_size)[crop]), (path, clip, crop)
        num_compared += 1
    return num_compared


@pytest.mark.parametrize(("protocol", "rate"), [("10x3", None), ("10x1", 12.5), ("1x1", 60.0)])
def test_real_clips_are_seen_as_a_test_sees_them(shared_data, protocol, rate):
    data = module(protocol=protocol, target_fps=rate)
    expected = {"10x3": 30, "10x1": 10, "1x1": 1}[protocol]
    for path in sorted((shared_data / "actions/val").rglob("*.mp4"))[::15]:
        assert check_against_test(data, path) == expected


@pytest.mark.slow  # 79 files, some of 1080 lines
def test_odd_files_are_seen_as_a_test_sees_them(shared_data):
    """Turned, of variable rate, damaged in the middle and cut off, with edit lists, interlaced, of other codecs."""
    data, failed = module(protocol="10x3"), []
    for name in odd_files(shared_data / "odd"):
        try:
            expected = check_against_test(data, shared_data / "odd" / name)
            assert expected == 30, name
        except DecodeError as error:
            failed.append(name)
            with pytest.raises(DecodeError, match=f"{re.escape(str(error))}$"):
                list(data.slide(shared_data / "odd" / name, every_seconds=1))
    assert len(failed) == 6


@pytest.mark.slow
def test_the_papers_clips_too_where_they_do_not_wrap_around(shared_data):
    data = module(protocol="10x1", clip_policy="nonlocal")
    for name in ("mmaction2_demo.mp4", "derived/k_vfr.mp4", "derived/k_truncated60_faststart.mp4"):
        assert check_against_test(data, shared_data / "odd" / name) >= 8


@given(
    num_frames=st.integers(1, 60),
    clip=st.tuples(st.integers(1, 9), st.fractions(min_value="1/3", max_value=5, max_denominator=4)),
    rate=st.sampled_from([5, 24, 25, 30]),
    every=st.sampled_from([0.001, 0.04, 0.1, 0.35, 1.0, 7.0]),
)
def test_windows_begin_at_their_times_and_are_whole(num_frames, clip, rate, every):
    """Against all clips that there are, of which those are taken that begin as asked."""
    frames = np.arange(num_frames, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2).repeat(3, 3)
    video = MemoryVideo(frames, frames_per_second=rate)
    views = TestViews(*clip, scale_size=8, crop_size=8, protocol=Protocol(10, 1), policy="spread")
    found = list(slide(video, views, every_seconds=every))
    span = int(np.floor((clip[0] - 1) * clip[1] + Fraction(1, 2))) + 1
    times = [Fraction(k, rate) for k in range(num_frames)]
    due, starts = Fraction(0), []
    for k, seconds in enumerate(times):
        if seconds >= due:
            starts.append(k)
            while due <= seconds:
                due += Fraction(str(every))
    expected = [k for k in starts if k + span <= num_frames] or [0]
    assert [int(one.indices[0]) for one in found] == expected
    for start, one in zip(expected, found, strict=True):
        assert np.array_equal(one.indices, clip_indices(start, num_frames, num_frames=clip[0], frame_interval=clip[1]))
        assert one.start == times[start]
        assert one.end == Fraction(min(start + span, num_frames), rate)
        assert {index: int(frame[0, 0, 0]) for index, frame in one.frames.items()} == {
            index: index for index in set(one.indices.tolist())
        }


def test_times_are_those_of_the_file(tmp_path, shared_data):
    path = encode(tmp_path / "gaps.mp4", *x264(keyint=12, bframes=3), num_frames=60, seed=1, gaps=True)
    with av.open(str(path)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert len({after - before for before, after in pairwise(times)}) == 3
    shown = list(PyAVVideo(path).stream())
    assert [one.start for one in shown] == times
    assert [one.end for one in shown[:-1]] == times[1:]
    starts = [float(clip.start) for clip in module().slide(path, every_seconds=0.5)]
    assert starts == [float(next(t for t in times if t >= k * Fraction(1, 2))) for k in range(len(starts))]
    # A player's clock begins with the file, at its sound if that is first; AVI's times are made up.
    assert float(next(PyAVVideo(shared_data / "odd/derived/k_vfr.mp4").stream()).start) == pytest.approx(0, abs=1e-5)
    avi = [one.start for one in PyAVVideo(shared_data / "odd/c3d_v_ApplyEyeMakeup_g01_c01.avi").stream()]
    assert avi == [Fraction(k, 25) for k in range(164)]


def test_every_frame_is_streamed_as_a_full_decode_shows_it(shared_data):
    for name in ("decord_video_180.mov", "derived/k_bitflips400.mp4", "torchcodec_animated.gif"):
        path = shared_data / "odd" / name
        expected = full_decode(path)
        with open_video(path) as video:
            for shown, frame in zip(video.stream(), expected, strict=True):
                assert np.abs(shown.convert().astype(int) - frame).mean() < 3  # chroma is scaled otherwise


def test_what_else_holds_frames(tmp_path, video, shared_data):
    """Decoded frames, a folder of them, an image, and another decoder."""
    data = module(protocol="10x1")
    expected = [views_of(clip, 32) for clip in data.slide(video, every_seconds=0.2)]
    frames = np.stack(full_decode(video))
    with pytest.raises(ValueError, match="its 50 frames do not say when each is shown: give their rate"):
        list(data.slide(frames, every_seconds=0.2))
    found = [views_of(clip, 32) for clip in data.slide(frames, every_seconds=0.2, fps=25)]
    assert len(found) == len(expected) == 6
    other = [views_of(clip, 32) for clip in module(protocol="10x1", decoder="decord").slide(video, every_seconds=0.2)]
    assert np.array_equal(other, expected)
    folder = tmp_path / "frames"
    folder.mkdir()
    from PIL import Image

    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{k}.png")
    assert np.array_equal([views_of(c, 32) for c in data.slide(folder, every_seconds=0.2, fps=25)], found)
    (only,) = data.slide(folder / "7.png", every_seconds=0.2)
    assert (only.start, only.end, set(only.indices.tolist())) == (0, 0, {0})


def test_what_can_not_be_asked_for(video):
    for every in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected seconds, more than 0"):
            next(module().slide(video, every_seconds=every))
    with pytest.raises(DecodeError, match="no such file"):
        next(module().slide("none.mp4", every_seconds=1))
