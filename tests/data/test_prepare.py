"""A prepared video shows the frames of its original, and is built as random reading needs it."""

import contextlib
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.prepared import number_shown, write_numbered
from videogn.data.decoding import open_video
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.window import Window
from videogn.tools.prepare import Encoding, PrepareError, prepare_video
from videogn.tools.prepare.clock import Clock
from videogn.tools.prepare.picture import PictureMaker

KINDS = {
    "plain": {},
    "turned": {"degrees": 90},
    "upside_down": {"degrees": 180},
    "uneven_times": {"times": [k * 40 + (k % 7) * 5 + 300 * (k > 20) for k in range(50)]},
    "ten_bits": {"pix_fmt": "yuv420p10le"},
    "odd_444": {"pix_fmt": "yuv444p", "size": (65, 97)},
    "full_range": {"pix_fmt": "yuvj420p", "full_range": True},
    "interlaced": {"interlaced": True},
    "grey": {"pix_fmt": "gray"},
}


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((one.astype(float) - other) ** 2).mean(), 1e-6)))


def all_frames(path: Path, size: tuple[int, int] | None = None) -> list[np.ndarray]:
    """Every frame as reading gives it, scaled to [height, width]."""
    with open_video(path) as video:
        window = size and (lambda height, width: Window(0, 0, height, width, *size))
        return [frame for _, frame in video.read(range(video.count_frames()), window=window)]


def slices(path: Path) -> list[tuple[int, int]]:
    """(type of NAL unit, how much it is referred to) of each packet's first slice, in the order of the file."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            data, place = bytes(packet), 0
            while place < len(data):
                size, head = int.from_bytes(data[place : place + 4], "big"), data[place + 4]
                if head & 31 in {1, 5}:
                    found.append((head & 31, head >> 5 & 3))
                    break
                place += 4 + size
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_frame_k_shows_frame_k(tmp_path, kind):
    source = write_numbered(
        tmp_path / "source.mkv" if kind == "uneven_times" else tmp_path / "source.mp4", **KINDS[kind]
    )
    before = source.read_bytes()
    prepared = prepare_video(source, tmp_path / "p.mp4", settings=Encoding(short_side=48, quality=10))
    assert source.read_bytes() == before
    made = all_frames(tmp_path / "p.mp4")
    original = all_frames(source, size=made[0].shape[:2])
    assert prepared.num_frames == len(made) == len(original) == 50
    assert prepared.bytes == (tmp_path / "p.mp4").stat().st_size
    assert min(made[0].shape[:2]) == 48
    assert (made[0].shape[0] > made[0].shape[1]) == (kind == "turned")
    for frame, same in zip(made, original, strict=True):
        assert psnr(frame, same) > 24  # another frame's number costs more: see below
    turns = {"turned": 3, "upside_down": 2}.get(kind, 0)
    assert [number_shown(np.rot90(frame, turns)) for frame in made] == list(range(50))
    assert max(psnr(made[k], original[k + 1]) for k in range(49)) < 24


def test_colours_stay_as_they_were_declared(tmp_path):
    source = write_numbered(tmp_path / "s.mp4", pix_fmt="yuvj420p", full_range=True, num_frames=3)
    prepare_video(source, tmp_path / "p.mp4", settings=Encoding(quality=4))
    with av.open(str(tmp_path / "p.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (2, 1)
    # Equal on average: a range or matrix that was taken for another shifts everything by 3 levels and more.
    for frame, same in zip(all_frames(tmp_path / "p.mp4"), all_frames(source), strict=True):
        assert np.abs((frame.astype(float) - same).mean(axis=(0, 1))).max() < 0.7


def test_rgb_and_palettes_keep_their_colours(tmp_path):
    source = write_numbered(tmp_path / "s.gif", codec="gif", pix_fmt="rgb8", num_frames=5)
    prepare_video(source, tmp_path / "p.mp4", settings=Encoding(quality=4))
    for frame, same in zip(all_frames(tmp_path / "p.mp4"), all_frames(source), strict=True):
        assert np.abs((frame.astype(float) - same).mean(axis=(0, 1))).max() < 1.5
    with av.open(str(tmp_path / "p.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (1, 6)  # BT.601, limited: declared, since it was chosen


def test_interlaced_lines_are_scaled_as_one_picture(tmp_path):
    source = write_numbered(tmp_path / "s.mp4", interlaced=True, num_frames=4)
    settings = Encoding(short_side=32)
    with av.open(str(source)) as container:
        frame = next(container.decode(video=0))
    assert frame.interlaced_frame
    plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
    made = PictureMaker(settings)(frame).to_ndarray()
    np.testing.assert_array_equal(made, PictureMaker(settings)(plain).to_ndarray())
    prepare_video(source, tmp_path / "p.mp4", settings=settings)
    with av.open(str(tmp_path / "p.mp4")) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


@pytest.mark.parametrize("interval", [16, 32, 5])
def test_it_is_built_for_random_reading(tmp_path, interval):
    source = write_numbered(tmp_path / "s.mp4", num_frames=60)  # key frames every 9, which must not show through
    prepare_video(source, tmp_path / "p.mp4", settings=Encoding(key_interval=interval))
    with contextlib.closing(PyAVVideo(tmp_path / "p.mp4")) as video:
        table = video.scan.table
        assert table is not None
        assert table.can_skip
        order = np.argsort(np.argsort(table.pts))  # of each packet: the frame that it shows
        assert order[table.starts].tolist() == list(range(0, 60, interval))
        # Closed: nothing behind a key frame in the file is shown before it.
        assert all((order[start:] >= order[start]).all() for start in table.starts)
    kinds = slices(tmp_path / "p.mp4")
    assert len(kinds) == 60
    referred = sum(bool(ref) for _, ref in kinds)
    assert sum(kind == 5 for kind, _ in kinds) == len(range(0, 60, interval))
    # One in four is referred to, and what comes just before a key frame.
    assert 15 <= referred <= 15 + 2 * len(range(0, 60, interval))
    data = (tmp_path / "p.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_cuts_and_noise_change_nothing_in_the_pattern(tmp_path):
    """x264 would begin a group at each cut, and leave B-frames out where they save nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 96, 3), dtype=np.uint8)
    with av.open(str(tmp_path / "s.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for k in range(64):
            picture = noise[k] if k % 5 else np.full_like(noise[k], 7 * k % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    prepare_video(tmp_path / "s.mp4", tmp_path / "p.mp4", settings=Encoding(key_interval=32))
    kinds = slices(tmp_path / "p.mp4")
    assert [place for place, (kind, _) in enumerate(kinds) if kind == 5] == [0, 32]
    assert [bool(ref) for _, ref in kinds[:29]] == [True] + 7 * [True, False, False, False]


def test_sound_goes_and_times_stay(tmp_path):
    times = KINDS["uneven_times"]["times"]
    source = write_numbered(tmp_path / "s.mkv", times=times)
    prepare_video(source, tmp_path / "p.mp4", settings=Encoding())
    with av.open(str(tmp_path / "p.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert [round(frame.time * 1000) for frame in container.decode(video=0)] == times


def test_times_that_do_not_rise_are_made_to():
    clock = Clock(Fraction(1, 1000), Fraction(25))
    assert [clock(pts) for pts in (500, 540, 540, 535, 620)] == [0, 40, 41, 42, 120]
    assert [clock(pts) for pts in (None, 700)] == [160, 200]
    assert [clock(pts) for pts in (-90_000, -89_960)] == [240, 280]  # joined from two recordings
    assert [clock(pts) for pts in (10**9, 10**9 + 40)] == [320, 360]
    fine = Clock(Fraction(1, 10**9), None)
    assert [fine(pts) for pts in (0, 40_000_000)] == [0, 3600]
    assert fine.time_base == Fraction(1, 90_000)


def test_the_same_bytes_each_time(tmp_path, video):
    for name in "abcd":
        prepare_video(video, tmp_path / f"{name}.mp4", settings=Encoding())
    assert len({path.read_bytes() for path in tmp_path.glob("*.mp4")}) == 1
    prepare_video(video, tmp_path / "e.mp4", settings=Encoding(quality=21))
    assert (tmp_path / "e.mp4").read_bytes() != (tmp_path / "a.mp4").read_bytes()


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([16, 256, 320]))
def test_sizes_are_even_and_never_above_the_original(width, height, short_side):
    made = Encoding(short_side=short_side).size(width, height)
    assert all(
        length % 2 == 0 and 2 <= length <= max(2, original)
        for length, original in zip(made, (width, height), strict=True)
    )
    short = min(width, height)
    assert min(made) == max(2, min(short_side, short - short % 2))
    assert abs(max(made) - max(width, height) * min(made) / short) <= 2 or short < 3


def test_settings_out_of_range_are_refused():
    for settings, message in (
        ({"short_side": 255}, "short_side is 255; expected an even"),
        ({"key_interval": 0}, "key_interval is 0; expected 1 to"),
        ({"quality": 52}, "quality is 52; expected 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Encoding(**settings)


def test_what_cannot_be_decoded_leaves_nothing(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(PrepareError, match=re.escape(f"{tmp_path}/text.mp4: ")):
        prepare_video(tmp_path / "text.mp4", tmp_path / "p.mp4", settings=Encoding())
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


def test_an_original_is_never_the_target(tmp_path, video):
    link = tmp_path / "link.mp4"
    link.symlink_to(video)
    before = video.read_bytes()
    with pytest.raises(ValueError, match="is the original itself"):
        prepare_video(video, link, settings=Encoding())
    with pytest.raises(ValueError, match=r"ends in \.mp4"):
        prepare_video(video, tmp_path / "p.avi", settings=Encoding())
    assert video.read_bytes() == before


@pytest.mark.slow
def test_real_odd_files(tmp_path, shared_data):
    """Count and content, for files that break readers; test pictures of hard coloured edges are not among them."""
    names = ["derived/k_vfr.mp4", "derived/k_bitflips400.mp4", "derived/k_truncated60_faststart.mp4"]
    names += ["derived/k_rotate90_tag.mp4", "derived/k_gray.mp4", "derived/k_mjpeg.avi", "derived/k_wmv2.wmv"]
    names += ["torchvision_TrumanShow_wave_f_nm_np1_fr_med_26.avi", "c3d_v_ApplyEyeMakeup_g01_c01.avi"]
    names += ["decord_video_270.mov", "torchcodec_nasa_13013_hdr.mp4", "torchcodec_bt601_full_range.mp4"]
    names += ["basketball_shooting_1.mp4", "derived/k_1_frame.mp4", "fightsurv_fi077_1080p.mp4"]
    for name in names:
        prepared = prepare_video(shared_data / "odd" / name, tmp_path / "p.mp4", settings=Encoding(quality=10))
        with open_video(shared_data / "odd" / name) as source, open_video(tmp_path / "p.mp4") as made:
            assert prepared.num_frames == source.count_frames() == made.count_frames(), name
            indices = range(0, prepared.num_frames, 9)
            frames = dict(made.read(indices))
            size = frames[0].shape[:2]
            original = dict(source.read(indices, window=lambda h, w, size=size: Window(0, 0, h, w, *size)))
            for k in indices:
                assert psnr(frames[k], original[k]) > 31, (name, k)
