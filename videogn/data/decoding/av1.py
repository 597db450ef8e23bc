"""What the headers of AV1 say: the order in which pictures are shown, and whether any is missing; see `h264`.

Encoders number the pictures that are shown one by one (order_hint, modulo a power of two). Streams that don't, and
those with more than one layer, or with what no usual encoder writes, tell nothing here.

Source: the AV1 specification (5.3, 5.5, 5.9.2; 7.20: what is kept; 7.21: what is shown again).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from videogn.data.decoding.bits import Bits

_BYTES = 24  # of a frame's header: more than what is read of it takes
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_KINDS = {1, 2, 3, 4, 5, 6, 7, 15}  # of units in a stream of video; 15 is padding
_KEY, _SWITCH = 0, 3
_CHOOSE = 2  # a frame's header says


@dataclass(frozen=True)
class _Sequence:
    """What a sequence header says.

    Attributes:
        screen_content: Whether there may be tools for it; 2: a frame's header says.
        integer_motion: Whether motion is of whole pixels; 2: a frame's header says.
        id_bits: Of a frame's number by which others name it.
        order_bits: Of its place in the order shown.
    """

    screen_content: int
    integer_motion: int
    id_bits: int
    order_bits: int


class Av1Gaps:
    """Finds places in the order shown, and gaps in them."""

    def __init__(self, known: bytes) -> None:
        self._sequence: _Sequence | None = None
        self._kept: list[tuple[int, bool] | None] = [None] * 8  # place of each that is referred to; is it a key frame?
        self._last = 0  # place of the last that was shown
        self._count = 0  # shown since the last key frame
        if known[:1] == b"\x81":  # behind four bytes of a record
            for kind, unit in _units(memoryview(known)[4:]):
                if kind == _SEQUENCE:
                    self._take(unit)

    def _take(self, unit: memoryview) -> None:
        self._sequence = _sequence(Bits(bytes(unit), is_escaped=False))

    def look(self, data: memoryview) -> tuple[int, bool] | None:
        """Return the order of the picture that a packet shows, from each key frame on, and whether it is one.

        None where it shows none or several, or where some are missing before it. It is to be asked of each packet, in
        the file's order.

        Raises:
            ValueError: A header can't be read.
        """
        shown = []
        for kind, unit in _units(data):
            if kind == _SEQUENCE:
                self._take(unit)
            elif kind in {_FRAME_HEADER, _FRAME} and (frame := self._frame(unit)) is not None:
                shown.append(frame)
        if len(shown) != 1 or self._sequence is None:
            return None
        place, is_key = shown[0]
        self._count = 0 if is_key else self._count + 1
        is_next = (place - self._last - 1) % (1 << self._sequence.order_bits) == 0
        self._last = place
        return (self._count, is_key) if is_key or is_next else None

    def _frame(self, unit: memoryview) -> tuple[int, bool] | None:
        """Return the place of the picture that a frame's header shows, and whether it is a key frame; None: none."""
        bits, sequence = Bits(bytes(unit[:_BYTES]), is_escaped=False), self._sequence
        if sequence is None:
            raise ValueError("a frame before any sequence")
        if bits.number(1):
            kept = self._kept[bits.number(3)]
            if kept is None or kept[1]:
                raise ValueError("a frame is shown again that was not kept, or all others begin with")
            return kept
        kind, is_shown = bits.number(2), bits.number(1)
        if not is_shown:
            bits.number(1)  # whether it may be, later
        resists = (kind == _SWITCH or (kind == _KEY and is_shown == 1)) or bits.number(1) == 1
        bits.number(1)
        if bits.number(1) if sequence.screen_content == _CHOOSE else sequence.screen_content:
            bits.number(sequence.integer_motion == _CHOOSE)
        bits.number(sequence.id_bits)
        bits.number(kind != _SWITCH)  # whether its size is its own
        place = bits.number(sequence.order_bits)
        bits.number(0 if kind in {_KEY, 2} or resists else 3)
        starts = kind == _SWITCH or (kind == _KEY and is_shown == 1)
        replaces = 0xFF if starts else bits.number(8)
        frame = (place, kind == _KEY)
        self._kept = [frame if replaces >> slot & 1 else kept for slot, kept in enumerate(self._kept)]
        return frame if is_shown else None


def _units(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield each unit's kind and what is behind its header and size.

    Raises:
        ValueError: They are none.
    """
    place = 0
    while place < len(data):
        header = data[place]
        kind, is_layered, has_size = header >> 3 & 15, header & 4, header & 2
        place += 1 + bool(is_layered)
        if header & 0x81 or kind not in _KINDS or (is_layered and data[place - 1 : place].tobytes() != b"\0"):
            raise ValueError(f"no unit of one layer begins with {header:#04x}")
        size = len(data) - place
        if has_size:
            size = shift = 0
            while True:
                if place >= len(data) or shift > 28:
                    raise ValueError("a unit's size is cut off")
                byte = data[place]
                size, shift, place = size | (byte & 0x7F) << shift, shift + 7, place + 1
                if not byte & 0x80:
                    break
        if place + size > len(data):
            raise ValueError("a unit is cut off")
        yield kind, data[place : place + size]
        place += size


def _sequence(bits: Bits) -> _Sequence:
    bits.number(3)  # profile
    bits.number(1)
    if bits.number(1):
        raise ValueError("a still picture")
    if bits.number(1):  # times
        bits.number(64)
        if bits.number(1):
            bits.code()
        if bits.number(1):
            raise ValueError("a model of a decoder")
    has_delays = bits.number(1)
    if bits.number(5):
        raise ValueError("several layers")
    bits.number(12)
    if bits.number(5) > 7:  # level
        bits.number(1)
    if has_delays and bits.number(1):
        bits.number(4)
    width_bits, height_bits = bits.number(4) + 1, bits.number(4) + 1
    bits.number(width_bits + height_bits)
    id_bits = 0
    if bits.number(1):
        id_bits = bits.number(4) + 2
        id_bits += bits.number(3) + 1
    bits.number(3 + 4)  # tools
    if not bits.number(1):
        raise ValueError("pictures without places in the order shown")
    bits.number(2)
    screen_content = _CHOOSE if bits.number(1) else bits.number(1)
    integer_motion = _CHOOSE
    if screen_content and not bits.number(1):
        integer_motion = bits.number(1)
    return _Sequence(screen_content, integer_motion, id_bits, order_bits=bits.number(3) + 1)
