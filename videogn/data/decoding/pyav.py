"""Decoding by PyAV (FFmpeg's libraries): exact on every file that FFmpeg can show.

A clip's frames are found by counting what comes out of the decoder from the beginning, never by timestamps: variable
rates, edit lists, missing times, several streams and damaged packets can't shift them. Decoding ends with the last
frame that was asked for.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from videogn.data.decoding.video import DecodeError, Frames, TooFewFrames, orient

# A title that is not UTF-8 must not stop the opening; PyAV 19 lets it pass by itself.
_OPEN_SETTINGS: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}

# a, b, c, d of display matrices by quarters of a turn, counterclockwise.
_TURNS = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


class PyAVVideo:
    """A video file opened with PyAV; see `Video`.

    Args:
        path: The file.

    Raises:
        DecodeError: It can't be opened, or has no video stream.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._container = self._open()
        self._is_fresh = True
        # One for all frames: each would otherwise set up its own conversion, which costs more than converting.
        self._reformatter = VideoReformatter()
        self._num_frames: int | None = None
        self._exact = False

    def _open(self) -> InputContainer:
        if not Path(self.path).is_file():
            raise DecodeError(self.path, "no such file")
        try:
            # The protocol keeps odd names (a leading dash, a colon) from being read as anything but a path.
            return av.open(f"file:{self.path}", **_OPEN_SETTINGS)
        except (FFmpegError, ValueError, OSError) as error:
            raise DecodeError(self.path, _reason(error)) from error

    def _rewind(self) -> VideoStream:
        """The stream that a player shows, at its beginning.

        A fresh container each time: not every format can seek back to its first packet.
        """
        if not self._is_fresh:
            self._container.close()
            self._container = self._open()
        self._is_fresh = False
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise DecodeError(self.path, "the file has no video stream")
        # One decoder thread: the loader's workers are the parallelism; and how FFmpeg conceals damage depends on the
        # number of threads, so that another number shows other pixels, and sometimes fewer frames, of a damaged file.
        stream.thread_type = "NONE"
        stream.thread_count = 1
        return stream

    @property
    def num_frames(self) -> int:
        """Packets of the stream, from one pass without decoding, until a decode found the exact number.

        The two differ for damaged files and for AVIs whose frames are packed several to a packet (all of HMDB51).
        """
        if self._num_frames is None:
            self._num_frames = self.num_packets
            if not self._num_frames:
                raise DecodeError(self.path, "the video stream has no packets")
        return self._num_frames

    @property
    def num_packets(self) -> int:
        """Packets of the stream that are to be shown, from one pass without decoding."""
        stream = self._rewind()
        return sum(1 for packet in self._packets(stream) if packet.size and not packet.is_discard)

    @property
    def format(self) -> tuple[str, str]:
        """(codec, container) by FFmpeg's names."""
        stream = self._rewind()
        return stream.codec_context.name, self._container.format.name

    def frames(
        self, indices: Sequence[int], *, convert: Callable[[Frames], Frames] | None = None, to_end: bool = False
    ) -> Frames:
        """The frames at `indices` as uint8 [T, H, W, 3]; see `Video.frames`."""
        wanted = sorted({int(index) for index in indices})
        if not wanted:
            raise ValueError("no frame was asked for")
        if wanted[0] < 0:
            raise ValueError(f"frame {wanted[0]} was asked for; indices count from 0")
        found: dict[int, Frames] = {}
        shape = (0, 0)
        count = 0
        complete = False
        for frame in self._decode():
            if count == 0:
                # A stream may change its size on the way: the first frame's stands, as in a player's window.
                shape = (frame.width, frame.height)
            if not complete and count == wanted[len(found)]:
                rgb = self._to_rgb(frame, *shape)
                found[count] = convert(rgb) if convert is not None else rgb
                complete = len(found) == len(wanted)
            count += 1
            if complete and not to_end:
                break
        else:
            self._num_frames, self._exact = count, True
        if not count:
            raise DecodeError(self.path, "no frame can be decoded")
        if not complete:
            raise TooFewFrames(self.path, wanted[len(found)], count)
        return np.stack([found[int(index)] for index in indices])

    def count_frames(self) -> int:
        """The exact number of frames, by a full decode; see `Video.count_frames`."""
        if not self._exact:
            self._num_frames, self._exact = sum(1 for _ in self._decode()), True
        if not self._num_frames:
            raise DecodeError(self.path, "no frame can be decoded")
        return self._num_frames

    def _decode(self) -> Iterator[VideoFrame]:
        """Frames in the order shown; damaged packets are passed over, as players do."""
        stream = self._rewind()
        for packet in self._packets(stream):
            with contextlib.suppress(FFmpegError):
                yield from packet.decode()

    def _packets(self, stream: VideoStream) -> Iterator[av.Packet]:
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):
                return  # the rest of a damaged container can't be read: what came before stands
            yield packet

    def _to_rgb(self, frame: VideoFrame, width: int, height: int) -> Frames:
        try:
            # One thread: the default starts a pool that costs many times the conversion itself.
            rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
            return orient(rgb.to_ndarray().astype(np.uint8, copy=False), _display_matrix(frame))
        except (FFmpegError, ValueError, MemoryError) as error:
            raise DecodeError(self.path, f"a frame can't be converted to RGB: {_reason(error)}") from error

    def close(self) -> None:
        """Lets the file go."""
        self._container.close()


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of the frame's display matrix; the identity where it has none."""
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 18 gives up on all side data where one kind is newer than itself: EXIF, in motion JPEG of some cameras.
        # It still tells by how much to turn; mirroring is lost.
        return _TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
    return a, b, c, d


def _reason(error: Exception) -> str:
    if isinstance(error, FFmpegError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
