"""What slices of HEVC say: the order in which pictures are shown, and whether any is missing; see `h264`.

Sources: ITU-T H.265 (7.3.2.2, 7.3.2.3, 7.3.3, 7.3.4, 7.3.6.1, 7.3.7, 7.4.8, 8.3.1, 8.3.2, C.5.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass

from videogn.data.decoding.bits import Bits, unwrapped

_BYTES = 64  # of a slice: more than what is read of it takes
_SEPARATE = 3  # 4:4:4, whose planes may be coded as three pictures
_LEADING_SKIPPED = {8, 9}  # RASL pictures: they refer to what lies before a random access picture
# Others are not told from their counts: RADL, RASL, and those that none of their layer refers to.
_NO_ANCHORS = {6, 7, 8, 9, *range(0, 16, 2)}


@dataclass(frozen=True)
class _HevcSequence:
    """What a sequence parameter set of HEVC says.

    Attributes:
        plane_bits: Of a slice's colour plane.
        order_bits: Of the lower part of a picture's order count, by which others name it.
        short_term: What slices choose from: sets of pictures, as differences to the slice's own count.
        long_term: What they choose from further: counts; None: nothing.
    """

    plane_bits: int
    order_bits: int
    short_term: list[list[int]]
    long_term: list[int] | None


class HevcGaps:
    """Finds pictures that are missing from reference picture sets: each names all that it or a later one refers to.

    Pictures that are not shown, or keep others from being shown, count as gaps: there are fewer frames than packets.
    """

    def __init__(self, parameters: Iterable[memoryview]) -> None:
        self._sequences: dict[int, _HevcSequence] = {}
        self._sequence_of: dict[int, tuple[int, int, int]] = {}  # by picture parameter set, with two things more of it
        for unit in parameters:
            kind, layer = divmod(int.from_bytes(unit[:2], "big") >> 3 & 0xFFF, 64)
            bits = Bits(bytes(unit[2:]))
            if (kind, layer) == (33, 0):  # of a sequence
                num_layers, at = _pass_profile(bits), bits.code()
                self._sequences[at] = _hevc_sequence(bits, num_layers)
            elif (kind, layer) == (34, 0):  # of pictures
                at, sequence, _ = bits.code(), bits.code(), bits.number(1)
                self._sequence_of[at] = sequence, bits.number(1), bits.number(3)
        self._held: set[int] | None = None  # low parts of the counts of pictures that a decoder has; None: it begins
        self._before = 0  # order count that the next is told from
        self._drops_leading = True  # of the last random access picture: what refers to pictures before it

    def order(self, unit: memoryview) -> int | None:
        """Return a picture's place in the order shown; see `H264Gaps.order`."""
        kind, bits = unit[0] >> 1 & 0x3F, Bits(bytes(unit[2:_BYTES]))
        if not bits.number(1):
            return None  # not its first slice
        if 16 <= kind < 24 and bits.number(1) and self._held is not None:
            return None  # pictures that were not yet shown are dropped
        if kind in _LEADING_SKIPPED and self._drops_leading:
            return None
        at, tells_shown, extra_bits = self._sequence_of[bits.code()]
        sequence = self._sequences[at]
        bits.number(extra_bits)
        bits.code()  # the type
        if tells_shown and not bits.number(1):
            return None
        bits.number(sequence.plane_bits)
        is_idr = kind in {19, 20}
        if 16 <= kind < 24:
            self._drops_leading = is_idr or self._held is None
        if is_idr:
            self._held, self._before = {0}, 0
            return 0
        low = bits.number(sequence.order_bits)
        needed = _reference_pictures(bits, sequence, low)
        if self._held is not None and not needed <= self._held:
            return None
        self._held = needed | {low}
        order = unwrapped(low, sequence.order_bits, self._before)
        if unit[1] & 7 == 1 and kind not in _NO_ANCHORS:
            self._before = order
        return order


def _reference_pictures(bits: Bits, sequence: _HevcSequence, order: int) -> set[int]:
    """Return the order counts of a slice's reference picture set."""
    if bits.number(1):
        differences = sequence.short_term[bits.number(_num_bits(sequence.short_term))]
    else:
        differences = _short_term(bits, sequence.short_term, in_slice=True)
    needed = {(order + difference) % (1 << sequence.order_bits) for difference in differences}
    if sequence.long_term is not None:
        num_chosen = bits.code() if sequence.long_term else 0
        for place in range(num_chosen + bits.code()):
            if place < num_chosen:
                needed.add(sequence.long_term[bits.number(_num_bits(sequence.long_term))])
            else:
                needed.add(bits.number(sequence.order_bits))
                bits.number(1)
            if bits.number(1):
                bits.code()  # the upper part of its count
    return needed


def _num_bits(choices: Sized) -> int:
    return max(0, len(choices) - 1).bit_length()


def _short_term(bits: Bits, known: list[list[int]], *, in_slice: bool) -> list[int]:
    """Return a set of pictures, as differences; it may be told by how it differs from a known one."""
    if known and bits.number(1):
        of = known[-bits.code() - 1 if in_slice else -1]
        sign = bits.number(1)
        shift = (bits.code() + 1) * (-1 if sign else 1)
        moved = [each + shift for each in (*of, 0) if bits.number(1) or bits.number(1)]
        # Earlier pictures first, each kind from near to far: in this order the next set tells what it keeps.
        return sorted((each for each in moved if each), key=lambda each: (each > 0, abs(each)))
    num_earlier, num_later = bits.code(), bits.code()
    found = []
    for sign, number in ((-1, num_earlier), (1, num_later)):
        difference = 0
        for _ in range(number):
            difference += sign * (bits.code() + 1)
            bits.number(1)
            found.append(difference)
    return found


def _hevc_sequence(bits: Bits, num_layers: int) -> _HevcSequence:
    plane_bits = 2 * bits.number(1) if bits.code() == _SEPARATE else 0
    bits.pass_codes(2)  # width, height
    if bits.number(1):
        bits.pass_codes(4)  # how much of them is shown
    bits.pass_codes(2)
    order_bits = bits.code() + 4
    bits.pass_codes(3 * num_layers if bits.number(1) else 3)
    bits.pass_codes(6)
    if bits.number(1) and bits.number(1):
        _pass_scaling_lists(bits)
    bits.number(2)
    if bits.number(1):  # blocks of plain samples
        bits.number(8)
        bits.pass_codes(2)
        bits.number(1)
    short_term: list[list[int]] = []
    for _ in range(bits.code()):
        short_term.append(_short_term(bits, short_term, in_slice=False))
    long_term = None
    if bits.number(1):
        long_term = [bits.number(order_bits + 1) >> 1 for _ in range(bits.code())]
    return _HevcSequence(plane_bits, order_bits, short_term, long_term)


def _pass_profile(bits: Bits) -> int:
    """Pass over what an HEVC sequence parameter set begins with; return its number of temporal layers."""
    bits.number(4)
    num_more = bits.number(3)
    bits.number(97)
    told = [(bits.number(1), bits.number(1)) for _ in range(num_more)]
    bits.number(2 * (8 - num_more) if num_more else 0)
    for profile, level in told:
        bits.number(88 * profile + 8 * level)
    return num_more + 1


def _pass_scaling_lists(bits: Bits) -> None:
    for size in (16, 64, 256, 1024):
        for _ in range(2 if size == 1024 else 6):
            if bits.number(1):
                bits.pass_codes(min(64, size) + (size > 64))
            else:
                bits.code()
