"""The fields of headers, bit by bit.

Sources: ITU-T H.264 and H.265 (7.2: bits; 7.4.1, 7.4.2: bytes put in between; 9.1, 9.2: exponential Golomb codes).
"""

from __future__ import annotations

_ESCAPED, _MEANT = b"\0\0\3", b"\0\0"  # the 3 keeps two zeros from looking like a start code


class Bits:
    """Reads numbers one after the other.

    Args:
        payload: A unit behind its header, or the beginning of it.
        is_escaped: It is a NAL unit, with bytes put in between.
    """

    def __init__(self, payload: bytes, *, is_escaped: bool = True) -> None:
        if is_escaped:
            payload = payload.replace(_ESCAPED, _MEANT)
        # A 1 in front, to be left out with "0b", keeps the zeros that the bits begin with.
        self._bits = bin(int.from_bytes(b"\1" + payload, "big"))[3:]
        self._place = 0

    def number(self, num_bits: int) -> int:
        """Return an unsigned number of so many bits; 0 of none.

        Raises:
            ValueError: There are not so many left.
        """
        if not num_bits:
            return 0
        begin = self._place
        self._place = end = begin + num_bits
        if end > len(self._bits):
            raise ValueError(f"a number of {num_bits} bits at {begin} of {len(self._bits)}")
        return int(self._bits[begin:end], 2)

    def code(self) -> int:
        """Return the number of an exponential Golomb code.

        Raises:
            ValueError: The bits end before it does.
        """
        begin = self._bits.index("1", self._place)
        self._place = end = 2 * begin - self._place + 1  # as many bits behind the first 1 as zeros before it
        if end > len(self._bits):
            raise ValueError(f"a code of {end - begin} bits at {begin} of {len(self._bits)}")
        return int(self._bits[begin:end], 2) - 1

    def signed_code(self) -> int:
        """Return the signed number of such a code: they stand for 0, 1, -1, 2, -2 and so on."""
        number = self.code()
        return (number + 1) // 2 if number % 2 else -(number // 2)

    def pass_codes(self, count: int) -> None:
        """Read so many codes of whatever kind."""
        for _ in range(count):
            self.code()


def unwrapped(low: int, num_bits: int, before: int) -> int:
    """Return the number of which only the lowest bits are told: the one nearest to that before it.

    Of two as near, the higher one (H.264 8.2.1.1, H.265 8.3.1).
    """
    whole = 1 << num_bits
    step = (low - before) % whole
    return before + (step if 2 * step <= whole else step - whole)
