"""Decoding by PyAV (FFmpeg's libraries): exact on every file that FFmpeg can show, and no more of it than is needed.

Where the packets tell which frame each shows (`packets`), decoding starts at the last possible place before each
wanted frame and passes over pictures that none refers to. Where they do not, and where anything at all goes otherwise
than the packets promised, the frames are found by counting what comes out of the decoder from the beginning: variable
rates, edit lists, missing times, several streams and damaged packets can't shift them. What was passed over is not
decoded: damage behind its headers is not seen, and a frame that a full decode would lose by it counts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videogn.data.decoding.bitstream import inspector
from videogn.data.decoding.clock import Clock
from videogn.data.decoding.convert import Converter, reason_of
from videogn.data.decoding.headers import header_reader
from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.packets import PacketTable, Scan, scan
from videogn.data.decoding.plan import Stretch, plan
from videogn.data.decoding.video import DecodeError, Shown, TooFewFrames, distinct
from videogn.data.decoding.watch import Watch
from videogn.data.decoding.window import Frame, WindowOf, whole

# Containers that say when each packet is shown. In others (AVI) the library makes it up.
_CONTAINERS_WITH_TIMES = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "mpegts"}
_SECONDS_BETWEEN_LOOKS = 0.005
_PROGRESSIVE = {0, 1}  # FFmpeg's field orders: unknown, progressive

# A title that is not UTF-8 must not stop the opening; PyAV 19 lets it pass by itself.
OPEN_SETTINGS: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}


# The index of a frame, the frame as the decoder gives it, and the (width, height) that the video is shown at.
Decoded = tuple[int, VideoFrame, tuple[int, int]]


class _Unexpected(Exception):
    """The file is not what its packets promised: only a full decode tells."""


class PyAVVideo:
    """A video file opened with PyAV; see `Video`.

    Args:
        opens: Opens what is no file, such as a camera, which has to be read by `stream` alone; default: the file.

    Raises:
        DecodeError: It can't be opened, or has no video stream.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        index: PacketIndex | None = None,
        watch: Watch | None = None,
        opens: Callable[[], InputContainer] | None = None,
    ) -> None:
        self.path = str(path)
        self._opens = opens or partial(_open_file, self.path)
        self._watch = watch or Watch()
        self._index = index
        self._container, self._stream = self._open()
        self._is_fresh = True
        self._reading: int | None = 0  # counts up when packets that are being read are no longer there; None: closed
        self._scan: Scan | None = None
        self._num_frames: int | None = None
        self._exact = False

    def _open(self) -> tuple[InputContainer, VideoStream]:
        """Return the file and the stream that a player shows."""
        try:
            container = self._opens()
        except DecodeError:
            raise
        except (FFmpegError, ValueError, OSError) as error:
            raise DecodeError(self.path, reason_of(error)) from error
        try:
            stream = container.streams.best("video")
        except IndexError:  # FFmpeg found a stream while reading, which PyAV does not know of
            stream = None
        if not isinstance(stream, VideoStream):
            container.close()
            raise DecodeError(self.path, "the file has no video stream")
        if stream.codec_context is None:
            container.close()
            raise DecodeError(self.path, "there is no decoder for its codec")
        # One decoder thread: the loader's workers are the parallelism; and how FFmpeg conceals damage depends on the
        # number of threads, so that another number shows other pixels, and sometimes fewer frames, of a damaged file.
        stream.thread_type = "NONE"
        stream.thread_count = 1
        return container, stream

    def _rewind(self) -> VideoStream:
        """Return the stream at its beginning.

        A fresh container each time: not every format can seek back to its first packet.
        """
        self._begin()
        if not self._is_fresh:
            self._container.close()
            self._container, self._stream = self._open()
        self._is_fresh = False
        return self._stream

    def _begin(self) -> None:
        if self._reading is None:
            raise RuntimeError(f"{self.path}: it is closed")
        self._reading += 1

    # What the packets say

    @property
    def scan(self) -> Scan:
        """The packets, from one pass without decoding, if none is on record."""
        if self._scan is None and self._index is not None:
            self._scan = self._index.get(self.path)
        if self._scan is None:
            stream = self._rewind()
            context = stream.codec_context
            inspect = inspector(context.name, context.extradata) if self.has_times else None
            self._scan = scan(
                self._packets(stream),
                codec=context.name,
                inspect=inspect,
                are_sound=header_reader(stream) if inspect is not None else None,
                reorder_depth=context.reorder_depth,
            )
            if self._index is not None:
                self._index.put(self.path, self._scan)
        return self._scan

    @property
    def num_frames(self) -> int:
        """By the packets, until a decode found the exact number.

        The two differ for damaged files and for AVIs whose frames are packed several to a packet (all of HMDB51).
        """
        if self._num_frames is None:
            table = self.scan.table
            self._num_frames = table.num_frames if table is not None else self.scan.num_packets
            if not self._num_frames:
                raise DecodeError(self.path, "the video stream has no packets")
        return self._num_frames

    @property
    def format(self) -> tuple[str, str]:
        """(codec, container) by FFmpeg's names."""
        return self._stream.codec_context.name, self._container.format.name

    @property
    def has_times(self) -> bool:
        """Whether packets say when each frame is shown. One of interlaced video may hold a field: half a frame."""
        is_progressive = self._stream.codec_context.field_order in _PROGRESSIVE
        return self._container.format.name in _CONTAINERS_WITH_TIMES and is_progressive

    @property
    def promised(self) -> tuple[int, float]:
        """What the headers say there is: packets of video, and seconds of the file; 0 where they don't."""
        return self._stream.frames, (self._container.duration or 0) / av.time_base

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, as far as the container knows."""
        return self._stream.average_rate or self._stream.guessed_rate

    @property
    def time_base(self) -> Fraction:
        """Seconds of a tick of the stream's times."""
        return self._stream.time_base or Fraction(1, av.time_base)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) as stored, before it is turned."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width of a stored pixel by its height; None where the file says nothing."""
        return self._stream.sample_aspect_ratio

    def count_frames(self) -> int:
        """Return the exact number of frames, by a full decode; see `Video.count_frames`."""
        if not self._exact:
            self._settle(sum(1 for _ in self.frames()))
        if not self._num_frames:
            raise DecodeError(self.path, "no frame can be decoded")
        return self._num_frames

    def _settle(self, num_frames: int) -> None:
        """Take the number that a full decode gave, and no table that says another."""
        self._num_frames, self._exact = num_frames, True
        if self._scan is not None and self._scan.table is not None and self._scan.table.num_frames != num_frames:
            self._scan = Scan(self._scan.num_packets, None)

    # Frames

    def read(
        self, indices: Sequence[int], *, window: WindowOf | None = None, exact_count: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        """Yield the frames at `indices`, each distinct one as (index, frame); see `Video.read`."""
        convert = Converter(self.path, window or whole)
        for index, frame, size in self.decode(indices, exact_count=exact_count):
            yield index, convert(frame, size)

    def decode(self, indices: Sequence[int], *, exact_count: bool = False) -> Iterator[Decoded]:
        """Yield what `read` converts: frames as the decoder gives them."""
        wanted = distinct(indices)
        table = self.scan.table
        if table is not None and wanted[-1] < table.num_frames and not self._watch.in_full:
            try:
                yield from self._decode_planned(wanted, table)
                return
            except (_Unexpected, FFmpegError):
                # Not on record: what one reading comes upon must not change what others give at the same time.
                self._watch.broke_promise = True
                self._scan = Scan(self.scan.num_packets, None)
        yield from self._decode_counted(wanted, exact_count)

    def _decode_planned(self, wanted: list[int], table: PacketTable) -> Iterator[Decoded]:
        frame_at = {int(table.pts[table.packet_of[index]]): index for index in wanted}
        for stretch in plan(table, wanted):
            last: int | None = None
            for frame in self._decode_stretch(stretch, table):
                if frame.pts is None or (last is not None and frame.pts <= last):
                    raise _Unexpected  # the times are not those of the order in which frames are shown
                last = frame.pts
                if (index := frame_at.pop(frame.pts, None)) is not None:
                    yield index, frame, (frame.width, frame.height)
        if frame_at:
            raise _Unexpected

    def _decode_stretch(self, stretch: Stretch, table: PacketTable) -> Iterator[VideoFrame]:
        """Yield frames of a stretch, more than are wanted; ends with all of them."""
        stream, at, packets = self._go_to(stretch.start, table)
        context = stream.codec_context
        size = (context.width, context.height)
        context.skip_frame, skips = "DEFAULT", False
        for packet in packets:
            if packet.pts != table.pts[at]:
                raise _Unexpected
            if at >= stretch.start:
                skip = table.can_skip and at not in stretch.frames
                if skip != skips:
                    context.skip_frame, skips = ("NONREF" if skip else "DEFAULT"), skip
                yield from _sound(packet.decode(), size)
            at += 1
            if at == stretch.stop:
                yield from _sound(context.decode(None), size)
                return
        raise _Unexpected

    def _go_to(self, start: int, table: PacketTable) -> tuple[VideoStream, int, Iterator[av.Packet]]:
        """Return the stream, the number of the next packet (`start` or one before it), and packets from there."""
        if not self._is_fresh:
            self._begin()
            context = self._stream.codec_context
            depth = context.reorder_depth
            with contextlib.suppress(FFmpegError):  # it may not be able to
                self._container.seek(int(table.pts[start]), stream=self._stream, backward=True)
                context.reorder_depth = depth  # which makes the decoder forget it
                packets = self._packets(self._stream)
                first = next(packets, None)
                found = np.flatnonzero(table.pts[: start + 1] == first.pts) if first is not None else np.empty(0)
                if first is not None and len(found):
                    return _strict(self._stream), int(found[0]), chain([first], packets)
        stream = _strict(self._rewind())
        return stream, 0, self._packets(stream)

    def _decode_counted(self, wanted: list[int], exact_count: bool) -> Iterator[Decoded]:
        found = count = 0
        for frame, size in self._sized_frames():
            if found < len(wanted) and count == wanted[found]:
                yield count, frame, size
                found += 1
            count += 1
            if found == len(wanted) and not exact_count:
                break
        else:
            self._settle(count)
        if not count:
            raise DecodeError(self.path, "no frame can be decoded")
        if found < len(wanted):
            raise TooFewFrames(self.path, wanted[found], count)

    def stream(self, *, window: WindowOf | None = None) -> Iterator[Shown]:
        """Yield all frames in the order shown; see `Video.stream`."""
        convert = Converter(self.path, window or whole)
        clock: Clock | None = None
        last: tuple[VideoFrame, tuple[int, int], Fraction] | None = None
        for frame, size in self._sized_frames():
            clock = clock or Clock(self._container, rate=self.rate)
            start = clock.time_of(frame)
            if last is not None:
                yield Shown(last[2], start, partial(convert, *last[:2]))
            last = frame, size, start
        if clock is None or last is None:
            raise DecodeError(self.path, "no frame can be decoded")
        yield Shown(last[2], clock.end_of(last[0]), partial(convert, *last[:2]))

    def _sized_frames(self) -> Iterator[tuple[VideoFrame, tuple[int, int]]]:
        """Yield all frames as `frames` does, each with the (width, height) that the video is shown at."""
        size = None
        for frame in self.frames():
            # A stream may change its size in between: the first frame's is used, as in a player's window.
            size = size or (frame.width, frame.height)
            yield frame, size

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames in the order shown, as the decoder gives them; damaged packets are skipped."""
        for _, frames in self.packets():
            yield from frames or ()

    def packets(self, *, strict: bool = False) -> Iterator[tuple[av.Packet, list[VideoFrame] | None]]:
        """Yield all packets, each with the frames that came out of the decoder by then; None for a damaged one.

        Args:
            strict: Damage is reported where it would otherwise be concealed: there are fewer frames then.
        """
        stream = self._rewind()
        for packet in self._packets(_strict(stream) if strict else stream):
            try:
                yield packet, packet.decode()
            except FFmpegError:
                yield packet, None

    def _packets(self, stream: VideoStream) -> Iterator[av.Packet]:
        packets, reading = self._container.demux(stream), self._reading
        while True:
            if self._reading != reading:
                raise RuntimeError(f"{self.path}: it was read again, or closed, before this reading was done")
            self._watch.check(self.path)
            try:
                packet = next(packets)
            except BlockingIOError:  # of cameras under macOS, which do not wait for their next picture
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                packets = self._container.demux(stream)
                continue
            except (StopIteration, FFmpegError, IndexError):
                # The rest of a damaged container can't be read: what came before stands. IndexError: of a stream that
                # FFmpeg found while reading, and that PyAV does not know of.
                return
            yield packet

    def close(self) -> None:
        """Close the file."""
        self._reading = None
        self._container.close()


def _open_file(path: str) -> InputContainer:
    if not Path(path).is_file():
        raise DecodeError(path, "no such file")
    # The protocol keeps odd names (a leading dash, a colon) from being read as anything but a path.
    return av.open(f"file:{path}", **OPEN_SETTINGS)


def _strict(stream: VideoStream) -> VideoStream:
    """Return the stream, with a decoder that reports damage where it would otherwise conceal it."""
    if not stream.codec_context.is_open:
        stream.codec_context.options = {"err_detect": "explode"}
    return stream


def _sound(frames: list[VideoFrame], size: tuple[int, int]) -> list[VideoFrame]:
    """Return the frames, unless there is any doubt that they are those that the packets promised."""
    for frame in frames:
        if frame.is_corrupt or frame.interlaced_frame or (frame.width, frame.height) != size:
            raise _Unexpected
    return frames
