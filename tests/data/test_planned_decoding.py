"""Decoding only what is needed gives what a full decode shows: over codecs, containers, structures and times."""

import contextlib
import random
from itertools import compress, pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.encodings import CASES, X265, encode, read_counted, remux, tables, x264
from tests.data.full_decode import full_decode
from tests.data.headers import traced
from videogn.data.decoding import TooFewFrames
from videogn.data.decoding.packets import Scan
from videogn.data.decoding.plan import plan
from videogn.data.decoding.pyav import PyAVVideo

# AVI has one time from each frame to the next, and begins at 0.
TIMES = [
    (name, times)
    for name in CASES
    for times in ("even", "uneven", "from before 0")[: 1 if CASES[name][1] == "avi" else 3]
]


@pytest.mark.parametrize(("name", "times"), TIMES)
def test_frames_are_those_of_a_full_decode(tmp_path, name, times):
    (codec, options), suffix, tells, skips = CASES[name]
    path = tmp_path / f"video.{suffix}"
    seed = len(name)
    encode(path, codec, options, num_frames=70, seed=seed, gaps=times == "uneven", shift=7 * (times == "from before 0"))
    expected = full_decode(path)
    total = len(expected)
    with_table = PyAVVideo(path)
    table = with_table.scan.table
    with_table.close()
    assert (table is not None) == tells
    if table is not None:
        assert table.num_frames == total
        # Of pictures in layers, those that say that none refers to them may be referred to from a higher one.
        assert table.can_skip == (codec in {"libx264", "libx265"} and "layers" not in name)
    rng = random.Random(seed)
    fewest = total
    for trial in range(12):
        interval = rng.choice([1, 2, 3, 9])
        start = rng.randrange(total)
        indices = sorted({(start + interval * place) % total for place in range(rng.choice([1, 4, 12]))})
        if trial % 3 == 0:
            indices = rng.sample(range(total), 6)
        frames, decoded, fell_back = read_counted(path, indices)
        assert not fell_back
        assert list(frames) == sorted(indices)
        for index, frame in frames.items():
            np.testing.assert_array_equal(frame, expected[index], err_msg=f"frame {index} of {indices}")
        fewest = min(fewest, decoded)
    last = total - 1
    frames, decoded, _ = read_counted(path, [last])
    np.testing.assert_array_equal(frames[last], expected[last])
    if tells and len(table.starts) > 1:
        assert decoded <= total // 2  # it began at the last key frame
    if skips:
        every_fourth, decoded, _ = read_counted(path, list(range(0, total, 4)))
        assert len(every_fourth) <= decoded < 0.9 * total


def test_edit_lists_hide_frames_from_all(tmp_path):
    """A cut without re-encoding: MP4 keeps the frames before the cut, hidden by an edit list."""
    whole = encode(tmp_path / "whole.mp4", *x264(keyint=30, bframes=2), num_frames=60, seed=3)
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                ticks = int(10 / 25 / stream.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, copy
                target.mux(packet)
    expected = full_decode(cut)
    assert len(expected) == 50
    video = PyAVVideo(cut)
    assert video.num_frames == 50
    assert video.scan.num_packets == 50
    video.close()
    for indices in ([0], [49], list(range(0, 50, 3))):
        frames, _, fell_back = read_counted(cut, indices)
        assert not fell_back
        for index, frame in frames.items():
            np.testing.assert_array_equal(frame, expected[index])


def check_against_full_decode(path: Path, *, tells: bool) -> None:
    expected = full_decode(path)
    last = len(expected) - 1
    for indices in ([1], [last], [last // 4, last // 2], list(range(0, len(expected), 3))):
        video = PyAVVideo(path)
        assert (video.scan.table is not None) == tells
        for index, frame in video.read(indices):
            np.testing.assert_array_equal(frame, expected[index], err_msg=f"frame {index} of {indices}")
        video.close()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("pyramid", ["none", "normal"])
def test_times_of_decoding_are_not_taken_for_times_of_showing(tmp_path, suffix, pyramid):
    """As in files that were copied from AVI: the decoder shows frames in another order than their times say."""
    path = encode(tmp_path / "a.mp4", *x264(keyint=20, bframes=3, b_pyramid=pyramid), num_frames=50, seed=2)

    def as_decoded(packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.pts = packet.dts

    check_against_full_decode(remux(path, tmp_path / f"copy.{suffix}", as_decoded), tells=False)


def test_times_that_cross_a_key_frame_are_not_believed(tmp_path):
    path = encode(tmp_path / "a.mp4", *x264(keyint=10, bframes=2, scenecut=0), num_frames=40, seed=2)

    def crossed(packets: list[av.Packet]) -> None:
        packets[20].pts, packets[21].pts = packets[21].pts, packets[20].pts

    check_against_full_decode(remux(path, tmp_path / "copy.mkv", crossed), tells=False)


@pytest.mark.parametrize("joined", [False, True])
def test_parameters_that_change_on_the_way_are_not_jumped_over(tmp_path, joined):
    settings = {"keyint": 15, "bframes": 0, "scenecut": 0, "repeat_headers": 1}
    one = encode(tmp_path / "a.ts", *x264(**settings), num_frames=30, seed=2)
    other = encode(tmp_path / "b.ts", *x264(**settings, chroma_qp_offset=6), num_frames=30, seed=3)

    def in_turn(packets: list[av.Packet]) -> None:
        for place, packet in enumerate(packets):
            packet.pts = packet.dts = place * 3600

    more = [other] if joined else []
    check_against_full_decode(remux(one, tmp_path / "copy.mkv", in_turn, *more), tells=not joined)


def joined_flv(one: Path, other: Path, path: Path, *, shift_ms: int) -> Path:
    """Two FLV files as a live stream that was taken up again: the second's configuration comes on the way."""
    data = other.read_bytes()
    tags, place = b"", 13  # behind the header and the size of no tag
    while place < len(data):
        end = place + 11 + int.from_bytes(data[place + 1 : place + 4], "big") + 4
        tag = bytearray(data[place:end])
        if tag[0] == 9:  # video
            time = int.from_bytes(tag[4:7], "big") + shift_ms
            tag[4:7] = time.to_bytes(3, "big")
            tags += tag
        place = end
    path.write_bytes(one.read_bytes() + tags)
    return path


def test_a_configuration_that_comes_on_the_way_is_not_jumped_over(tmp_path):
    settings = {"keyint": 15, "bframes": 0, "scenecut": 0}
    one = encode(tmp_path / "a.flv", *x264(**settings), num_frames=30, seed=2)
    other = encode(tmp_path / "b.flv", *x264(**settings, chroma_qp_offset=6), num_frames=30, seed=3)
    path = joined_flv(one, other, tmp_path / "both.flv", shift_ms=1200)
    assert len(full_decode(path)) == 60
    check_against_full_decode(path, tells=False)


def test_pictures_that_lead_a_cut_file_are_no_frames(tmp_path):
    """HEVC cut at a key frame of an open group: what refers to pictures before it is in the file, and never shown."""
    options = {"x265-params": f"{X265}:bframes=4:open-gop=1"}
    path = encode(tmp_path / "a.mkv", "libx265", options, num_frames=40, seed=2)

    def cut(packets: list[av.Packet]) -> None:
        second = [place for place, packet in enumerate(packets) if packet.is_keyframe][1]
        del packets[:second]
        assert any(packet.pts < packets[0].pts for packet in packets)

    check_against_full_decode(remux(path, tmp_path / "cut.mkv", cut), tells=False)


def test_one_file_may_be_read_in_any_way(video):
    expected = full_decode(video)
    opened = PyAVVideo(video)
    for indices in ([40], [3, 30], [49, 0], [12], [11, 13]):
        for index, frame in opened.read(indices):
            np.testing.assert_array_equal(frame, expected[index])
    abandoned = opened.read([1, 5, 9])
    next(abandoned)
    for index, frame in opened.read([2, 14, 37]):
        np.testing.assert_array_equal(frame, expected[index])
    assert opened.scan.table is not None  # none of it was a surprise
    with pytest.raises(RuntimeError, match="read again, or closed, before this reading was done"):
        list(abandoned)
    unfinished = [opened.read([1, 5, 9]), opened.read([1, 20, 40])]
    for reading in unfinished:
        next(reading)
    opened.close()
    for reading in unfinished:
        with pytest.raises(RuntimeError, match="closed"):
            list(reading)


@pytest.fixture(scope="module")
def losing(tmp_path_factory) -> Path:
    """60 packets, of which a decoder shows 59: one has a quantizer that only it knows to be out of range."""
    folder = tmp_path_factory.mktemp("losing")
    good = encode(folder / "good.mp4", *x264(keyint=12, bframes=2), num_frames=60, seed=1)
    packet, fields = [each for each in traced(good) if not each[0].is_keyframe][20]
    quantizer = next(field for field in fields if field.name == "slice_qp_delta")
    first = packet.pos * 8 + 32 + quantizer.bit  # behind the unit's length
    for flips in product((0, 1), repeat=8):
        data = bytearray(good.read_bytes())
        for place in compress(range(first, first + 8), flips):
            data[place // 8] ^= 0x80 >> place % 8
        damaged = folder / "damaged.mp4"
        damaged.write_bytes(data)
        with contextlib.closing(PyAVVideo(damaged)) as video:
            if video.scan.table is not None and len(full_decode(damaged)) == 59:
                return damaged
    raise AssertionError("no damage loses a frame")


def test_an_exact_count_that_contradicts_the_packets_is_believed(losing):
    video = PyAVVideo(losing)
    assert video.num_frames == 60
    assert video.count_frames() == video.num_frames == 59
    with pytest.raises(TooFewFrames, match="only 59 can be decoded"):
        dict(video.read([59]))
    video.close()


def test_a_size_that_changes_on_the_way_is_noticed(tmp_path):
    """VP9 in one stream, 64 x 96 px, then 128 x 192: all frames come in the first one's size."""
    vp9 = {"deadline": "realtime", "cpu-used": "8", "g": "10", "lag-in-frames": "0"}
    parts = []
    for scale, name in ((1, "small"), (2, "large")):
        path = encode(tmp_path / f"{name}.webm", "libvpx-vp9", vp9, num_frames=20, seed=scale, scale=scale)
        parts.append(path)

    def in_turn(packets: list[av.Packet]) -> None:
        for place, packet in enumerate(packets):
            packet.pts = packet.dts = place * 40

    path = remux(parts[0], tmp_path / "both.mkv", in_turn, parts[1])
    frames, _, fell_back = read_counted(path, [35])
    assert fell_back
    counted = PyAVVideo(path)
    counted._scan = Scan(40, None)
    for index, frame in counted.read([35]):
        assert frame.shape == (64, 96, 3)
        np.testing.assert_array_equal(frames[index], frame)
    counted.close()


def test_a_file_that_breaks_its_promise_is_decoded_in_full(losing):
    """Damage that shows only in decoding: the frames are those of a full decode, and no table is trusted again."""
    expected = full_decode(losing)
    frames, _, fell_back = read_counted(losing, list(range(0, 59, 4)))
    assert fell_back
    for index, frame in frames.items():
        np.testing.assert_array_equal(frame, expected[index])


@settings(max_examples=300, deadline=None)
@given(tables(), st.data())
def test_a_plan_covers_what_every_frame_needs_and_no_more_than_a_decode_from_the_start(table, data):
    wanted = sorted(data.draw(st.sets(st.integers(0, table.num_frames - 1), min_size=1)))
    stretches = plan(table, wanted)
    starts = set(table.starts.tolist())
    assert sorted(frame for stretch in stretches for frame in stretch.frames.values()) == wanted
    for stretch in stretches:
        assert stretch.start in starts
        assert stretch.stop == max(stretch.frames) + 1
        for packet, frame in stretch.frames.items():
            assert table.packet_of[frame] == packet
            # Some start lies at or before it, inside the stretch, and is not shown later than it (or is the first).
            inside = [s for s in starts if stretch.start <= s <= packet]
            assert any(table.pts[s] <= table.pts[packet] or s == 0 for s in inside)
    for one, other in pairwise(stretches):
        assert one.stop < other.start  # in order, and worth the jump


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_short_files_without_b_frames_are_planned_too(tmp_path, num_frames):
    path = encode(tmp_path / "a.mp4", *x264(keyint=2, bframes=3), num_frames=num_frames, seed=1)
    check_against_full_decode(path, tells=True) if num_frames == 5 else read_counted(path, [num_frames - 1])
    video = PyAVVideo(path)
    assert video.scan.table is not None
    video.close()
