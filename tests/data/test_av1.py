"""What is read of AV1's headers, against FFmpeg's own parser, and bits written by hand from the specification."""

from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.encodings import CASES, encode
from tests.data.headers import Field, traced, u, ue
from videogn.data.decoding.av1 import Av1Gaps
from videogn.data.decoding.bitstream import inspector

KEY = (0, 1, 0)


def obu(kind: int, bits: str) -> bytes:
    """A unit with its size."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes([kind << 3 | 2, len(payload)]) + payload


def sequence(*, has_all: bool) -> bytes:
    """A sequence header, with all that may stand in it or as little as possible; places of four bits."""
    times = "1" + u(1, 32) + u(25, 32) + "1" + ue(3) + "0" if has_all else "0"
    level = u(9, 5) + "1" + "1" + u(2, 4) if has_all else u(5, 5)
    size = u(6, 4) + u(5, 4) + u(95, 7) + u(63, 6)
    numbers = "1" + u(1, 4) + u(0, 3) if has_all else "0"
    tools = u(0, 7) + "1" + "00" + ("0" + "1" + "0" + "0" if has_all else "1" + "1")
    return obu(
        1, u(0, 3) + "00" + times + str(int(has_all)) + u(0, 5) + u(0, 12) + level + size + numbers + tools + u(3, 3)
    )


def frame(kind: int, shown: int, place: int, *, replaces: int = 0, has_all: bool = False) -> bytes:
    """A frame's header."""
    bits = "0" + u(kind, 2) + str(shown) + ("" if shown else "1")
    is_key = kind == 0 and shown == 1
    bits += ("" if is_key else "0") + "0"
    bits += "" if has_all else "1" + "0"  # tools for screen content, where the sequence does not choose
    bits += (u(5, 4) if has_all else "") + "0" + u(place, 4)
    bits += ("" if kind in {0, 2} else u(0, 3)) + ("" if is_key else u(replaces, 8))
    return obu(6, bits)


def again(slot: int) -> bytes:
    return obu(3, "1" + u(slot, 3))


def orders(packets: list[bytes]) -> list[tuple[int, bool] | None]:
    gaps, found = Av1Gaps(b""), []
    for packet in packets:
        try:
            found.append(gaps.look(memoryview(packet)))
        except ValueError:
            found.append(None)
    return found


@pytest.mark.parametrize("has_all", [False, True])
def test_headers_written_by_hand(has_all):
    start = b"\x12\0" + sequence(has_all=has_all)

    def of(kind: int, shown: int, place: int, replaces: int = 0) -> bytes:
        return frame(kind, shown, place, replaces=replaces, has_all=has_all)

    key, hidden, later = of(*KEY), of(1, 0, 3, 0b10), of(1, 1, 1)
    whole = [start + key, hidden + later, of(1, 1, 2), again(1), of(1, 1, 4)]
    expected = [(0, True), (1, False), (2, False), (3, False), (4, False)]
    assert orders(whole) == expected
    assert orders([*whole, start + of(0, 1, 9), of(1, 1, 10)]) == [*expected, (0, True), (1, False)]
    for lost in (1, 2, 3):  # of each the next is told by its place, or shows what was kept before
        assert None in orders([each for place, each in enumerate(whole) if place != lost])
    assert orders([start + key, hidden])[1] is None  # shows nothing
    assert orders([start + key, later + of(1, 1, 2)])[1] is None  # two
    assert orders([start + key, *[of(1, 1, k % 16) for k in range(1, 20)]])[-1] == (19, False)


@pytest.mark.parametrize(
    "data",
    [b"\x92\0", b"\x12", b"\x4a\0", b"\x32\x05\0", b"\x36\x08\0", b"\x0a\x01\x18"],
    ids=["forbidden bit", "no size", "no such kind", "cut off", "another layer", "a still picture"],
)
def test_units_that_tell_nothing(data):
    inspect = inspector("libdav1d", None)
    assert inspect is not None
    assert inspect(memoryview(sequence(has_all=False) + frame(*KEY)), True) is not None
    assert inspect(memoryview(data + frame(*KEY)), True) is None


def check_against_ffmpeg(path: Path) -> int:
    """How many frames are shown again."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        inspect = inspector(context.name, context.extradata)
    assert inspect is not None
    kept: dict[int, int] = {}
    last = times = 0

    def keep(fields: list[Field], place: int) -> None:
        flags = next((field.value for field in fields if field.name == "refresh_frame_flags"), 0xFF)
        kept.update({slot: place for slot in range(8) if flags >> slot & 1})

    for packet, fields in traced(path):
        shown = []
        begins = [k for k, field in enumerate(fields) if field.name == "show_existing_frame"]
        for begin, end in zip(begins, [*begins[1:], len(fields)], strict=True):
            header = {field.name: field.value for field in fields[begin:end]}
            if header["show_existing_frame"]:
                shown.append((kept[header["frame_to_show_map_idx"]], False))
                times += 1
                continue
            keep(fields[begin:end], header["order_hint"])
            if header["show_frame"]:
                shown.append((header["order_hint"], header["frame_type"] == 0))
        picture = inspect(memoryview(packet), packet.is_keyframe)
        ((_, is_key),) = shown
        assert picture is not None
        assert picture.can_start == is_key
        assert picture.order == (0 if is_key else last + 1)
        last = picture.order
    return times


def test_headers_are_read_as_ffmpeg_reads_them(tmp_path):
    (codec, options), suffix, *_ = CASES["av1"]
    assert check_against_ffmpeg(encode(tmp_path / f"a.{suffix}", codec, options, num_frames=60, seed=1)) > 10


def test_headers_of_a_real_file_are_read_as_ffmpeg_reads_them(shared_data):
    check_against_ffmpeg(shared_data / "odd" / "torchcodec_av1_video.mkv")


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_no_more_than_a_reason_for_no_table(data):
    good = sequence(has_all=data.draw(st.booleans())) + frame(*KEY) + frame(1, 0, 3, replaces=2) + again(1)
    changed = bytearray(good)
    for place, byte in data.draw(st.dictionaries(st.integers(0, len(good) - 1), st.integers(0, 255))).items():
        changed[place] = byte
    inspect = inspector("av1", b"\x81\0\0\0" + bytes(changed[: data.draw(st.integers(0, len(good)))]))
    if inspect is not None:
        inspect(memoryview(changed), True)
