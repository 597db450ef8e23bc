"""Which packet shows which frame: the index of a video, from one pass without decoding.

A frame is found by its time, not by counting what comes out of a decoder: so the packets of other frames can be passed
over. That holds only where every packet shows one frame, no two the same time, and none that others refer to is
missing; other files have no table, and are decoded in full.

What is found here, in bitstream.py, h264.py, hevc.py, av1.py and headers.py is kept between runs: a change of mind in
any counts index.py's LAYOUT up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding.bitstream import Inspect, Picture
from videogn.data.decoding.headers import AreSound

# Codecs whose decoder can be told to pass over pictures that none refers to, by a flag in front of each. VP9 and AV1
# have no such pictures to speak of.
CAN_SKIP = {"h264", "hevc"}


@dataclass(frozen=True)
class PacketTable:
    """The packets of a stream, in the order of the file.

    Attributes:
        pts: int64 [packets]; when each is shown, in the stream's time base.
        starts: int64 [starts]; packets at which decoding may start.
        packet_of: int64 [frames]; the packet that shows frame k.
        can_skip: The decoder can pass over pictures that none refers to.
    """

    pts: NDArray[np.int64]
    starts: NDArray[np.int64]
    packet_of: NDArray[np.int64]
    can_skip: bool

    @property
    def num_frames(self) -> int:
        return len(self.packet_of)


@dataclass(frozen=True)
class Scan:
    """What a pass over the packets found.

    Attributes:
        num_packets: Packets that are to be shown.
        table: Which of them shows which frame; None where only a full decode can tell.
    """

    num_packets: int
    table: PacketTable | None


def scan(
    packets: Iterable[av.Packet],
    *,
    codec: str,
    inspect: Inspect | None,
    are_sound: AreSound | None,
    reorder_depth: int,
) -> Scan:
    """Read all packets of a stream once.

    Args:
        packets: In the order of the file.
        inspect: How a packet is looked at; None: there will be no table.
        are_sound: Whether all of its headers can be read; None: there will be no table.
        reorder_depth: How many frames the decoder holds back to bring them into order.
    """
    pts: list[int] = []
    is_shown: list[bool] = []
    pictures: list[Picture] = []
    num_packets = 0
    usable = inspect is not None and are_sound is not None
    for packet in packets:
        if not packet.size:
            usable = usable and packet.dts is None  # what ends the stream; else an empty packet
            continue
        num_packets += not packet.is_discard
        if not usable or inspect is None or are_sound is None:
            continue
        is_plain = packet.pts is not None and not packet.is_corrupt and not packet.has_sidedata("new_extradata")
        picture = inspect(memoryview(packet), packet.is_keyframe) if is_plain else None
        if picture is None or packet.pts is None:
            usable = False
        else:
            pts.append(packet.pts)
            is_shown.append(not packet.is_discard)
            pictures.append(picture)
            usable = are_sound(packet)
    table = _table(np.array(pts), np.array(is_shown), pictures, codec, reorder_depth) if usable and pictures else None
    return Scan(num_packets, table)


def _table(
    pts: NDArray[np.int64], is_shown: NDArray[np.bool_], pictures: list[Picture], codec: str, reorder_depth: int
) -> PacketTable | None:
    """Return the table, or None where packets and frames may not be the same."""
    if not pictures[0].can_start or not is_shown.any() or len(np.unique(pts)) < len(pts):
        return None
    if pictures[0].has_leading and (pts < pts[0]).any():
        return None  # they refer to pictures before the file's first, and are not shown
    depth = _depth(pts)
    if depth > reorder_depth:
        return None  # the decoder will find out while it decodes, and may lose frames until then
    if depth == 0 < reorder_depth and any(picture.is_between for picture in pictures):
        return None  # the times are those of decoding, as programs copy them from AVI
    closed = np.array([picture.can_start and not picture.has_leading for picture in pictures])
    before, after = np.maximum.accumulate(pts), np.minimum.accumulate(pts[::-1])[::-1]
    if (before[:-1] > pts[1:])[closed[1:]].any() or (after != pts)[closed].any():
        return None  # what follows such a picture in the file is shown after it: the times are wrong
    if not _is_order_of_times(pts, pictures, closed):
        return None  # a closed start was lost, and what follows it is taken for a part of what came before
    return PacketTable(
        pts=pts,
        starts=np.flatnonzero([picture.can_start for picture in pictures]),
        packet_of=packets_of_frames(pts, is_shown),
        can_skip=codec in CAN_SKIP and not any(picture.layer for picture in pictures),
    )


def _is_order_of_times(pts: NDArray[np.int64], pictures: list[Picture], closed: NDArray[np.bool_]) -> bool:
    """Return whether pictures say of themselves, where they do, that they are shown in the order of their times."""
    if pictures[0].order is None:
        return True
    by_time = np.argsort(pts)
    orders, groups = np.array([picture.order for picture in pictures]), np.cumsum(closed)
    steps, begins_anew = np.diff(orders[by_time]), np.diff(groups[by_time])
    return bool(((begins_anew > 0) | ((begins_anew == 0) & (steps > 0))).all())


def packets_of_frames(pts: NDArray[np.int64], is_shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return int64 [frames]: the packet that shows each frame; of pts and is_shown, both [packets]."""
    shown = np.flatnonzero(is_shown)
    return shown[np.argsort(pts[shown])]


def _depth(pts: NDArray[np.int64]) -> int:
    """Return the most frames that are decoded before one that is shown before them."""
    order = np.argsort(pts)  # packet of each place in time
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    # Of the packets up to the last one that any frame up to k needs, k + 1 are shown by then; the others wait.
    return int((np.maximum.accumulate(order) - np.arange(len(order))).max(initial=0))
