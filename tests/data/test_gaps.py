"""What is read of headers, against FFmpeg's own parser, HEVC's reference encoder, and bytes written by hand."""

import contextlib
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.encodings import CASES, X265, encode, x264
from tests.data.full_decode import odd_files
from tests.data.headers import SIMPLE, configuration, traced, u, ue, unit
from videogn.data.decoding.bits import Bits, unwrapped
from videogn.data.decoding.bitstream import Picture, inspector
from videogn.data.decoding.h264 import H264Gaps
from videogn.data.decoding.hevc import HevcGaps

FIRST_OF_SLICE = {"first_mb_in_slice", "first_slice_segment_in_pic_flag"}
STREAMS = {
    **{name: case[:2] for name, case in CASES.items() if case[2] and name.startswith(("h264", "hevc"))},
    **{
        f"h264, {name}": (x264(**params), suffix)
        for name, params, suffix in [
            ("key frames only", {"keyint": 1}, "mp4"),
            ("pyramid of 8", {"keyint": 250, "bframes": 8, "b_pyramid": "normal", "weightp": 2, "ref": 4}, "mp4"),
            ("open GOPs of 8", {"keyint": 25, "bframes": 8, "open_gop": 1, "b_pyramid": "strict"}, "mkv"),
            ("no B-frames, one key frame", {"keyint": 250, "bframes": 0}, "ts"),
            ("both fields of a frame", {"keyint": 12, "bframes": 3, "fake_interlaced": 1}, "mp4"),
            ("macroblocks of fields", {"keyint": 12, "bframes": 3, "tff": 1}, "mp4"),
            ("macroblocks of fields, bottom first", {"keyint": 12, "bframes": 3, "bff": 1}, "mkv"),
        ]
    },
    "h264, scaling matrices": (x264(keyint=12, bframes=2, cqm="jvt"), "mp4"),
    "hevc, scaling matrices": (("libx265", {"x265-params": f"{X265}:bframes=2:scaling-list=default"}), "mp4"),
}


def order_shown(path: Path, packets: list[av.Packet]) -> list[int]:
    """Numbers of packets as a decoder shows them, told nothing but the stream."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        context.thread_count, depth = 1, context.reorder_depth
        shown = []
        for number, packet in enumerate(packets):
            copy = av.Packet(bytes(packet))
            copy.pts = number
            shown += [frame.pts for frame in context.decode(copy)]
            assert context.reorder_depth == depth
        return shown + [frame.pts for frame in context.decode(None)]


def check_against_ffmpeg(path: Path) -> None:
    """Counts of pictures against those that FFmpeg's parser reads, their order against that in which it shows them."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        inspect = inspector(context.name, context.extradata)
    assert inspect is not None
    pictures: list[Picture] = []
    packets = traced(path)
    for packet, fields in packets:
        first = max(place for place, field in enumerate(fields) if field.name in FIRST_OF_SLICE)
        header = {field.name: field for field in fields[max(0, first - 4) :]}  # with that of its unit
        picture = inspect(memoryview(packet), packet.is_keyframe)
        assert picture is not None
        assert picture.order is not None
        if (low := header.get("pic_order_cnt_lsb") or header.get("slice_pic_order_cnt_lsb")) is not None:
            bottom = header.get("delta_pic_order_cnt_bottom")
            top = picture.order - (min(0, bottom.value) if bottom is not None else 0)
            assert top % (1 << low.num_bits) == low.value
        elif (number := header.get("frame_num")) is not None:  # shown as they come
            expected = 2 * number.value - (not header["nal_ref_idc"].value)
            assert picture.order % (2 << number.num_bits) == expected % (2 << number.num_bits)
        else:
            assert picture.order == 0  # an IDR picture of HEVC
        pictures.append(picture)
    groups = np.cumsum([picture.can_start and not picture.has_leading for picture in pictures])
    by_count = sorted(range(len(pictures)), key=lambda each: (groups[each], pictures[each].order))
    assert order_shown(path, [packet for packet, _ in packets]) == by_count


@pytest.mark.parametrize("name", STREAMS)
def test_pictures_are_in_the_order_in_which_ffmpeg_shows_them(tmp_path, name):
    (codec, options), suffix = STREAMS[name]
    check_against_ffmpeg(encode(tmp_path / f"video.{suffix}", codec, options, num_frames=100, seed=1))


@pytest.mark.slow
def test_pictures_of_real_files_are_in_the_order_in_which_ffmpeg_shows_them(shared_data):
    odd, checked = shared_data / "odd", 0
    clips = sorted((shared_data / "actions").rglob("*.mp4"))[:5]
    for path in [odd / name for name, total in odd_files(odd).items() if total] + clips:
        if path.name in {"decord_corrupted.mp4", "k_truncated60_faststart.mp4"}:
            continue
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            codec = container.streams.video[0].codec_context.name
        if codec in {"h264", "hevc"}:
            check_against_ffmpeg(path)
            checked += 1
    assert checked > 45


@given(st.integers(1, 16), st.lists(st.integers(-(2**15), 2**15), min_size=1))
def test_counts_of_which_only_the_lowest_bits_are_told(num_bits, steps):
    """As the standards write it, by an upper and a lower part; any step of less than half the lower one's range."""
    most = 1 << num_bits
    count = upper = lower = before = 0
    for step in steps:
        count += step % (most // 2)
        low = count % most
        if low < lower and lower - low >= most // 2:
            upper += most
        elif low > lower and low - lower > most // 2:
            upper -= most
        lower = low
        before = unwrapped(low, num_bits, before)
        assert before == upper + lower == count
    low = steps[0] % most  # any step: what the standards say of those that are too far
    expected = upper + low
    if low < lower and lower - low >= most // 2:
        expected += most
    elif low > lower and low - lower > most // 2:
        expected -= most
    assert unwrapped(low, num_bits, before) == expected


def test_all_that_may_stand_in_headers_of_h264(tmp_path):
    """By hand, to be read by FFmpeg's parser, too: planes by themselves, matrices that stop early, fields."""
    stopping, whole = ue(1) + ue(18), "".join(ue(2) + ue(1) for _ in range(32))  # 9, 0; 7, 8, 7, 8, ...
    matrices = "1" + stopping + 5 * "0" + "1" + whole + 4 * "0" + "1" + stopping
    sequence = u(244, 8) + u(40, 16) + ue(2) + ue(3) + "1" + 2 * ue(0) + "0" + "1" + matrices + ue(3) + ue(0) + ue(5)
    sequence += ue(4) + "0" + ue(9) + ue(4) + "0" + "0" + "100"
    pictures = ue(7) + ue(2) + "00" + ue(0) + 2 * ue(0) + "000" + 3 * ue(0) + "000"

    def header(number: int, order: int, *, is_field: bool = False, is_idr: bool = False) -> str:
        fields = "1" + u(0, 1) if is_field else "0"
        idr = ue(6) if is_idr else ""
        marking = "00" if is_idr else "0"
        return ue(0) + ue(7) + ue(7) + u(0, 2) + u(number, 7) + fields + idr + u(order, 9) + marking + ue(0)

    units = [unit(b"\x67", sequence), unit(b"\x68", pictures), unit(b"\x65", header(0, 0, is_idr=True)) + b"\x55\x80"]
    numbers = [(1, 300, False), (2, 5, False), (3, 80, True)]
    units += [unit(b"\x61", header(n, order, is_field=is_field)) + b"\x55\x80" for n, order, is_field in numbers]
    path = tmp_path / "rich.h264"
    path.write_bytes(b"".join(b"\0\0\0\1" + each for each in units))
    by_ffmpeg = [{field.name: field.value for field in fields} for _, fields in traced(path)]
    assert [fields["pic_order_cnt_lsb"] for fields in by_ffmpeg] == [0, 300, 5, 80]
    assert [fields["field_pic_flag"] for fields in by_ffmpeg] == [0, 0, 0, 1]
    gaps = H264Gaps(map(memoryview, units[:2]))
    orders = [gaps.order(memoryview(each)) for each in units[2:]]
    assert orders == [0, 300 - 512, 5, None]  # of 9 bits, nearest to the one before; half a frame is none


def test_pictures_of_h264_that_none_refers_to_have_the_number_of_the_next_that_some_do():
    gaps = H264Gaps(map(memoryview, SIMPLE["h264"]))
    coming = [(b"\x65", 7, 0), (b"\x01", 5, 1), (b"\x41", 5, 1), (b"\x01", 5, 2), (b"\x41", 5, 2), (b"\x41", 5, 3)]
    orders = [
        gaps.order(memoryview(unit(header, ue(0) + ue(kind) + ue(0) + u(number, 4)))) for header, kind, number in coming
    ]
    assert orders == [0, 1, 2, 3, 4, 6]


def test_numbers_that_begin_anew_between_idr_pictures_are_a_gap():
    """As behind a picture that asks for all others to be forgotten (memory_management_control_operation 5)."""
    gaps = H264Gaps(map(memoryview, SIMPLE["h264"]))
    coming = [(b"\x65", 0), *((b"\x41", number) for number in (1, 2, 3, 1))]
    orders = [gaps.order(memoryview(unit(header, ue(0) + ue(7) + ue(0) + u(number, 4)))) for header, number in coming]
    assert orders == [0, 2, 4, 6, None]


# A group of eight pictures of HEVC's reference encoder (HM, encoder_randomaccess_main.cfg): place in it; pictures that
# are held, as differences; of all but the first, the difference to the one before in "deltaRPS" and, of each picture
# that was held by that and of that one itself, whether it is kept: 1 yes, 2 for later pictures, 0 no.
GROUP = [
    (8, {-8, -10, -12, -16}, 0, ""),
    (4, {-4, -6, 4}, 4, "11001"),
    (2, {-2, -4, 2, 6}, 2, "1111"),
    (1, {-1, 1, 3, 7}, 1, "10111"),
    (3, {-1, -3, 1, 5}, -2, "11110"),
    (6, {-2, -4, -6, 2}, -3, "11110"),
    (5, {-1, -5, 1, 3}, 1, "10111"),
    (7, {-1, -3, -7, 1}, -2, "11110"),
]
KEPT = {"1": "1", "2": "01", "0": "00"}


def predicted(shift: int, kept: str, *, back: str = "") -> str:
    """Bits of a set of pictures, told by its difference to a set before."""
    return "1" + back + u(shift < 0, 1) + ue(abs(shift) - 1) + "".join(KEPT[each] for each in kept)


def rich_hevc(slices: list[str]) -> list[bytes]:
    """Units of all that may stand before what is looked for: layers, matrices, plain samples, sets of pictures."""
    profile = u(1, 8) + u(3 << 29, 32) + u(9, 4) + u(0, 44)
    layers = "11" + "01" + u(0, 12) + profile + u(30, 8) + u(60, 8)
    matrices = ""
    for size, count, coefficients in ((0, 6, 16), (1, 6, 64), (2, 6, 65), (3, 2, 65)):
        told = "1" + "".join(ue(place % 3) for place in range(coefficients))
        matrices += (told if size % 2 else "0" + ue(0)) + told * (count - 1)
    earlier = ue(4) + ue(0) + "".join(ue(step - 1) + "1" for step in (8, 2, 2, 4))
    sets = ue(8) + earlier + "".join(predicted(shift, kept) for _, _, shift, kept in GROUP[1:])
    long_term = "1" + ue(3) + "".join(u(count, 6) + "1" for count in (11, 22, 44))
    sequence = u(0, 4) + u(2, 3) + "1" + profile + u(93, 8) + layers + ue(3) + ue(3) + "1" + ue(64) + ue(64)
    sequence += "1" + 4 * ue(0) + 2 * ue(0) + ue(2) + "1" + 3 * (ue(4) + ue(2) + ue(0)) + ue(0) + ue(1) + ue(0) + ue(1)
    sequence += 2 * ue(0) + "11" + matrices + "01" + "1" + u(119, 8) + 2 * ue(0) + "0" + sets + long_term + "1100"
    pictures = ue(5) + ue(3) + "01" + u(2, 3) + "00" + 2 * ue(0) + ue(0) + "000" + 2 * ue(0) + 10 * "0" + ue(0) + "00"
    video = u(0, 4) + "11" + u(0, 6) + u(2, 3) + "1" + u(65535, 16) + profile + u(93, 8) + layers
    video += "1" + 3 * (ue(4) + ue(2) + ue(0)) + u(0, 6) + ue(0) + "00"
    units = [unit(b"\x40\x01", video), unit(b"\x42\x01", sequence), unit(b"\x44\x01", pictures)]
    units += [unit(b"\x26\x01", "10" + ue(5) + "00" + ue(2) + "1" + "00" + "0" + ue(0))]
    units += [unit(b"\x02\x01", "1" + ue(5) + "00" + ue(2) + "1" + "00" + each + "00" + ue(0)) for each in slices]
    return units[:3] + [header + b"\x55\x80" for header in units[3:]]


def test_all_that_may_stand_in_headers_of_hevc(tmp_path):
    """By hand, to be read by FFmpeg's parser, too; sets of pictures as the reference encoder's settings list them."""
    slices, expected = ["" for _ in GROUP], [(0, set())]
    for place, (count, needed, _, _) in enumerate(GROUP):
        slices[place] = u(16 + count, 6) + "1" + u(place, 3) + ue(0) + ue(0)
        expected.append((16 + count, {16 + count + difference for difference in needed}))
    # The last set but one, moved; two long-term pictures that the sequence names, and one that it does not.
    slices.append(u(50, 6) + "0" + predicted(-1, "11111", back=ue(1)) + ue(2) + ue(1))
    slices[-1] += "00" + "0" + "10" + "1" + ue(1) + u(33, 6) + "1" + "0"
    expected.append((50, {50 - 2, 50 - 6, 50 + 2, 50 - 1, 11, 44, 33}))
    units = rich_hevc(slices)
    path = tmp_path / "rich.hevc"
    path.write_bytes(b"".join(b"\0\0\0\1" + each for each in units))
    by_ffmpeg = [{field.name: field.value for field in fields} for _, fields in traced(path)]
    assert [fields.get("slice_pic_order_cnt_lsb", 0) for fields in by_ffmpeg] == [count for count, _ in expected]
    gaps = HevcGaps(map(memoryview, [*units[:3], b"\x42\x09\x80"]))  # parameters of another layer are none of ours
    for each, (count, needed) in zip(units[3:], expected, strict=True):
        gaps._held = set(range(64)) - {count}
        assert gaps.order(memoryview(each)) % 64 == count
        assert gaps._held == needed | {count}
    for missing in expected[-1][1]:
        gaps._held = set(range(64)) - {missing}
        assert gaps.order(memoryview(units[-1])) is None


def test_pictures_that_are_not_shown_are_gaps():
    units = rich_hevc([u(1, 6) + "1" + u(0, 3) + ue(0) + ue(0)])
    hidden = bytearray(units[-1])
    place = 16 + len("1" + ue(5) + "00" + ue(2))
    hidden[place // 8] &= ~(0x80 >> place % 8)
    for each, is_gap in ((units[-1], False), (bytes(hidden), True)):
        gaps = HevcGaps(map(memoryview, units[:3]))
        assert (gaps.order(memoryview(each)) is None) == is_gap


@given(st.binary(max_size=80), st.integers(0, 3))
def test_exponential_golomb_codes(payload, start):
    """Against their definition: as many zeros as bits behind the first 1, numbers in the order of the codes."""
    text = "".join(f"{byte:08b}" for byte in payload.replace(b"\0\0\3", b"\0\0"))
    bits, place = Bits(payload), min(start, len(text))
    bits.number(place)
    with contextlib.suppress(ValueError):
        while True:
            zeros = len(text[place:]) - len(text[place:].lstrip("0"))
            number = bits.code()
            assert text[place:].startswith(ue(number))
            place += 2 * zeros + 1
    assert len(text) - place < 2 * zeros + 1
    with pytest.raises(ValueError, match="a number of"):
        Bits(payload).number(len(text) + 1)


HEVC = rich_hevc([])[:3]
GOOD = {
    ("h264", "record"): configuration("h264", SIMPLE["h264"]),
    ("h264", "start codes"): b"\0\0\1" + b"\0\0\1".join(SIMPLE["h264"]),
    ("hevc", "record"): configuration("hevc", HEVC),
    ("hevc", "start codes"): b"\0\0\1" + b"\0\0\1".join(HEVC),
}


@pytest.mark.parametrize(("codec", "kind"), GOOD)
@settings(max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_no_more_than_a_reason_for_no_table(codec, kind, data):
    def damage(good: bytes) -> bytes:
        changed = bytearray(good)
        for place, byte in data.draw(st.dictionaries(st.integers(0, len(good) - 1), st.integers(0, 255))).items():
            changed[place] = byte
        return bytes(changed[: data.draw(st.integers(0, len(good)))])

    inspect = inspector(codec, damage(GOOD[codec, kind]))
    for header in (b"\x65", b"\x41") if codec == "h264" else (b"\x26\x01", b"\x02\x01"):
        packet = unit(header, "1" + u(data.draw(st.integers(0, 2**200 - 1)), 200))
        packet = damage((b"\0\0\1" if kind == "start codes" else len(packet).to_bytes(4, "big")) + packet)
        if inspect is not None:
            inspect(memoryview(packet), True)
