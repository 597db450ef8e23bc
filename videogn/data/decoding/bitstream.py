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
        layer: Temporal layer; pictures of higher ones may refer to lower ones that say that no picture does.
        has_leading: Pictures that follow it in the file but are shown before it may refer to what came before.
        is_between: It may lie between pictures in time that precede it in the file, as B-frames do. Of HEVC a look does
            not tell.
    """

    can_start: bool
    layer: int = 0
    has_leading: bool = False
    is_between: bool = True


# From a packet's bytes and whether its container calls it a key frame to its picture; None where the packet does not
# hold exactly one that is shown, as far as a look can tell.
Inspect = Callable[[memoryview, bool], Picture | None]


def inspector(codec: str, extradata: bytes | None) -> Inspect | None:
    """Return how the packets of a stream are looked at; None for codecs whose packets say too little.

    Args:
        codec: FFmpeg's name.
        extradata: The stream's configuration, which says how NAL units are delimited, and holds the parameter sets.
    """
    known = extradata or b""
    if codec == "h264":
        units = _delimiting(extradata, at=4)
        return lambda data, is_key: _h264(units(data), known)
    if codec == "hevc":
        units = _delimiting(extradata, at=21)
        return lambda data, is_key: _hevc(units(data), known)
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
        following = whole.find(b"\0\0\1", place + 3)
        end = following if following >= 0 else len(whole)
        yield data[place + 3 : end]
        place = following


_H264_PICTURES = {
    (is_idr, is_between): Picture(is_idr, is_between=is_between)
    for is_idr in (True, False)
    for is_between in (True, False)
}
# Kinds of NAL units. A slice's first macroblock, or that it is the picture's first, is told by one bit.
_H264_SLICES, _H264_IDR = {1, 5}, 5
_H264_PARAMETERS = {7, 8, 13, 15}
_H264_UNCLEAR = {2, 3, 4, 10, 11}  # partitions of a slice; the end of a sequence or a stream
_HEVC_IDR, _HEVC_CRA = {19, 20}, 21
_HEVC_PARAMETERS = {32, 33, 34}
_HEVC_UNCLEAR = {16, 17, 18, 36, 37}  # splices; the end of a sequence or a stream: pictures behind them are dropped


def _h264(units: Iterator[memoryview], known: bytes) -> Picture | None:
    found = None
    for unit in units:
        kind = unit[0] & 0x1F if len(unit) > 1 else 0
        if kind in _H264_SLICES:
            if found is None and not unit[1] & 0x80:
                return None
            found = found or _H264_PICTURES[kind == _H264_IDR, _is_b_slice(unit)]
        elif kind in _H264_UNCLEAR or (kind in _H264_PARAMETERS and not _is_known(unit, known)):
            return None
    return found


def _is_b_slice(unit: memoryview) -> bool:
    """Return whether a picture's first slice is of type B: 1 or 6, an exponential Golomb code after one bit."""
    code = unit[1] & 0x7F
    return code >> 4 == 0b010 or code >> 2 == 0b00111


def _hevc(units: Iterator[memoryview], known: bytes) -> Picture | None:
    found = None
    for unit in units:
        if len(unit) < 3 or unit[0] & 1 or unit[1] >> 3:  # of another layer
            if len(unit) >= 2 and unit[0] >> 1 & 0x3F in _HEVC_UNCLEAR:
                return None
            continue
        kind = unit[0] >> 1 & 0x3F
        if kind in _HEVC_UNCLEAR or (kind in _HEVC_PARAMETERS and not _is_known(unit, known)):
            return None
        if kind < 32:  # a slice
            if found is None and not unit[2] & 0x80:
                return None
            can_start = kind in _HEVC_IDR or kind == _HEVC_CRA
            found = found or Picture(can_start, layer=(unit[1] & 7) - 1, has_leading=kind == _HEVC_CRA)
    return found


def _is_known(parameters: memoryview, known: bytes) -> bool:
    """Return whether parameters are the stream's: a decoder that begins after others were sent does not get them."""
    return bytes(parameters).rstrip(b"\0") in known


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
