"""Videos whose frames show their number, for tests of what becomes of them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, CELL = 6, 16


def numbered(index: int, height: int = 64, width: int = 96) -> np.ndarray:
    """uint8 RGB [H, W, 3]: a soft ground of some colour, and the index in black and white cells of 16 px at the top."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([60 + x, 80 + y, np.full_like(x, 110)], axis=-1)
    for bit in range(BITS):
        picture[:CELL, bit * CELL : (bit + 1) * CELL] = 235 if index >> bit & 1 else 20
    return picture.astype(np.uint8)


def number_shown(frame: np.ndarray) -> int:
    """The index that a frame of `numbered` shows, at any size."""
    height, width = frame.shape[:2]
    centres = [(bit * 2 + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if frame[height // 8, x].mean() > 128)


def write_numbered(
    path: Path,
    *,
    num_frames: int = 50,
    size: tuple[int, int] = (64, 96),
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    degrees: int = 0,
    times: list[int] | None = None,
    full_range: bool = False,
    interlaced: bool = False,
) -> Path:
    """A video of `numbered` frames with B-frames and uneven groups; times in 1/1000 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"g": "9", "bf": "3", "threads": "1", "crf": "8"} if codec == "libx264" else {}
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        context = stream.codec_context
        context.time_base = Fraction(1, 1000) if codec == "libx264" else Fraction(1, 25)
        if full_range:
            context.color_range, context.colorspace = 2, 1
        if interlaced:
            context.flags |= 1 << 18 | 1 << 29  # interlaced DCT and motion
        if degrees:
            stream.set_display_rotation(degrees)
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered(index, *size), format="rgb24")
            frame = frame.reformat(
                format=pix_fmt, dst_colorspace=1 if full_range else None, dst_color_range=2 if full_range else None
            )
            frame.pts = (times[index] if times else index * 40) if codec == "libx264" else index
            frame.time_base = context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
