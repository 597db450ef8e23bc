"""What the first bytes of a packet say, against bits written by hand from the standards."""

import pytest

from tests.data.headers import SIMPLE, configuration, u, ue, unit
from videogn.data.decoding.bitstream import Inspect, Picture, inspector

# Slices: the first of their picture, the kind of slice and the parameters, of HEVC the other way round; the number, or
# the place in the order shown and no references.
H264_IDR = unit(b"\x65", "1" + ue(7) + ue(0) + u(0, 4))
H264_P = unit(b"\x41", "1" + ue(5) + ue(0) + u(1, 4))
HEVC_IDR = unit(b"\x26\x01", "1" + "0" + ue(0) + ue(2))
HEVC_P = "1" + ue(0) + ue(1) + u(1, 4) + "0" + 2 * ue(0)


def sized(*units: bytes) -> bytes:
    """A packet of units, each behind its length."""
    return b"".join(len(each).to_bytes(4, "big") + each for each in units)


def inspect_with(codec: str, *, start_codes: bool) -> Inspect:
    parameters = SIMPLE[codec]
    extradata = b"\0\0\1" + b"\0\0\1".join(parameters) if start_codes else configuration(codec, parameters)
    inspect = inspector(codec, extradata)
    assert inspect is not None
    return inspect


def others(codec: str) -> bytes:
    """Parameters that are not the stream's."""
    return SIMPLE[codec][0][:-1] + b"\x7f"


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("h264", sized(H264_IDR), Picture(True)),
        ("h264", sized(H264_P), Picture(False)),
        (
            "h264",
            sized(unit(b"\x41", ue(1) + ue(5) + ue(0) + u(1, 4))),
            None,
        ),  # a slice that is not the picture's first
        ("h264", sized(unit(b"\x41", "1" + ue(5) + ue(0) + u(2, 4))), None),  # a picture is missing
        ("h264", sized(unit(b"\x41", "1" + ue(5) + ue(1) + u(1, 4))), None),  # no such parameters
        ("h264", sized(b"\x41\x9a"), None),  # its bits end
        ("h264", sized(b"\x09", H264_IDR), Picture(True)),  # behind another unit
        ("h264", b"\0\0\0\x09" + H264_IDR, None),  # cut off
        ("h264", sized(b"\x06\x05"), None),  # no picture
        ("h264", sized(H264_IDR, b"\x0a\x80"), None),  # the end of a sequence behind it
        ("h264", sized(SIMPLE["h264"][0], H264_IDR), Picture(True)),  # the stream's parameters again
        ("h264", sized(others("h264"), H264_IDR), None),
        ("h264", sized(bytes([0x80 | H264_P[0]]) + H264_P[1:]), None),  # a bit that is never set
        ("h264", sized(b"\x86\x05", H264_P), None),
        ("hevc", sized(HEVC_IDR), Picture(True)),
        ("hevc", sized(b"\xa6" + HEVC_IDR[1:]), None),
        ("hevc", sized(b"\x26\0" + HEVC_IDR[2:]), None),  # no temporal layer
        ("hevc", sized(b"\x14\x01" + HEVC_IDR[2:]), None),  # a kind of slice that there is not
        ("hevc", sized(unit(b"\x2a\x01", "10" + HEVC_P[1:])), Picture(True, 0, True)),  # CRA
        ("hevc", sized(unit(b"\x02\x03", HEVC_P)), Picture(False, 2)),  # third temporal layer
        ("hevc", sized(unit(b"\x20\x01", "10" + HEVC_P[1:])), None),  # a splice (BLA)
        ("hevc", sized(unit(b"\x26\x01", "00" + ue(0) + ue(2))), None),
        (
            "hevc",
            sized(unit(b"\x26\x01", "11" + ue(0) + ue(2))),
            Picture(True),
        ),  # drops pictures before the first: none
        ("hevc", sized(HEVC_IDR, b"\x48\x01"), None),  # the end of a sequence behind it
        ("hevc", sized(SIMPLE["hevc"][0], HEVC_IDR), Picture(True)),
        ("hevc", sized(others("hevc"), HEVC_IDR), None),
        ("vp9", bytes([0x82, 1, 2]), Picture(True)),  # key frame, shown
        ("vp9", bytes([0x86, 1, 2]), Picture(False)),
        ("vp9", bytes([0x84, 1, 2]), None),  # hidden, alone in its packet
        ("vp9", bytes([0x88, 1, 2]), Picture(False)),  # shows one that was decoded before
        ("vp9", bytes([0x84, 1, 0x86, 2, 3, 0xC1, 2, 3, 0xC1]), Picture(False)),  # hidden and shown in one packet
        ("vp9", bytes([0x86, 1, 0x86, 2, 3, 0xC1, 2, 3, 0xC1]), None),  # two shown
        ("vp9", b"", None),
        ("vp9", bytes([0x82, 1, *bytes(16), 2]), None),  # not written to its end
        ("vp9", bytes([0x82, 1, *bytes(15), 2]), Picture(True)),
        ("av1", b"\x12\0", None),  # no picture
    ],
)
def test_what_the_first_bytes_of_a_packet_say(codec, data, expected):
    inspect = inspect_with(codec, start_codes=False) if codec in SIMPLE else inspector(codec, None)
    assert inspect is not None
    found = inspect(memoryview(data), True)
    assert (found and found[:3]) == (expected and expected[:3])


def test_pictures_of_hevc_that_no_decoder_shows():
    """RASL pictures refer to what lies before the CRA picture before them: behind an IDR picture there is none."""
    cra, rasl = unit(b"\x2a\x01", "10" + HEVC_P[1:]), unit(b"\x12\x01", HEVC_P.replace(u(1, 4), u(2, 4), 1))
    for units, are_shown in (((HEVC_IDR, rasl), False), ((cra, rasl), False), ((HEVC_IDR, cra, rasl), True)):
        inspect = inspect_with("hevc", start_codes=False)
        *_, last = [inspect(memoryview(sized(each)), True) for each in units]
        assert (last is not None) == are_shown


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("h264", b"\0\0\0\1\x09\xf0\0\0\1" + H264_IDR, Picture(True)),
        ("h264", b"\0\0\1" + H264_P, Picture(False)),
        ("hevc", b"\0\0\0\1" + HEVC_IDR, Picture(True)),
        ("hevc", HEVC_IDR, None),
    ],
)
def test_units_behind_start_codes(codec, data, expected):
    found = inspect_with(codec, start_codes=True)(memoryview(data), True)
    assert (found and found[:3]) == (expected and expected[:3])


@pytest.mark.parametrize(("kind", "is_b"), [(7, False), (5, False), (0, False), (1, True), (6, True)])
def test_b_frames_are_told_by_the_first_slice(kind, is_b):
    """Kinds of slices: I is 2 or 7, P 0 or 5, B 1 or 6."""
    packet = sized(unit(b"\x41", "1" + ue(kind) + ue(0) + u(1, 4)))
    found = inspect_with("h264", start_codes=False)(memoryview(packet), False)
    assert found is not None
    assert found.is_between == is_b


def test_streams_without_parameters_tell_nothing():
    for codec, unit_ in (("h264", H264_IDR), ("hevc", HEVC_IDR)):
        inspect = inspector(codec, None)
        assert inspect is None or inspect(memoryview(b"\0\0\1" + unit_), True) is None


def test_codecs_that_say_too_little_have_no_inspector():
    assert inspector("mpeg4", None) is None
    assert inspector("vp8", None) is None
