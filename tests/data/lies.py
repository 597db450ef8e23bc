"""Reads changed copies of videos by plan and in full, to count those that give other frames without a word.

python -m tests.data.lies FOLDER SEED TRIALS SOURCE ...: a line for each that differs, JSON at the end.
"""

import contextlib
import json
import random
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from videogn.data.decoding import DecodeError
from videogn.data.decoding.pyav import PyAVVideo

Packets = list[av.Packet]
PLACES = {b"ctts", b"stts", b"elst", b"stss", b"stsz", b"stsc", b"mdhd"}  # boxes of MP4 about times and packets


def _bytes(data: bytearray, rng: random.Random, _: Path) -> None:
    for _ in range(rng.choice([1, 10, 100])):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _zeros(data: bytearray, rng: random.Random, _: Path) -> None:
    start = rng.randrange(len(data))
    length = min(rng.randrange(1, 5000), len(data) - start)
    data[start : start + length] = bytes(length)


def _headers(data: bytearray, rng: random.Random, source: Path) -> None:
    with av.open(f"file:{source}", metadata_errors="ignore") as container:
        packets = [(each.pos or 0, each.size) for each in container.demux(video=0) if each.size]
    for _ in range(rng.choice([1, 1, 3])):
        start, size = rng.choice(packets)
        data[min(start + rng.randrange(min(size, 24)), len(data) - 1)] ^= 1 << rng.randrange(8)


def _boxes(data: bytearray, rng: random.Random, _: Path) -> None:
    begins = [at for name in PLACES if (at := data.find(name)) > 0]
    spans = [range(at + 4, at - 4 + int.from_bytes(data[at - 4 : at], "big")) for at in begins]
    places = [place for span in spans for place in span if place < len(data)]
    for _ in range(rng.choice([1, 3]) if places else 0):
        data[rng.choice(places)] ^= 1 << rng.randrange(8)


def _swaps(count: int, rng: random.Random) -> list[tuple[int, int]]:
    """Neighbours of neighbours at most."""
    places = [rng.randrange(count) for _ in range(rng.choice([1, 2, 4]))]
    return [(place, min(count - 1, max(0, place + rng.choice([-3, -2, -1, 1, 2, 3])))) for place in places]


def _lost(packets: Packets, rng: random.Random) -> None:
    lost = set(rng.sample(range(len(packets)), min(len(packets) - 1, rng.choice([1, 1, 2, 5]))))
    packets[:] = [packet for place, packet in enumerate(packets) if place not in lost]


def _step(times: list[int]) -> int:
    return max(1, (max(times) - min(times)) // len(times))


def _doubled(packets: Packets, rng: random.Random) -> None:
    """All behind one that comes twice have the times of the next."""
    place, times = rng.randrange(len(packets)), [packet.pts for packet in packets]
    copy = av.Packet(bytes(packets[place]))
    copy.time_base, copy.is_keyframe = packets[place].time_base, packets[place].is_keyframe
    packets.insert(place, copy)
    for packet, pts in zip(packets, [*times, max(times) + _step(times)], strict=True):
        packet.pts = pts


def _contents_exchanged(packets: Packets, rng: random.Random) -> None:
    times = [packet.pts for packet in packets]
    _moved(packets, rng)
    for packet, pts in zip(packets, times, strict=True):
        packet.pts = pts


def _moved(packets: Packets, rng: random.Random) -> None:
    for one, other in _swaps(len(packets), rng):
        packets[one], packets[other] = packets[other], packets[one]


def _times_exchanged(packets: Packets, rng: random.Random) -> None:
    for one, other in _swaps(len(packets), rng):
        packets[one].pts, packets[other].pts = packets[other].pts, packets[one].pts


def _times_shifted(packets: Packets, rng: random.Random) -> None:
    step = _step([packet.pts for packet in packets])
    start, shift = rng.randrange(len(packets)), rng.choice([-3, -2, -1, 1, 2, 3])
    for packet in packets[start : start + rng.choice([1, 3, len(packets)])]:
        packet.pts += shift * step + rng.choice([0, 0, 1, -1])


def _times_of_decoding(packets: Packets, _: random.Random) -> None:
    for packet, pts in zip(packets, sorted(packet.pts for packet in packets), strict=True):
        packet.pts = pts


OF_BYTES: dict[str, Callable[[bytearray, random.Random, Path], None]] = {
    each.__name__[1:]: each for each in (_bytes, _zeros, _headers, _boxes)
}
OF_PACKETS: dict[str, Callable[[Packets, random.Random], None]] = {
    each.__name__[1:]: each
    for each in (_lost, _doubled, _contents_exchanged, _moved, _times_exchanged, _times_shifted, _times_of_decoding)
}


def change(source: Path, target: Path, kind: str, rng: random.Random) -> None:
    """Write a changed copy."""
    if kind in OF_BYTES:
        data = bytearray(source.read_bytes())
        OF_BYTES[kind](data, rng, source)
        target.write_bytes(data)
        return
    with av.open(f"file:{source}", metadata_errors="ignore") as container, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(container.streams.best("video"), opaque=True)
        packets = [packet for packet in container.demux(container.streams.best("video")) if packet.size]
        OF_PACKETS[kind](packets, rng)
        times = sorted(packet.pts for packet in packets)
        room, last = 10 * _step(times), times[0] - 10**9  # packets must not be shown before they are decoded
        for packet, time in zip(packets, times, strict=True):
            last = max(last + 1, time - room)
            packet.dts, packet.stream = last, stream
            copy.mux(packet)


def checksum(frame: av.VideoFrame) -> int:
    """Of all samples, without what lies behind a row."""
    total = 0
    for plane in frame.planes:
        width = plane.width * (2 if frame.format.components[0].bits > 8 else 1)
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        total = zlib.crc32(rows[:, :width].tobytes(), total)
    return total


def outcome(path: Path, rng: random.Random) -> str:
    """How a file is read: "unreadable", "in full", "by plan", or by plan and with "other frames" than in full."""
    try:
        with contextlib.closing(PyAVVideo(path)) as video:
            expected = [checksum(frame) for frame in video.frames()]
            planned = video.scan.table is not None
    except DecodeError:
        return "unreadable"
    if not planned or not expected:
        return "in full" if expected else "unreadable"
    total, found = len(expected), "in full"
    for some in ([total - 1], [rng.randrange(total)], sorted({rng.randrange(total) for _ in range(8)})):
        with contextlib.closing(PyAVVideo(path)) as video:
            try:
                frames = {index: checksum(frame) for index, frame, _ in video.decode(some)}
            except DecodeError:
                frames = {}
            if video.scan.table is not None:  # else what was decoded by plan was noticed to be wrong
                found = "by plan"
                if any(frames.get(index) != expected[index] for index in some):
                    return "other frames"
    return found


def main(folder: Path, seed: int, trials: int, sources: list[Path]) -> None:
    counts: dict[str, Counter[str]] = {}
    kinds = [*OF_BYTES, *OF_PACKETS]
    for trial in range(trials):
        rng, source = random.Random(seed * 1_000_000 + trial), sources[trial % len(sources)]
        kind = kinds[(trial + trial // len(sources)) % len(kinds)]
        path = folder / f"changed{source.suffix}"
        try:
            change(source, path, kind, rng)
        except (av.error.FFmpegError, ValueError, TypeError):
            found = "none"  # no container takes it, or it has no such times
        else:
            found = outcome(path, rng)
        counts.setdefault(f"{kind} of {source.stem}", Counter())[found] += 1
        if found == "other frames":
            print(f"trial {trial}: {kind} of {source.name}", flush=True)
    print(json.dumps(counts))


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), [Path(word) for word in sys.argv[4:]])
