"""The copy with labels: the frames of the video at its times, turned, with its own sound."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.data.full_decode import full_decode
from videogn.trained.overlay import check_sound, with_labels, write_overlay
from videogn.trained.sliding import TimeWindow
from videogn.trained.timeline import Timeline


def video_with_sound(path: Path, *, codec: str = "aac", late: int = 0) -> Path:
    """Two seconds of 25 grey frames a second that rise, of which some are shown longer, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "2"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream(codec, rate=8000, layout="mono")
        pts = late
        for k in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 40 + 4 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            pts += 2 if k % 4 == 3 else 1
            container.mux(video.encode(frame))
        container.mux(video.encode())
        wave = (8000 * np.sin(np.arange(16000) / 3)).astype(np.int16)
        for first in range(0, 16000, 1000):
            frame = av.AudioFrame.from_ndarray(wave[None, first : first + 1000], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, first + 320 * late, Fraction(1, 8000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def timeline(*windows: tuple[float, float, float]) -> Timeline:
    found = Timeline(["jump", "run"])
    for start, end, share in windows:
        found.add(TimeWindow(start, end, (0, 0), {"jump": share, "run": 1 - share}))
    return found


def times_of(path: Path, *, since: Fraction = Fraction(0)) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base - since for frame in container.decode(video=0)]


def sound_of(path: Path, *, since: Fraction = Fraction(0)) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base - since, bytes(packet)) for packet in container.demux(audio=0) if packet.size
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_frames_and_sound_keep_their_times(tmp_path, suffix):
    path = video_with_sound(tmp_path / "a.mp4")
    out = tmp_path / f"b{suffix}"
    told: list[float] = []
    write_overlay(path, timeline((0, 1, 0.9)), out, on_frame=told.append)
    times = times_of(path)
    assert len(set(np.diff([float(time) for time in times]).round(6))) == 2
    assert told == [float(time) for time in times]
    assert times_of(out) == times
    expected, found = sound_of(path), sound_of(out)
    assert [content for _, content in found] == [content for _, content in expected]
    tick = 0.001 if suffix == ".mkv" else 1e-9  # Matroska has milliseconds
    assert np.abs([float(a - b) for (a, _), (b, _) in zip(found, expected, strict=True)]).max() <= tick
    before, after = full_decode(path), full_decode(out)
    for k, (frame, copy) in enumerate(zip(before, after, strict=True)):
        assert np.abs(frame[:20].astype(int) - copy[:20]).max() <= 4  # encoded twice
        has_label = np.abs(frame[40:].astype(int) - copy[40:]).max() > 20
        assert has_label == (times[k] < 1), k  # the window ends at 1 s
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_file_that_begins_late_begins_at_once(tmp_path):
    """Broadcast streams begin at any time: sound and picture move together."""
    path = video_with_sound(tmp_path / "a.ts", late=100)
    write_overlay(path, timeline((0, 2, 0.9)), tmp_path / "b.mp4")
    with av.open(str(path)) as container:
        begin = Fraction(container.start_time, av.time_base)
    assert begin > 3
    for of in (times_of, lambda path, since=Fraction(0): [time for time, _ in sound_of(path, since=since)]):
        expected, found = of(path, since=begin), of(tmp_path / "b.mp4")
        assert np.abs(np.subtract(expected, found).astype(float)).max() < 1e-3


def test_it_is_turned_as_a_player_shows_it(tmp_path, shared_data):
    for name in ("decord_video_270.mov", "torchcodec_odd_hw_vp9.mp4", "derived/k_3_frames.mp4"):
        path, out = shared_data / "odd" / name, tmp_path / "b.mp4"
        write_overlay(path, timeline((0, 0.01, 0.9)), out)
        expected, found = full_decode(path), full_decode(out)
        height, width = (side + side % 2 for side in expected[0].shape[:2])
        for frame, copy in zip(expected[1:], found[1:], strict=True):
            assert copy.shape == (height, width, 3)
            difference = np.abs(frame.astype(int) - copy[: frame.shape[0], : frame.shape[1]])
            assert difference.mean() < 4, name


def test_sound_that_can_not_be_kept_is_refused_before(tmp_path):
    path = video_with_sound(tmp_path / "a.mov", codec="pcm_mulaw")
    with pytest.raises(ValueError, match=r"a.mov: a .mp4 file can't hold its sound \(pcm_mulaw\); .mov can"):
        check_sound(path, suffix=".mp4")
    check_sound(path, suffix=".mov")
    write_overlay(path, timeline((0, 1, 0.9)), tmp_path / "b.mov")
    assert sound_of(tmp_path / "b.mov") == sound_of(path)


def test_labels_are_drawn_in_any_alphabet_and_size():
    dark = np.zeros((240, 320, 3), np.uint8)
    one = with_labels(dark, [("прыжок", 0.91), ("$x^2$", 0.04)])
    two = with_labels(dark, [("прыжок", 0.51), ("$x^2$", 0.44)])
    rows = [np.flatnonzero(picture.max(axis=(1, 2))) for picture in (one, two)]
    assert rows[1].min() < rows[0].min() > 190  # a line, two lines
    assert not dark.any()
    for size in ((1, 1), (48, 64), (2000, 30)):
        assert with_labels(np.zeros((*size, 3), np.uint8), [("jump", 0.5)]).shape == (*size, 3)
