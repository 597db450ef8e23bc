"""What FFmpeg's own parser says of the headers of H.264 and HEVC: an oracle for ours, and where to change bits."""

import re
from pathlib import Path
from typing import NamedTuple

import av
import av.logging
from av.bitstream import BitStreamFilterContext

_LINE = re.compile(r"(\d+) +(\S+) +([01]+) = (-?\d+)$")


class Field(NamedTuple):
    """One field of a header.

    Attributes:
        bit: Its first one, from its NAL unit's first, without bytes that are put in between.
        num_bits: Its bits.
        name: As in the standards.
        value: Of it.
    """

    bit: int
    num_bits: int
    name: str
    value: int


def traced(path: Path) -> list[tuple[av.Packet, list[Field]]]:
    """Each packet of a video with the fields of its units."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.open(str(path)) as container, av.logging.Capture() as lines:
            stream = container.streams.video[0]
            trace, found = BitStreamFilterContext("trace_headers", stream), []
            for packet in container.demux(stream):
                if packet.size:
                    lines.clear()
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                    trace.filter(copy)
                    fields = (_LINE.match(text.strip()) for _, _, text in lines)
                    found.append((packet, [Field(int(m[1]), len(m[3]), m[2], int(m[4])) for m in fields if m]))
            return found
    finally:
        av.logging.set_level(level)


def u(value: int, num_bits: int) -> str:
    """Bits of a number."""
    return f"{value:0{num_bits}b}"


def ue(value: int) -> str:
    """Bits of an exponential Golomb code."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def unit(header: bytes, bits: str) -> bytes:
    """A NAL unit: bits, one that ends them, zeros up to a whole byte, and no start code inside."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return header + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def configuration(codec: str, parameters: list[bytes]) -> bytes:
    """A stream's configuration as MP4 keeps it, of a sequence's and pictures' parameter sets; lengths of four bytes."""
    sized = [len(each).to_bytes(2, "big") + each for each in parameters]
    if codec == "h264":
        sequence, pictures = sized
        return bytes([1, 0, 0, 0, 0xFF, 0xE1]) + sequence + b"\1" + pictures
    arrays = b"".join(bytes([each[2] >> 1, 0, 1]) + each for each in sized)
    return bytes([1] + 20 * [0] + [3, len(sized)]) + arrays


# Parameter sets of the simplest kind: pictures of H.264 are shown as they come; numbers and order counts of four bits.
SIMPLE = {
    "h264": [
        unit(b"\x67", u(66, 8) + u(30, 16) + 2 * ue(0) + ue(2) + ue(1) + "0" + 2 * ue(3) + "1100"),
        unit(b"\x68", 2 * ue(0)),
    ],
    "hevc": [
        unit(
            b"\x42\x01",
            u(1, 8)
            + u(0, 96)
            + ue(0)
            + ue(1)
            + 2 * ue(64)
            + "0"
            + 3 * ue(0)
            + "1"
            + 9 * ue(0)
            + "0000"
            + ue(0)
            + "00000",
        ),
        unit(b"\x44\x01", 2 * ue(0) + "00000"),
    ],
}
