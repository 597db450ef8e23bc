"""Videos of every kind of encoding, and how they are read: what tests of planned decoding share."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from hypothesis import strategies as st

from videogn.data.decoding.packets import PacketTable
from videogn.data.decoding.pyav import PyAVVideo

X265 = "log-level=none:pools=none:frame-threads=1:keyint=12"


def encode(
    path: Path,
    codec: str,
    options: dict[str, str],
    *,
    num_frames: int,
    seed: int,
    gaps: bool = False,
    shift: int = 0,
    scale: int = 1,
) -> Path:
    """Moving noise with a cut every 20 frames, 64 x 96 px times `scale`.

    gaps: Frames last 1 to 3 ticks. shift: Times begin that many ticks before 0, which makes an edit list in MP4.
    """
    small = np.random.default_rng(seed).integers(0, 256, (num_frames + 4, 8, 12, 3))
    lengths = random.Random(seed)
    pts = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96 * scale, 64 * scale, "yuv420p"

        def mux(packets: list[av.Packet]) -> None:
            for packet in packets:
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                container.mux(packet)

        for k in range(num_frames):
            picture = np.kron(small[k : k + 4].mean(0), np.ones((8 * scale, 8 * scale, 1))).astype(np.uint8)
            picture = np.roll(picture, 3 * k if k // 20 % 2 else 0, axis=1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            pts += lengths.choice([1, 1, 2, 3]) if gaps else 1
            mux(stream.encode(frame))
        mux(stream.encode())
    return path


def remux(source: Path, target: Path, change: Callable[[list[av.Packet]], None], *more: Path) -> Path:
    """The packets of one or more files as one stream, changed on the way."""
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(container.streams.video[0])
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        for path in more:
            with av.open(str(path)) as other:
                packets += [packet for packet in other.demux(other.streams.video[0]) if packet.size]
        change(packets)
        for packet in packets:
            packet.stream = stream
            copy.mux(packet)
    return target


def x264(**params: int | str) -> tuple[str, dict[str, str]]:
    joined = ":".join(f"{name.replace('_', '-')}={value}" for name, value in params.items())
    return "libx264", {"threads": "1", "x264-params": joined}


# name -> encoder, suffix, whether packets tell which frame they show, whether there are frames to pass over
CASES: dict[str, tuple[tuple[str, dict[str, str]], str, bool, bool]] = {
    "h264": (x264(keyint=30, bframes=3, b_pyramid="normal"), "mp4", True, True),
    "h264, one key frame": (x264(keyint=250, bframes=5, b_pyramid="strict", scenecut=0), "mkv", True, True),
    "h264, no B-frames": (x264(keyint=12, bframes=0, ref=4), "mov", True, False),
    "h264, slices": (x264(keyint=12, bframes=2, slices=3, weightp=2), "flv", True, True),
    "h264, open GOP": (x264(keyint=12, bframes=3, open_gop=1), "mp4", True, True),
    "h264, intra refresh": (x264(keyint=12, bframes=0, intra_refresh=1), "mp4", True, False),
    "h264, transport stream": (x264(keyint=12, bframes=3), "ts", True, True),
    "h264, interlaced": (x264(keyint=12, bframes=2, tff=1), "mp4", False, False),
    "h264, made-up times": (x264(keyint=12, bframes=3), "avi", False, False),
    "hevc": (("libx265", {"x265-params": f"{X265}:bframes=4:open-gop=0"}), "mp4", True, True),
    "hevc, open GOP": (("libx265", {"x265-params": f"{X265}:bframes=2:open-gop=1"}), "mkv", True, True),
    "hevc, layers": (("libx265", {"x265-params": f"{X265}:bframes=4:temporal-layers=3"}), "mkv", True, False),
    "vp9, hidden frames": (
        ("libvpx-vp9", {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16", "g": "15"}),
        "webm",
        True,
        False,
    ),
    "av1": (("libsvtav1", {"preset": "10", "g": "15", "svtav1-params": "lp=1"}), "mkv", True, False),
    "mpeg4": (("mpeg4", {"g": "12", "bf": "2"}), "mp4", False, False),
}


def read_counted(path: Path, indices: list[int]) -> tuple[dict[int, np.ndarray], int, bool]:
    """Frames, how many came out of the decoder for them, and whether it had to be decoded from the beginning."""
    video = PyAVVideo(path)
    decoded = []
    once = video._decode_stretch
    video._decode_stretch = lambda *args: (decoded.append(frame) or frame for frame in once(*args))
    try:
        planned = video.scan.table is not None
        frames = dict(video.read(indices))
        return frames, len(decoded), planned and video.scan.table is None
    finally:
        video.close()


@st.composite
def tables(draw) -> PacketTable:
    """Packets of groups that each begin with a start, shown in any order within a group; some are never shown."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    pts: list[int] = []
    starts = []
    for size in sizes:
        starts.append(len(pts))
        # A group's first packet may be shown after others of it, which then need the group before (an open GOP).
        first = 0 if len(starts) == 1 else draw(st.integers(0, size - 1))
        rest = draw(st.permutations([place for place in range(size) if place != first]))
        pts += [sum(sizes[: len(starts) - 1]) + place for place in (first, *rest)]
    hidden = draw(st.sets(st.integers(0, len(pts) - 1), max_size=len(pts) - 1))
    shown = sorted((time, packet) for packet, time in enumerate(pts) if packet not in hidden)
    return PacketTable(np.array(pts), np.array(starts), np.array([packet for _, packet in shown]), True)
