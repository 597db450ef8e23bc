"""A copy of a video with what the network says of it in the picture; its sound is kept as it is.

Shapes: H, W, C = 3; uint8 RGB.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw

from videogn.data.decoding.clock import begin_of
from videogn.data.decoding.pyav import OPEN_SETTINGS, PyAVVideo
from videogn.data.decoding.window import Frame
from videogn.files import replacing
from videogn.trained.font import font
from videogn.trained.timeline import Timeline

_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
SUFFIXES = tuple(_FORMATS)
MOST_LABELS, LEAST_SHARE = 3, 0.05
_LINES_PER_HEIGHT = 20
_BT601, _LIMITED_RANGE = 6, 1  # what FFmpeg's conversion from RGB gives: SMPTE170M, MPEG


def check_sound(path: str | Path, *, suffix: str) -> None:
    """Refuse a video whose sound a copy can't hold as it is.

    Raises:
        ValueError: Says of which codec it is, and what can hold it.
    """
    with _opened(path) as source:
        sounds = [sound.codec_context.name if sound.codec_context else "unknown" for sound in source.streams.audio]
    for name in sounds:
        can_hold = [other for other, codecs in _codecs().items() if name in codecs]
        if suffix not in can_hold:
            instead = f"{' or '.join(can_hold)} can" if can_hold else "no other can"
            raise ValueError(f"{path}: a {suffix} file can't hold its sound ({name}); {instead}")


@cache
def _codecs() -> dict[str, set[str]]:
    """Return which codecs files of each suffix can hold."""
    found = {}
    for suffix, name in _FORMATS.items():
        with av.open(io.BytesIO(), "w", format=name) as file:
            found[suffix] = file.supported_codecs
    return found


def write_overlay(
    path: str | Path, timeline: Timeline, out: Path, *, on_frame: Callable[[float], None] = lambda seconds: None
) -> None:
    """Write a copy of a video with the most probable classes in the picture, turned as a player shows it.

    Each frame bears what the window says whose middle is nearest, and is shown when it is in the video; where no window
    shows it, at the end, it bears nothing. The picture is encoded anew (H.264), the sound is not.

    Args:
        timeline: What a window that slid over it says.
        out: The file, of one of SUFFIXES. It takes the place of one that is there, when all of it is written.
        on_frame: Told of each frame when it is shown, in seconds.

    Raises:
        DecodeError: The video can't be decoded.
        OSError: The file can't be written.
    """
    with (
        closing(PyAVVideo(path)) as video,
        _opened(path) as source,
        replacing(out) as partial,
        # Or Matroska moves all of it, for sound that begins before 0, as AAC does.
        av.open(str(partial), "w", options={"avoid_negative_ts": "disabled"}) as copy,
    ):
        _Copy(copy, video, source, timeline).write(on_frame)


class _Copy:
    """The copy as it is written."""

    def __init__(self, copy: OutputContainer, video: PyAVVideo, source: InputContainer, timeline: Timeline) -> None:
        self._copy, self._video, self._timeline = copy, video, timeline
        self._time_base = video.time_base
        # Encoded at the rate's order of magnitude; times are those that frames bring along.
        self._stream = copy.add_stream("libx264", rate=video.rate or 25, options={"preset": "fast", "crf": "20"})
        self._stream.codec_context.time_base = self._time_base
        self._sound = _Sound(copy, source)
        self._pts = -1

    def write(self, on_frame: Callable[[float], None]) -> None:
        """Write all of it."""
        for shown in self._video.stream():
            place = self._timeline.place_at(float(shown.start))
            picture = shown.convert()
            if place is not None:
                picture = with_labels(picture, list(self._timeline.best(place, MOST_LABELS)))
            self._copy.mux(self._stream.encode(self._frame(picture, shown.start, shown.end)))
            self._sound.mux_until(shown.start)
            on_frame(float(shown.start))
        self._copy.mux(self._stream.encode())
        self._sound.mux_until(None)

    def _frame(self, picture: Frame, start: Fraction, end: Fraction) -> VideoFrame:
        height, width, _ = picture.shape
        if height % 2 or width % 2:  # of which 4:2:0 has none
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._pts < 0:
            context = self._stream.codec_context
            context.height, context.width, context.pix_fmt = *picture.shape[:2], "yuv420p"
            context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
            if aspect := self._video.pixel_aspect:
                is_turned = (width, height) != self._video.stored_size
                context.sample_aspect_ratio = 1 / aspect if is_turned else aspect
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._pts = max(round(start / self._time_base), self._pts + 1)
        frame.pts, frame.time_base = self._pts, self._time_base
        frame.duration = max(round(end / self._time_base) - self._pts, 1)
        return frame


class _Sound:
    """The packets of all of a video's sound, on their way to the copy."""

    def __init__(self, copy: OutputContainer, source: InputContainer) -> None:
        self._copy = copy
        self._begin = begin_of(source) or Fraction(0)
        self._copies = {sound.index: copy.add_stream_from_template(sound) for sound in source.streams.audio}
        self._packets = source.demux(source.streams.audio) if self._copies else iter(())
        self._next = self._following()

    def _following(self) -> av.Packet | None:
        try:
            return next((packet for packet in self._packets if packet.size and packet.dts is not None), None)
        except FFmpegError:  # the rest of a damaged file can't be read: what came before stands
            return None

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write the packets up to a time; None: all that are left."""
        while (packet := self._next) is not None:
            assert packet.dts is not None
            if seconds is not None and packet.dts * packet.time_base - self._begin > seconds:
                return
            shift = round(self._begin / packet.time_base)
            packet.dts -= shift
            if packet.pts is not None:
                packet.pts -= shift
            packet.stream = self._copies[packet.stream.index]
            self._copy.mux(packet)
            self._next = self._following()


@contextmanager
def _opened(path: str | Path) -> Iterator[InputContainer]:
    with av.open(f"file:{path}", **OPEN_SETTINGS) as container:
        yield container


def with_labels(picture: Frame, labels: list[tuple[str, float]]) -> Frame:
    """Return a picture [H, W, C] with classes and their probabilities in its lower left corner, best first."""
    text = "\n".join(
        f"{name}  {share:.2f}" for place, (name, share) in enumerate(labels) if not place or share >= LEAST_SHARE
    )
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    size = max(8, image.height // _LINES_PER_HEIGHT)
    margin = size // 2
    corner = (margin, image.height - margin)
    left, top, right, bottom = draw.multiline_textbbox(corner, text, font=font(size), anchor="ld")
    draw.rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=(0, 0, 0, 150))
    draw.multiline_text(corner, text, font=font(size), anchor="ld", fill=(255, 255, 255, 255))
    return np.asarray(image)
