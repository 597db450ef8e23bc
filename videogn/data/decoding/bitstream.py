"""What the first bytes of a packet say of its picture, without decoding it.

Sources: ITU-T H.264 (7.3.1, 7.4.1, 7.3.3), H.265 (7.3.1.2, 7.4.2.2, 7.3.6.1), the VP9 bitstream specification (6.2 and
annex B), the AV1 specification (7.5: a temporal unit shows one frame).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from videogn.data.decoding.av1 import Av1Gaps
from videogn.data.decoding.h264 import H264Gaps
from videogn.data.decoding.hevc import HevcGaps


class Picture(NamedTuple):
    """The one picture of a packet.

    Attributes:
        can_start: Decoding may start here: what is shown after it does not refer to what came before it.
        layer: Temporal layer; pictures of higher ones may refer to lower ones that say that no picture does.
        has_leading: Pictures that follow it in the file but are shown before it may refer to what came before.
        is_between: It may lie between pictures in time that precede it in the file, as B-frames do. Of HEVC a look does
            not tell.
        order: Pictures are shown in the order of these, from each closed start on; None where it is not told.
    """

    can_start: bool
    layer: int = 0
    has_leading: bool = False
    is_between: bool = True
    order: int | None = None


# From a packet's bytes and whether its container calls it a key frame to its picture; None where the packet does not
# hold exactly one that is shown, as far as a look can tell, or where one that others refer to is missing before it. All
# packets are to be looked at, once, in the order of the file.
Inspect = Callable[[memoryview, bool], Picture | None]

_UNREADABLE = (ValueError, LookupError)  # of headers: the bits end, or no such parameters were sent


def inspector(codec: str, extradata: bytes | None) -> Inspect | None:
    """Return how the packets of a stream are looked at; None where they say too little, or can't be understood.

    Args:
        extradata: The stream's configuration, which says how NAL units are delimited, and holds the parameter sets.
    """
    if codec in {"h264", "hevc"}:
        with contextlib.suppress(*_UNREADABLE):
            return _inspector_of_units(codec, extradata or b"")
    if codec == "vp9":
        return _vp9
    if codec in {"av1", "libdav1d", "libaom-av1"}:
        with contextlib.suppress(*_UNREADABLE):
            return partial(_av1, gaps=Av1Gaps(extradata or b""))
    return None


def _inspector_of_units(codec: str, known: bytes) -> Inspect:
    """Return how packets of H.264 and HEVC are looked at.

    Raises:
        ValueError, LookupError: The configuration can't be read.
    """
    # Configuration records begin with version 1 and tell how many bytes a unit's length takes; otherwise start codes.
    at = 4 if codec == "h264" else 21
    units, parameters = _units_by_start_code, _units_by_start_code(memoryview(known))
    if len(known) > at and known[0] == 1:
        units, parameters = partial(_units_by_length, length_bytes=(known[at] & 3) + 1), _recorded(known, codec)
    find = partial(_h264, gaps=H264Gaps(parameters)) if codec == "h264" else partial(_hevc, gaps=HevcGaps(parameters))

    def inspect(data: memoryview, is_key: bool) -> Picture | None:
        try:
            return find(units(data), known)
        except _UNREADABLE:
            return None

    return inspect


def _recorded(known: bytes, codec: str) -> Iterator[memoryview]:
    """Yield the parameter sets of a configuration record: lists of units behind their lengths.

    Of H.264 there are two, each behind its number of units; of HEVC any number, behind their kind, too.
    """
    data = memoryview(known)
    num_lists, kind_bytes, number_bytes, place = (2, 0, 1, 5) if codec == "h264" else (data[22], 1, 2, 23)
    for _ in range(num_lists):
        place += kind_bytes + number_bytes
        for _ in range(int.from_bytes(data[place - number_bytes : place], "big") & 0x1F):
            end = place + 2 + int.from_bytes(data[place : place + 2], "big")
            if end > len(data):
                return  # cut off
            yield data[place + 2 : end]
            place = end


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


# Kinds of NAL units.
_FORBIDDEN = 0x80  # bit of the first byte: decoders pass over such a unit
_H264_SLICES, _H264_IDR = {1, 5}, 5
_H264_PARAMETERS = {7, 8, 13, 15}
_H264_UNCLEAR = {2, 3, 4, 10, 11}  # partitions of a slice; the end of a sequence or a stream
_HEVC_SLICES = {*range(10), *range(16, 22)}
_HEVC_IDR, _HEVC_CRA = {19, 20}, 21
_HEVC_PARAMETERS = {32, 33, 34}
_HEVC_UNCLEAR = {16, 17, 18, 36, 37}  # splices; the end of a sequence or a stream: pictures behind them are dropped


def _h264(units: Iterator[memoryview], known: bytes, gaps: H264Gaps) -> Picture | None:
    found = None
    for unit in units:
        kind = unit[0] & 0x1F if len(unit) > 1 else 0
        if kind and unit[0] & _FORBIDDEN:
            return None
        if kind in _H264_SLICES and found is None:
            if (order := gaps.order(unit)) is None:
                return None
            found = Picture(kind == _H264_IDR, is_between=_is_b_slice(unit), order=order)
        elif kind in _H264_UNCLEAR or (kind in _H264_PARAMETERS and not _is_known(unit, known)):
            return None
    return found


def _is_b_slice(unit: memoryview) -> bool:
    """Return whether a picture's first slice is of type B: 1 or 6, an exponential Golomb code after one bit."""
    code = unit[1] & 0x7F
    return code >> 4 == 0b010 or code >> 2 == 0b00111


def _hevc(units: Iterator[memoryview], known: bytes, gaps: HevcGaps) -> Picture | None:
    found = None
    for unit in units:
        if len(unit) < 3 or unit[0] & 1 or unit[1] >> 3:  # of another layer
            if len(unit) >= 2 and unit[0] >> 1 & 0x3F in _HEVC_UNCLEAR:
                return None
            continue
        kind = unit[0] >> 1 & 0x3F
        if unit[0] & _FORBIDDEN or not unit[1] & 7:
            return None
        if kind in _HEVC_UNCLEAR or (kind in _HEVC_PARAMETERS and not _is_known(unit, known)):
            return None
        if kind in _HEVC_SLICES and found is None:
            if (order := gaps.order(unit)) is None:
                return None
            is_cra = kind == _HEVC_CRA
            found = Picture(kind in _HEVC_IDR or is_cra, layer=(unit[1] & 7) - 1, has_leading=is_cra, order=order)
    return found


def _is_known(parameters: memoryview, known: bytes) -> bool:
    """Return whether parameters are the stream's: a decoder that begins after others were sent does not get them."""
    return bytes(parameters).rstrip(b"\0") in known


# Bytes that no entropy coder writes: left by a file that was not written to its end, or read from a bad place. In H.264
# and HEVC, where a decoder shows such a picture as far as it goes, no frames are lost by them.
_ZEROS = bytes(16)


def _av1(data: memoryview, is_key: bool, gaps: Av1Gaps) -> Picture | None:
    with contextlib.suppress(*_UNREADABLE):
        if _ZEROS not in bytes(data) and (found := gaps.look(data)) is not None:
            order, can_start = found
            return Picture(is_key and can_start, order=order)
    return None


def _vp9(data: memoryview, is_key: bool) -> Picture | None:
    if _ZEROS in bytes(data):
        return None
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
