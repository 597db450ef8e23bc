"""Scores over time: what a test gives at the same places, in memory that does not grow, each frame decoded once."""

import resource
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import videogn
from tests.data.encodings import encode, x264
from tests.videos import write_video
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.views.sampling import clip_span, clip_starts
from videogn.trained.sliding import in_batches
from videogn.trained.timeline import Timeline

pytestmark = pytest.mark.slow  # trains for a second or two
EVERY_FRAME = 1e-6


def mean_at_the_tests_places(model, path: Path) -> dict[str, float]:
    """The mean over the windows that begin where the clips of a test do: softmax is averaged, not logits."""
    with av.open(f"file:{path}", metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        total = 0
        for packet in container.demux(stream):
            try:
                total += len(packet.decode())
            except av.error.FFmpegError:
                continue
    windows = {window.frames[0]: window for window in model.slide(path, every_seconds=EVERY_FRAME)}
    num_clips = {"10x3": 10, "10x1": 10, "1x1": 1}[model.data.protocol]
    span = clip_span(model.data.num_frames, model.data.frame_interval)
    assert len(windows) == max(total - span + 1, 1)
    starts = clip_starts(total, num_clips, span=span, policy="spread")
    return {name: float(np.mean([windows[start].probabilities[name] for start in starts])) for name in model.classes}


@pytest.mark.parametrize("protocol", ["10x3", "10x1", "1x1"])
def test_on_a_short_video_it_is_what_a_test_gives(run, data_root, shared_data, tmp_path, protocol):
    """To rounding: the pixels are the same bit for bit (tests/data), and of another number at once."""
    model = videogn.load(run, protocol=protocol)
    model.data.clip_policy = "spread"
    odd = shared_data / "odd"
    edited = encode(tmp_path / "edited.mp4", *x264(keyint=12, bframes=3), num_frames=60, seed=1, shift=7)
    paths = [next(data_root.glob("val/*.mp4")), next((shared_data / "actions/val").rglob("*.mp4")), edited]
    paths += [
        odd / "torchcodec_nasa_13013_rotated.mp4",
        odd / "decord_corrupted.mp4",
        odd / "basketball_shooting_1.mp4",
    ]
    if protocol == "10x1":
        paths += [odd / "derived/k_vfr.mp4", odd / "derived/k_truncated60_faststart.mp4"]
    for path in paths:
        assert mean_at_the_tests_places(model, path) == pytest.approx(model(path), abs=1e-6), path


def test_some_at_once_are_what_each_is(run, video):
    model = videogn.load(run)
    one, five = (list(model.slide(video, every_seconds=0.1, at_once=number)) for number in (1, 5))
    assert len(one) == 15
    for alone, among in zip(one, five, strict=True):
        assert (alone.start, alone.end, alone.frames) == (among.start, among.end, among.frames)
        assert alone.probabilities == pytest.approx(among.probabilities, abs=1e-6)


def test_decoded_frames_are_seen_as_their_file_is(run, video, tmp_path):
    model = videogn.load(run)
    frames = videogn.decode_frames(video, range(50))
    of_file = list(model.slide(video, every_seconds=0.5))
    assert [window.probabilities for window in model.slide(frames, every_seconds=0.5, fps=25)] == [
        window.probabilities for window in of_file
    ]
    with pytest.raises(videogn.DecodeError, match="no such file"):
        next(model.slide(tmp_path / "none.mp4", every_seconds=0.5))


def test_what_comes_before_an_error_is_told(run, video):
    clips = list(videogn.load(run).data.slide(video, every_seconds=0.3))
    assert len(clips) == 5

    def cut_off():
        yield from clips
        raise videogn.DecodeError("a.mp4", "cut off")

    told = in_batches(cut_off(), at_once=2, crop_size=32, device=torch.device("cpu"))
    assert [[clip.start for clip in next(told)[0]] for _ in range(3)] == [
        [clip.start for clip in clips[first : first + 2]] for first in (0, 2, 4)
    ]
    with pytest.raises(videogn.DecodeError, match="cut off"):
        next(told)


def repeated(path: Path, *, minutes: int) -> Path:
    """A video of a minute over and over: its packets, later each time."""
    once = write_video(path.with_name("minute.mp4"), num_frames=1500, height=48, width=64)
    with av.open(str(once)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for minute in range(minutes):
            for packet in packets:
                late = av.Packet(bytes(packet))
                shift = round(60 * minute / packet.time_base)
                late.pts, late.dts, late.time_base = packet.pts + shift, packet.dts + shift, packet.time_base
                late.is_keyframe, late.stream = packet.is_keyframe, stream
                copy.mux(late)
    return path


class Counted:
    """A packet that counts the frames that come out of the decoder for it."""

    def __init__(self, packet: av.Packet, counts: Counter[str]) -> None:
        self._packet, self._counts = packet, counts

    def decode(self) -> list[av.VideoFrame]:
        frames = self._packet.decode()
        self._counts["frames"] += len(frames)
        return frames


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("minutes", [10, 120])
def test_memory_does_not_grow_with_a_long_video_and_each_frame_is_decoded_once(
    run, tmp_path, monkeypatch, request, minutes
):
    """Within 2 % from the second minute on."""
    if minutes > 10 and not request.config.getoption("--full"):
        pytest.skip("a video of two hours: --full")
    path = repeated(tmp_path / "long.mp4", minutes=minutes)
    counts: Counter[str] = Counter()
    packets_of, opens = PyAVVideo._packets, PyAVVideo._open
    monkeypatch.setattr(
        PyAVVideo, "_packets", lambda self, stream: (Counted(packet, counts) for packet in packets_of(self, stream))
    )
    monkeypatch.setattr(PyAVVideo, "_open", lambda self: (counts.update(["opened"]), opens(self))[1])
    model = videogn.load(run, protocol="10x1")
    timeline, sizes = Timeline(model.classes), []
    for window in model.slide(path, every_seconds=1.0):
        timeline.add(window)
        if window.start >= 120:
            sizes.append(resident_bytes())
    assert counts == {"opened": 1, "frames": minutes * 1500}
    assert len(timeline) == minutes * 60
    assert [start for start, _ in timeline.times] == list(range(minutes * 60))
    print(f"{minutes} minutes: {min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.1f} MB")
    assert max(sizes) <= 1.02 * min(sizes)
