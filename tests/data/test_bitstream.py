"""What the first bytes of a packet say, against bytes written by hand from the standards."""

import pytest

from videogn.data.decoding.bitstream import Picture, inspector


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("h264", bytes([0, 0, 0, 2, 0x65, 0x88]), Picture(True)),
        ("h264", bytes([0, 0, 0, 2, 0x41, 0x9A]), Picture(False)),
        ("h264", bytes([0, 0, 0, 2, 0x41, 0x1A]), None),  # a slice that is not the picture's first
        ("h264", bytes([0, 0, 0, 1, 0x09, 0, 0, 0, 2, 0x65, 0x88]), Picture(True)),  # behind another unit
        ("h264", bytes([0, 0, 0, 9, 0x65, 0x88]), None),  # cut off
        ("h264", bytes([0, 0, 0, 2, 0x06, 0x05]), None),  # no picture
        ("hevc", bytes([0, 0, 0, 3, 0x26, 0x01, 0x80]), Picture(True)),  # IDR
        ("hevc", bytes([0, 0, 0, 3, 0x2A, 0x01, 0x80]), Picture(True, 0, True)),  # CRA
        ("hevc", bytes([0, 0, 0, 3, 0x02, 0x03, 0x80]), Picture(False, 2)),  # third temporal layer
        ("hevc", bytes([0, 0, 0, 3, 0x20, 0x01, 0x80]), None),  # a splice (BLA)
        ("hevc", bytes([0, 0, 0, 3, 0x26, 0x01, 0x00]), None),
        (
            "hevc",
            bytes([0, 0, 0, 3, 0x26, 0x01, 0x80, 0, 0, 0, 2, 0x48, 0x01]),
            None,
        ),  # the end of a sequence behind it
        ("h264", bytes([0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 2, 0x0A, 0x80]), None),
        (
            "h264",
            bytes([0, 0, 0, 3, 0x67, 7, 7, 0, 0, 0, 2, 0x65, 0x88]),
            Picture(True),
        ),  # the stream's parameters again
        ("h264", bytes([0, 0, 0, 3, 0x67, 7, 8, 0, 0, 0, 2, 0x65, 0x88]), None),  # others
        ("vp9", bytes([0x82, 1, 2]), Picture(True)),  # key frame, shown
        ("vp9", bytes([0x86, 1, 2]), Picture(False)),
        ("vp9", bytes([0x84, 1, 2]), None),  # hidden, alone in its packet
        ("vp9", bytes([0x88, 1, 2]), Picture(False)),  # shows one that was decoded before
        ("vp9", bytes([0x84, 1, 0x86, 2, 3, 0xC1, 2, 3, 0xC1]), Picture(False)),  # hidden and shown in one packet
        ("vp9", bytes([0x86, 1, 0x86, 2, 3, 0xC1, 2, 3, 0xC1]), None),  # two shown
        ("vp9", b"", None),
        ("av1", b"\x12\0", Picture(True)),
    ],
)
def test_what_the_first_bytes_of_a_packet_say(codec, data, expected):
    extradata = bytes([1, 0, 0, 0, 0xFF, 0x67, 7, 7] + 13 * [0] + [3])  # parameters; units by lengths of four bytes
    inspect = inspector(codec, extradata)
    assert inspect is not None
    found = inspect(memoryview(data), True)
    assert (found and found[:3]) == (expected and expected[:3])


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("h264", b"\0\0\0\1\x09\xf0\0\0\1\x65\x88", Picture(True)),
        ("h264", b"\0\0\1\x41\x9a", Picture(False)),
        ("hevc", b"\0\0\0\1\x26\x01\x80", Picture(True)),
        ("hevc", b"\x26\x01\x80", None),
    ],
)
def test_units_behind_start_codes(codec, data, expected):
    inspect = inspector(codec, None)
    assert inspect is not None
    found = inspect(memoryview(data), True)
    assert (found and found[:3]) == (expected and expected[:3])


@pytest.mark.parametrize(
    ("second_byte", "is_b"), [(0x88, False), (0x9A, False), (0xC0, False), (0xA0, True), (0x9E, True)]
)
def test_b_frames_are_told_by_the_first_slice(second_byte, is_b):
    """Behind "1" (macroblock 0): I as "0001000", P as "00110" and "1", B as "010" and "00111"."""
    inspect = inspector("h264", None)
    assert inspect is not None
    found = inspect(memoryview(bytes([0, 0, 1, 0x41, second_byte, 0])), False)
    assert found is not None
    assert found.is_between == is_b


def test_codecs_that_say_too_little_have_no_inspector():
    assert inspector("mpeg4", None) is None
    assert inspector("vp8", None) is None
