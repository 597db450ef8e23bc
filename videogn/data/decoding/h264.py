"""What slices of H.264 say: the order in which pictures are shown, and whether any is missing.

A decoder makes do without a picture that others refer to: by what it holds at that time, and so by where it began. Only
a decode of all that comes before tells what such a stream shows.

Of headers that can't be read, all here raises ValueError (the bits end) or LookupError (no such parameters were sent).

Sources: ITU-T H.264 (7.3.2.1, 7.3.2.2, 7.3.3, 7.4.3, 8.2.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from videogn.data.decoding.bits import Bits, unwrapped

_BYTES = 24  # of a slice: more than what is read of it takes


@dataclass(frozen=True)
class _H264Sequence:
    """What a sequence parameter set of H.264 says.

    Attributes:
        plane_bits: Of a slice's colour plane.
        number_bits: Of a picture's frame_num.
        order_bits: Of the lower part of its order count; None: pictures are shown as they come.
        has_fields: A slice says whether it is one of a field.
    """

    plane_bits: int
    number_bits: int
    order_bits: int | None
    has_fields: bool


class H264Gaps:
    """Finds the order counts of pictures, and gaps in frame_num, which counts reference pictures from each IDR one on.

    Numbers that are left out on purpose (gaps_in_frame_num_value_allowed_flag) or begin anew between IDR pictures
    (memory_management_control_operation 5) count as gaps: no usual encoder writes them. So do fields.
    """

    def __init__(self, parameters: Iterable[memoryview]) -> None:
        self._sequences: dict[int, _H264Sequence] = {}
        self._sequence_of: dict[int, tuple[int, int]] = {}  # by picture parameter set, with one thing more of it
        for unit in parameters:
            kind, bits = unit[0] & 0x1F, Bits(bytes(unit[1:]))
            if kind == 7:  # of a sequence
                profile, _, at = bits.number(8), bits.number(16), bits.code()
                self._sequences[at] = _h264_sequence(bits, profile)
            elif kind == 8:  # of pictures
                at, sequence, _ = bits.code(), bits.code(), bits.number(1)
                self._sequence_of[at] = sequence, bits.number(1)
        self._last = 0  # frame_num of the last reference picture
        self._before = 0  # order count that the next is told from: the last reference picture's, or the last number

    def order(self, unit: memoryview) -> int | None:
        """Return a picture's order count; None where pictures are missing before it.

        Pictures are shown in the order of their counts, which begin with each IDR picture. It is to be asked of each,
        in the file's order.

        Args:
            unit: Its first slice; any other counts as a gap.
        """
        bits = Bits(bytes(unit[1:_BYTES]))
        is_first = not bits.code()
        bits.code()  # the type
        at, tells_bottom = self._sequence_of[bits.code()]
        sequence = self._sequences[at]
        bits.number(sequence.plane_bits)
        number = bits.number(sequence.number_bits)
        is_idr, is_referred_to = unit[0] & 0x1F == 5, unit[0] & 0x60 > 0
        expected = 0 if is_idr else (self._last + 1) % (1 << sequence.number_bits)
        if is_referred_to:
            self._last = number
        if not is_first or number != expected or (sequence.has_fields and bits.number(1)):
            return None
        if is_idr:
            bits.code()  # its number
            self._before = 0
        if sequence.order_bits is None:  # shown as they come
            self._before = unwrapped(number, sequence.number_bits, self._before)
            return 2 * self._before - (not is_referred_to)
        order = unwrapped(bits.number(sequence.order_bits), sequence.order_bits, self._before)
        if is_referred_to:
            self._before = order
        # Of the two fields of a frame, each with a count, the one shown first.
        return order + min(0, bits.signed_code() if tells_bottom else 0)


_TELL_CHROMA = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles of H.264
_SEPARATE = 3  # 4:4:4, whose planes may be coded as three pictures


def _h264_sequence(bits: Bits, profile: int) -> _H264Sequence:
    plane_bits = 0
    if profile in _TELL_CHROMA:
        chroma = bits.code()
        plane_bits = 2 * bits.number(1) if chroma == _SEPARATE else 0
        bits.pass_codes(2)
        bits.number(1)
        if bits.number(1):
            for size in [16] * 6 + [64] * (6 if chroma == _SEPARATE else 2):
                if bits.number(1):
                    _pass_scaling_list(bits, size)
    number_bits, order_kind = bits.code() + 4, bits.code()
    if order_kind == 1:
        raise ValueError("pictures are shown in an order that is not told by each")
    order_bits = bits.code() + 4 if order_kind == 0 else None
    bits.code()
    bits.number(1)
    bits.pass_codes(2)  # width, height
    return _H264Sequence(plane_bits, number_bits, order_bits, has_fields=not bits.number(1))


def _pass_scaling_list(bits: Bits, size: int) -> None:
    last = 8
    for _ in range(size):
        last = (last + bits.signed_code()) % 256
        if not last:
            return  # the rest repeats the one before
