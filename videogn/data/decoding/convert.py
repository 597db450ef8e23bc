"""From FFmpeg's frames to RGB as a player shows it: colours by what the file declares, turned and mirrored.

Each 2x2 block of an 8-bit 4:2:0 frame has one colour, as in decord and torchcodec; matrix and range are those that the
file declares (BT.601 where it declares none).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from videogn.data.decoding.video import DecodeError, is_turned, orient, window_on
from videogn.data.decoding.window import Frame, Window, WindowOf, cut

# a, b, c, d of display matrices by quarters of a turn, counterclockwise.
_TURNS = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


_AS_STORED = _TURNS[0]
# Out of these, progressive and of even size, a window is cut before colours are converted: each 2x2 block is converted
# by itself. Others (10 bits, odd sizes, fields) go through filters that look further, and are cut afterwards.
_BLOCKWISE = {"yuv420p", "yuvj420p"}
_BLOCK_PX = 2


class Converter:
    """Gives the part of a video's frames that is wanted."""

    def __init__(self, path: str, window: WindowOf) -> None:
        self.path = path
        self.window_of = window
        self.window: Window | None = None
        # One for all frames: each would otherwise set up its own conversion, which costs more than converting.
        self._reformatter = VideoReformatter()
        self._cropping: tuple[tuple[object, ...], Graph] | None = None
        self._turned = False
        self._matrix: tuple[int, tuple[int, int, int, int]] | None = None

    def __call__(self, frame: VideoFrame, size: tuple[int, int]) -> Frame:
        """Return the wanted part, RGB, uint8 [out_height, out_width, 3].

        Args:
            size: (width, height) that the video is shown at, before it is turned.

        Raises:
            DecodeError: FFmpeg can't convert it, it is too narrow to be scaled, or the first did not stand as it does.
        """
        width, height = size
        try:
            matrix = self._matrix_of(frame)
            window = self._window(height, width, matrix)
            if matrix == _AS_STORED and (frame.width, frame.height) == size and _is_blockwise(frame):
                top, left = (place // _BLOCK_PX * _BLOCK_PX for place in (window.top, window.left))
                frame = self._crop(frame, top, left, window.top + window.height, window.left + window.width)
                window = window._replace(top=window.top - top, left=window.left - left)
                width, height = frame.width, frame.height
            # One thread: the default starts a pool that costs many times the conversion itself.
            rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
            shown = orient(rgb.to_ndarray().astype(np.uint8, copy=False), matrix)
        except DecodeError:
            raise
        except (FFmpegError, ValueError, MemoryError) as error:
            raise DecodeError(self.path, f"a frame can't be converted to RGB: {reason_of(error)}") from error
        return cut(shown, window)

    def _matrix_of(self, frame: VideoFrame) -> tuple[int, int, int, int]:
        # Once a video, unless the rotation changes, which costs nothing to ask for.
        if self._matrix is None or self._matrix[0] != frame.rotation:
            self._matrix = frame.rotation, display_matrix(frame)
        return self._matrix[1]

    def _window(self, height: int, width: int, matrix: tuple[int, int, int, int]) -> Window:
        turned = is_turned(matrix)
        if self.window is None:
            shown = (width, height) if turned else (height, width)
            self.window, self._turned = window_on(self.path, self.window_of, *shown), turned
        if turned != self._turned:
            raise DecodeError(self.path, "its rotation changes within the file: frames would have two shapes")
        return self.window

    def _crop(self, frame: VideoFrame, top: int, left: int, bottom: int, right: int) -> VideoFrame:
        """Return a part of a frame: pointers are moved, no pixel is."""
        bottom, right = (
            min(-(-end // _BLOCK_PX) * _BLOCK_PX, side) for end, side in ((bottom, frame.height), (right, frame.width))
        )
        if (top, left, bottom, right) == (0, 0, frame.height, frame.width):
            return frame
        kind = (frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range))
        if self._cropping is None or self._cropping[0] != kind:
            self._cropping = kind, _cropping(kind, f"{right - left}:{bottom - top}:{left}:{top}")
        graph = self._cropping[1]
        graph.push(frame)
        part = graph.pull()
        assert isinstance(part, VideoFrame)
        return part


def _is_blockwise(frame: VideoFrame) -> bool:
    is_even = not (frame.width % _BLOCK_PX or frame.height % _BLOCK_PX)
    return frame.format.name in _BLOCKWISE and is_even and not frame.interlaced_frame


def _cropping(kind: tuple[int, int, str, int, int], place: str) -> Graph:
    width, height, pixels, matrix, color_range = kind
    graph = Graph()
    graph.threads = 1
    source = f"video_size={width}x{height}:pix_fmt={pixels}:time_base=1/25:colorspace={matrix}:range={color_range}"
    nodes = graph.add("buffer", source), graph.add("crop", place), graph.add("buffersink")
    graph.link_nodes(*nodes).configure()
    return graph


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of the frame's display matrix; the identity where it has none.

    Raises:
        FFmpegError: The frame's pixels can't be converted.
    """
    # PyAV's side data and its frame hold each other until a garbage collection comes by: a tiny copy may wait for that.
    copy = VideoReformatter().reformat(frame, width=16, height=16, format="gray", threads=1)
    try:
        data: Any = copy.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 18 gives up on all side data where one kind is newer than itself: EXIF, in motion JPEG of some cameras.
        # It still tells by how much to turn; mirroring is lost.
        return _TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return _AS_STORED
    a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
    return a, b, c, d


def reason_of(error: Exception) -> str:
    """Return what an error of the library says."""
    if isinstance(error, FFmpegError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
