"""From frame indices to frames: one small interface, several decoders.

Shapes: T frames asked for, H, W, C = 3 (RGB).
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from videogn.data.decoding.index import PacketIndex
from videogn.data.decoding.video import DecodeError, TooFewFrames, Video
from videogn.data.decoding.watch import Watch
from videogn.data.decoding.window import Frame, Window, WindowOf
from videogn.data.media import is_image

if TYPE_CHECKING:
    import torch

DecoderName = Literal["pyav", "decord", "torchcodec"]
DECODERS: tuple[str, ...] = get_args(DecoderName)

__all__ = [
    "DECODERS",
    "DecodeError",
    "DecoderName",
    "Frame",
    "PacketIndex",
    "TooFewFrames",
    "Video",
    "Watch",
    "Window",
    "WindowOf",
    "decode_frames",
    "open_video",
]


@contextmanager
def open_video(
    path: str | Path,
    *,
    backend: DecoderName = "pyav",
    index: PacketIndex | None = None,
    frames_per_second: float | None = None,
    watch: Watch | None = None,
) -> Iterator[Video]:
    """Open a video file, an image as a video of one frame, or a folder of frames, for as long as a `with` block runs.

    Images (by the file's suffix) are read by Pillow, whatever the backend.

    Args:
        index: Where what its packets tell is kept.
        frames_per_second: Of a folder of frames, whose images do not say; default: not known.
        watch: Over the reading. pyav looks at it at each packet; the others don't.

    Raises:
        DecodeError: The file can't be opened, or has no video.
        ValueError: An unknown backend.
    """
    video: Video
    if backend not in DECODERS:
        raise ValueError(f"unknown decoder {backend!r}; expected one of {', '.join(DECODERS)}")
    if os.path.isdir(path):
        from videogn.data.decoding.frames import FramesVideo

        video = FramesVideo(path, frames_per_second=frames_per_second)
    elif is_image(path):
        from videogn.data.decoding.image import ImageVideo

        video = ImageVideo(path)
    elif backend == "pyav":
        from videogn.data.decoding.pyav import PyAVVideo

        video = PyAVVideo(path, index=index, watch=watch)
    elif backend == "decord":
        from videogn.data.decoding.decord import DecordVideo

        video = DecordVideo(path, index=index)
    else:
        from videogn.data.decoding.torchcodec import TorchCodecVideo

        video = TorchCodecVideo(path, index=index)
    try:
        yield video
    finally:
        video.close()


def decode_frames(
    path: str | Path, indices: Sequence[int], *, backend: DecoderName = "pyav", index: PacketIndex | None = None
) -> torch.Tensor:
    """Decode frames of a video: frame k is the k-th that a full decode of the best stream shows.

    Frames are rotated as a player would; damaged packets are passed over; pixels that are not square stay as stored.
    An image is a video of one frame, and not rotated (see decoding/image.py); a folder's images are the frames of one.

    Args:
        path: The file.
        indices: Which frames, from 0; any order, repeats allowed.
        backend: "pyav" (exact on every file), "decord" or "torchcodec".
        index: Where what the file's packets tell is kept, for files that are read again.

    Returns:
        uint8 [T, H, W, C], RGB, T = len(indices).

    Raises:
        DecodeError: The file can't be opened or decoded, or (TooFewFrames) has no frame of that index: with the file's
            name and the reason.
        ValueError: No index or a negative one; an unknown backend.
    """
    import torch  # here: what shows frames needs none

    order = np.array([operator.index(each) for each in indices])
    frames = np.empty((0, 0, 0, 0), np.uint8)
    with open_video(path, backend=backend, index=index) as video:
        for number, frame in video.read(indices):
            # Written as they come: a frame's own memory is warm, and the next one's.
            if frames.shape[1:] != frame.shape:
                frames = np.empty((len(order), *frame.shape), np.uint8)
            frames[order == number] = frame
    return torch.from_numpy(frames)
