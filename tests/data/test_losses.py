"""Streams with losses show what a full decode shows, whatever else is asked for; those without keep their tables."""

import contextlib
from pathlib import Path

import av
import numpy as np
import pytest

from tests.data.encodings import CASES, X265, encode, remux, x264
from tests.data.full_decode import full_decode, odd_files
from tests.data.headers import traced
from videogn.data.decoding.pyav import PyAVVideo

NUM_FRAMES = 40
STREAMS = [name for name, (_, _, tells, _) in CASES.items() if tells and name.startswith(("h264", "hevc"))]


def has_table(path: Path) -> bool:
    with contextlib.closing(PyAVVideo(path)) as video:
        return video.scan.table is not None


def check_against_full_decode(path: Path) -> int:
    """Every frame alone, some, and all together; how many there are."""
    expected = full_decode(path)
    total = len(expected)
    for indices in ([[k] for k in range(total)], [range(first, total, 7) for first in range(7)], [range(total)]):
        for some in indices:
            with contextlib.closing(PyAVVideo(path)) as video:
                for index, frame in video.read(list(some)):
                    np.testing.assert_array_equal(frame, expected[index], err_msg=f"frame {index} of {some}")
    return total


def slice_of(packet: av.Packet) -> int:
    """Where the NAL unit of a packet's last slice begins."""
    data = bytes(packet)
    if data.startswith(b"\0\0\0\1"):
        return data.rfind(b"\0\0\1") + 3
    at = place = 0
    while place < len(data):  # each behind its length
        at, place = place + 4, place + 4 + int.from_bytes(data[place : place + 4], "big")
    return at


def is_referred_to(packet: av.Packet, codec: str) -> bool:
    first = bytes(packet)[slice_of(packet)]
    return bool(first & 0x60 if codec == "libx264" else first & 2)


def remux_without(path: Path, lost: set[int]) -> Path:
    """A file without some of its packets."""

    def drop(packets: list[av.Packet]) -> None:
        packets[:] = [packet for place, packet in enumerate(packets) if place not in lost]

    return remux(path, path.with_stem("lost"), drop)


@pytest.mark.parametrize("lost", ["a reference", "a run", "key frames", "no reference"])
@pytest.mark.parametrize("name", STREAMS)
def test_frames_of_a_stream_with_losses_are_those_of_a_full_decode(tmp_path, name, lost):
    (codec, options), suffix, *_ = CASES[name]
    path = encode(tmp_path / f"whole.{suffix}", codec, options, num_frames=NUM_FRAMES, seed=len(name))
    assert has_table(path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    places = {
        "a reference": [1],  # behind the first key frame
        "a run": range(5, 14),
        "key frames": [place for place, packet in enumerate(packets) if packet.is_keyframe and place],
        "no reference": [place for place, packet in enumerate(packets) if not is_referred_to(packet, codec)][2:3],
    }[lost]
    if not places:
        pytest.skip("there is none")
    path = remux_without(path, set(places))
    check_against_full_decode(path)
    # Nothing else changes by the loss of a picture that none refers to: the others are planned as before.
    assert has_table(path) == (lost == "no reference")


# What follows goes on from what came before a lost IDR picture by its numbers and what it refers to: only the order in
# which pictures are shown tells.
GOES_ON = {
    "h264": (x264(keyint=4, bframes=1, ref=2, scenecut=40), "mp4", 27, 114758, range(6, 14)),
    "h264, more B-frames": (
        x264(keyint=4, bframes=2, ref=4, b_pyramid="normal", scenecut=0),
        "mkv",
        42,
        662849,
        range(2, 18),
    ),
    "hevc": (("libx265", {"x265-params": f"{X265}:keyint=4:bframes=3:open-gop=0"}), "mkv", 45, 833329, [4]),
    "hevc, no B-frames": (
        ("libx265", {"x265-params": f"{X265}:keyint=2:bframes=0:open-gop=0"}),
        "mkv",
        25,
        446999,
        [8],
    ),
}


@pytest.mark.parametrize("name", GOES_ON)
def test_a_lost_key_frame_behind_which_numbers_go_on_is_noticed(tmp_path, name):
    (codec, options), suffix, num_frames, seed, lost = GOES_ON[name]
    path = encode(tmp_path / f"whole.{suffix}", codec, options, num_frames=num_frames, seed=seed)
    assert has_table(path)
    path = remux_without(path, set(lost))
    check_against_full_decode(path)
    assert not has_table(path)


def drop_prior_pictures(path: Path) -> Path:
    """A file whose later random access pictures ask that pictures not yet shown be dropped."""
    data = bytearray(path.read_bytes())
    for packet, fields in traced(path)[1:]:
        for field in fields:
            if field.name == "no_output_of_prior_pics_flag":
                assert not field.value
                assert b"\0\0\3" not in bytes(packet)[slice_of(packet) :][: field.bit // 8 + 1]
                data[packet.pos + slice_of(packet) + field.bit // 8] |= 0x80 >> field.bit % 8
    path = path.with_stem("dropping")
    path.write_bytes(data)
    assert {f.value for _, fields in traced(path)[1:] for f in fields if f.name == "no_output_of_prior_pics_flag"} == {
        1
    }
    return path


@pytest.mark.parametrize("open_gop", [0, 1])
def test_hevc_pictures_that_keep_others_from_being_shown(tmp_path, open_gop):
    options = {"x265-params": f"{X265}:bframes=4:open-gop={open_gop}"}
    path = encode(tmp_path / "whole.mp4", "libx265", options, num_frames=50, seed=2)
    assert has_table(path)
    path = drop_prior_pictures(path)
    # Only of an IDR picture does the flag count: what is shown before a CRA picture may come behind it.
    assert check_against_full_decode(path) == 50 if open_gop else check_against_full_decode(path) < 50
    assert not has_table(path)


def test_h264_pictures_that_ask_for_it_keep_none_from_being_shown(tmp_path):
    """FFmpeg does not look at their flag: all frames are shown, and the packets tell which is which."""
    path = encode(tmp_path / "whole.mp4", *x264(keyint=12, bframes=3, scenecut=0), num_frames=50, seed=2)
    path = drop_prior_pictures(path)
    assert check_against_full_decode(path) == 50
    assert has_table(path)


@pytest.mark.parametrize("name", ["gap_hevc.mp4", "h264_b_dropmany.ts", "hevc_nob_drop1.mp4"])
def test_recordings_with_losses(shared_data, name):
    path = shared_data / "odd" / "reports" / name
    assert (
        check_against_full_decode(path) == {"gap_hevc.mp4": 9, "h264_b_dropmany.ts": 95, "hevc_nob_drop1.mp4": 62}[name]
    )
    assert not has_table(path)


def test_ordinary_files_keep_their_tables(shared_data):
    """All of the clips of actions; of the odd files of these codecs, all but the damaged."""
    actions, odd = sorted((shared_data / "actions").rglob("*.mp4")), shared_data / "odd"
    assert len(actions) > 200
    assert all(map(has_table, actions))
    damaged = {"decord_corrupted.mp4", "derived/k_truncated60_faststart.mp4"}
    for name, total in odd_files(odd).items():
        if not total:
            continue
        with contextlib.closing(PyAVVideo(odd / name)) as video:
            codec, _ = video.format
            if codec in {"h264", "hevc"}:
                assert (video.scan.table is not None) == (name not in damaged), name
