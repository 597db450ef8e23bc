"""The least decoding that gives the frames that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videogn.data.decoding.packets import PacketTable


@dataclass(frozen=True)
class Stretch:
    """Packets that are decoded one after the other.

    Attributes:
        start: The first packet; decoding may start there.
        stop: Behind the last packet.
        frames: Frame wanted of it, by the packet that shows each.
    """

    start: int
    stop: int
    frames: dict[int, int]


def plan(table: PacketTable, wanted: Sequence[int]) -> list[Stretch]:
    """Return stretches of packets that show the wanted frames, in the order of the file.

    A frame needs what lies between it and the last packet before it at which decoding may start and that is not shown
    later than it. Where a stretch would run over packets that nothing needs, another begins.

    Args:
        wanted: Frame indices below table.num_frames, each once.
    """
    stretches: list[Stretch] = []
    packets = table.packet_of[np.asarray(wanted)].tolist()
    needs = sorted((_start(table, packet), packet, frame) for packet, frame in zip(packets, wanted, strict=True))
    for start, packet, frame in needs:
        if stretches and start <= stretches[-1].stop:
            last = stretches[-1]
            last.frames[packet] = frame
            stretches[-1] = Stretch(last.start, max(last.stop, packet + 1), last.frames)
        else:
            stretches.append(Stretch(start, packet + 1, {packet: frame}))
    return stretches


def _start(table: PacketTable, packet: int) -> int:
    at = int(np.searchsorted(table.starts, packet, side="right")) - 1
    while at > 0 and table.pts[table.starts[at]] > table.pts[packet]:
        at -= 1
    return int(table.starts[at])
