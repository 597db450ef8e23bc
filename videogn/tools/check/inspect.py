"""One file: whether all of it can be decoded, what is odd about it, and how it looks."""

from __future__ import annotations

import hashlib
import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from videogn.data.decoding import DecodeError, DecoderName, open_video
from videogn.data.decoding.convert import display_matrix
from videogn.data.decoding.packets import CAN_SKIP
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import orient, window_on
from videogn.data.decoding.window import Frame, Window
from videogn.data.media import is_image
from videogn.tools.check.looks import SIDE, looks_of, places

_LEAST_LEFT = 0.9  # of the frames of a damaged file
_LEAST_MISSING = 0.02  # of those that a header promises: some programs count one or two too many
_ORIENTATION = 0x0112  # of EXIF


@dataclass(slots=True)
class Facts:
    """What is known of a file, whatever the clips that are taken of it.

    Attributes:
        digest: Of its bytes; b"" where they can't be read.
        num_frames: That can be decoded.
        looks: See looks.py; b"" where it is not known.
        found: (kind, words) of what is wrong.
        damage: First and last frames that damage may show in.
        rate: Frames a second, as a fraction; "" where the file does not say.
    """

    digest: bytes = b""
    num_frames: int = 0
    looks: bytes = b""
    found: list[tuple[str, str]] = field(default_factory=list)
    damage: list[tuple[int, int]] = field(default_factory=list)
    rate: str = ""


def inspect(path: str, *, decoder: DecoderName) -> Facts:
    """Decode all of a file, or of a folder of frames.

    Args:
        decoder: What the run decodes with; damage is looked for with PyAV in any case.
    """
    facts = Facts()
    try:
        facts.digest = _digest(path)
        if os.path.isdir(path) or is_image(path):
            _inspect_images(path, facts)
        else:
            _inspect_video(path, facts)
            if decoder != "pyav":
                with open_video(path, backend=decoder) as video:
                    for _ in video.read(places(video.num_frames)):
                        pass
    except DecodeError as error:
        facts.found.append(("unreadable", error.reason))
    except Exception as error:  # whatever a damaged file makes a library trip over is that file's alone
        facts.found.append(("unreadable", f"{type(error).__name__}: {error}"))
    return facts


def within(path: str, *, look: Callable[..., Facts], decoder: DecoderName, seconds: int) -> Facts:
    """Look at a file; a process that takes longer than `seconds` (0: any time) ends as if its decoder had crashed."""
    if not seconds or not hasattr(signal, "alarm"):
        return look(path, decoder=decoder)
    signal.alarm(seconds)  # what it does to a process where nothing handles it
    try:
        return look(path, decoder=decoder)
    finally:
        signal.alarm(0)


def _digest(path: str) -> bytes:
    files = [path]
    if os.path.isdir(path):
        files = sorted(entry.path for entry in os.scandir(path) if entry.is_file())
    digest = hashlib.blake2b(digest_size=16)
    for name in files:
        with open(name, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.digest()


def _inspect_images(path: str, facts: Facts) -> None:
    with open_video(path) as video:
        wanted, seen = places(video.num_frames), {}
        for index, frame in video.read(range(video.num_frames)):
            _check_shape(path, frame.shape[0], frame.shape[1])
            facts.num_frames += 1
            if index in wanted:
                seen[index] = _grey(VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
    facts.looks = looks_of([seen[index] for index in wanted])
    if not os.path.isdir(path):
        with Image.open(path) as image:
            turn = image.getexif().get(_ORIENTATION, 1)
        if turn not in (0, 1):
            words = f"EXIF says that it is to be turned or mirrored ({turn}), as viewers do; training sees it as stored"
            facts.found.append(("orientation", words))


@dataclass(slots=True)
class _Packets:
    """What one pass over a file's packets found.

    Attributes:
        pts: Of those that are shown, in the order of the file.
        keys: Which of these are key frames.
        damaged: Places among these of what the decoder reported.
        number: Of all packets, empty ones too.
        end: The last one's time in seconds.
    """

    pts: list[int | None] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    number: int = 0
    end: float = 0.0

    def frames(self, video: PyAVVideo) -> Iterator[VideoFrame]:
        """Yield the frames of a file, without damaged ones."""
        for packet, frames in video.packets(strict=True):
            self.number += packet.size > 0 or packet.dts is not None  # AVI has empty ones, of frames that repeat
            if packet.pts is not None and packet.time_base:
                self.end = max(self.end, float(packet.pts * packet.time_base))
            if packet.size and not packet.is_discard:
                self.pts.append(packet.pts)
                self.keys.append(packet.is_keyframe)
            if frames is None or any(frame.is_corrupt for frame in frames):
                self.damaged.append(max(len(self.pts) - 1, 0))
            yield from frames or ()


def _inspect_video(path: str, facts: Facts) -> None:
    with closing(PyAVVideo(path)) as video:
        facts.rate = str(video.rate or "")
        packets, wanted, seen = _Packets(), places(video.num_frames), {}
        num_back, last, first_turn, turns_at = 0, -math.inf, 0, None
        for index, frame in enumerate(packets.frames(video)):
            if not index:
                _check_shape(path, frame.height, frame.width)
                facts.found += _odd_matrix(frame)
                first_turn = frame.rotation
            elif frame.rotation != first_turn and turns_at is None:
                turns_at = index
                facts.found.append(("turning", f"its rotation changes at frame {index}"))
            time = -math.inf if frame.pts is None else frame.pts
            num_back += time <= last
            last = max(last, time)
            if index in wanted:
                seen[index] = _grey(frame)
            facts.num_frames = index + 1
        if promised := _cut_short(video, packets):
            facts.found.append(("cut short", promised))
        if packets.damaged:
            _describe_damage(video, packets, facts)
            return
        if not seen:
            raise DecodeError(path, "no frame can be decoded")
        facts.looks = looks_of([seen.get(index, seen[max(seen)]) for index in wanted])
        if video.has_times and num_back:
            facts.found.append(("wrong times", f"{num_back} of {facts.num_frames} frames come at no later time"))
        elif video.has_times and video.format[0] in CAN_SKIP and video.scan.table is None:
            words = "its packets don't tell which frame each shows: pictures are missing from it, or times are wrong"
            facts.found.append(("wrong times", words))


def _describe_damage(video: PyAVVideo, packets: _Packets, facts: Facts) -> None:
    facts.num_frames = video.count_frames()  # as a run reads it: damage is concealed
    facts.damage = _spread(packets)
    words = f"the decoder reports {len(packets.damaged)} damaged of {packets.number} packets"
    facts.found.append(("damaged", words))
    if facts.num_frames < _LEAST_LEFT * len(packets.pts):
        facts.found.append(("cut short", f"of {len(packets.pts):,} frames {facts.num_frames:,} can be decoded"))


def _check_shape(path: str, height: int, width: int) -> None:
    """Raise a DecodeError for frames that are too narrow to be scaled."""
    window_on(path, lambda height, width: Window(0, 0, height, width, 1, 1), height, width)


def _odd_matrix(frame: VideoFrame) -> Iterator[tuple[str, str]]:
    a, b, c, d = display_matrix(frame)
    straight, across = sorted((abs(a) + abs(d), abs(b) + abs(c)))
    if straight * 50 > across or not a * d - b * c:
        yield (
            "orientation",
            f"its display matrix {a, b, c, d} is no quarter of a turn: the nearest is taken",
        )


def _grey(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return a frame [SIDE, SIDE] in grey, as it is shown."""
    small = VideoReformatter().reformat(frame, width=SIDE, height=SIDE, format="gray", interpolation="AREA", threads=1)
    grey: Frame = orient(small.to_ndarray().astype(np.uint8)[:, :, None], display_matrix(frame))
    return grey[:, :, 0]


def _spread(packets: _Packets) -> list[tuple[int, int]]:
    """Return the frames, first and last, that damage may show in: from a packet to the next key frame."""
    pts = packets.pts
    times = {time for time in pts if time is not None}
    order = np.argsort(np.array(pts)) if len(times) == len(pts) else np.arange(len(pts))
    frame_of, spans = np.argsort(order), list[tuple[int, int]]()
    for packet in packets.damaged:
        stop = next((at for at in range(packet + 1, len(pts)) if packets.keys[at]), len(pts))
        if len(shown := frame_of[packet:stop]):
            spans.append((int(shown.min()), int(shown.max())))
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined


def _cut_short(video: PyAVVideo, packets: _Packets) -> str | None:
    promised, seconds = video.promised
    if promised - packets.number > max(1, _LEAST_MISSING * promised):
        return f"its header promises {promised:,} frames, and {packets.number:,} are there"
    if not promised and video.has_times and seconds - packets.end > max(0.5, 0.1 * seconds):
        return f"its header promises {seconds:.1f} s, and its pictures end after {packets.end:.1f}"
    return None
