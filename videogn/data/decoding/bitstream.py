"""What the first bytes of a packet say of its picture, without decoding it.

Sources: ITU-T H.264 (7.3.1, 7.4.1, 7.3.3), H.265 (7.3.1.2, 7.4.2.2, 7.3.6.1), the VP9 bitstream specification (6.2 and
annex B), the AV1 specification (7.5: a temporal unit shows one frame).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Picture(NamedTuple):
    """The one picture of a packet.

    Attributes:
        can_start: Decoding may start here: what is shown after it does not refer to what came before it.
        layer: Temporal layer; pictures of higher ones may refer to those of lower ones that say nobody does.
        has_leading: Pictures that follow it in the file but are shown before it may refer to what came before.
    """

    can_start: bool
    layer: int = 0
    has_leading: bool = False


# From a packet's bytes and whether its container calls it a key frame to its picture; None where the packet does not
# hold exactly one that is shown, as far as a look can tell.
Inspect = Callable[[memoryview, bool], Picture | None]


def inspector(codec: str, extradata: bytes | None) -> Inspect | None:
    """How the packets of a stream are looked at; None for codecs whose packets say too little.

    Args:
        codec: FFmpeg's name.
        extradata: The stream's configuration, which says how NAL units are delimited.
    """
    if codec == "h264":
        units = _delimiting(extradata, at=4)
        return lambda data, is_key: _h264(units(data))
    if codec == "hevc":
        units = _delimiting(extradata, at=21)
        return lambda data, is_key: _hevc(units(data))
    if codec == "vp9":
        return _vp9
    if codec in {"av1", "libdav1d", "libaom-av1"}:
        return lambda data, is_key: Picture(is_key)
    return None


def _delimiting(extradata: bytes | None, *, at: int) -> Callable[[memoryview], Iterator[memoryview]]:
    # Configuration records begin with version 1 and tell how many bytes a unit's length takes; otherwise start codes.
    if extradata is not None and len(extradata) > at and extradata[0] == 1:
        length_bytes = (extradata[at] & 3) + 1
        return lambda data: _units_by_length(data, length_bytes)
    return _units_by_start_code


def _units_by_length(data: memoryview, length_bytes: int) -> Iterator[memoryview]:
    place = 0
    while place + length_bytes < len(data):
        start = place + length_bytes
        place = start + int.from_bytes(data[place:start], "big")
        if place > len(data):
            return  # cut off, or no length at all
        yield data[start:place]


def _units_by_start_code(data: memoryview) -> Iterator[memoryview]:
    whole = bytes(data)
    place = whole.find(b"\0\0\1")
    while place >= 0:
        yield data[place + 3 :]
        place = whole.find(b"\0\0\1", place + 3)


_INTRA, _OTHER = Picture(can_start=True), Picture(can_start=False)


def _h264(units: Iterator[memoryview]) -> Picture | None:
    for unit in units:
        kind = unit[0] & 0x1F if len(unit) > 1 else 0
        if kind == 1 or kind == 5:  # a slice; of its macroblocks the first is number 0, coded as a single bit 1
            return (_INTRA if kind == 5 else _OTHER) if unit[1] & 0x80 else None
        if 2 <= kind <= 4:  # partitions of a slice
            return None
    return None


def _hevc(units: Iterator[memoryview]) -> Picture | None:
    for unit in units:
        if len(unit) < 3:
            return None
        kind, of_base_layer = unit[0] >> 1 & 0x3F, not (unit[0] & 1 or unit[1] >> 3)
        if kind < 32 and of_base_layer:
            if not unit[2] & 0x80 or kind in {
                16,
                17,
                18,
            }:  # no picture's first slice; or a splice, which drops pictures
                return None
            return Picture(can_start=19 <= kind <= 21, layer=(unit[1] & 7) - 1, has_leading=kind == 21)
    return None


def _vp9(data: memoryview, is_key: bool) -> Picture | None:
    headers = [data[0]] if len(data) else []
    marker = data[-1] if len(data) else 0
    if marker & 0xE0 == 0xC0:  # a superframe: an index of its frames' sizes lies at its end, between two markers
        number, size_bytes = (marker & 7) + 1, (marker >> 3 & 3) + 1
        index = len(data) - 2 - number * size_bytes
        if index > 0 and data[index] == marker:
            place, headers = 0, []
            for start in range(index + 1, len(data) - 1, size_bytes):
                if place >= index:
                    return None
                headers.append(data[place])
                place += int.from_bytes(data[start : start + size_bytes], "little")
    # marker 10, profile, show_existing_frame, frame_type, show_frame; profile 3 has one bit more
    if any(header >> 6 != 2 or header & 0x30 == 0x30 for header in headers):
        return None
    if sum(bool(header & 8 or header & 2) for header in headers) != 1:
        return None
    return Picture(can_start=is_key and not headers[0] & 0xC)
