"""From decoded frames to the pictures that are encoded: upright, scaled, 8 bits, colour at half size.

Matrix and range stay as the file declares them (undeclared stays undeclared), so that a reader makes RGB of the result
as it does of the original. What holds no YUV (RGB, palettes) becomes BT.601 of limited range, and says so. Lost: bits
below the upper 8, colour between its half-size pixels, transparency, and the fields of interlaced video as such: their
lines stay where they are, but are scaled as one picture.

Shapes: H, W of the result, even.
"""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from videogn.data.decoding.convert import display_matrix
from videogn.data.decoding.video import orient
from videogn.tools.prepare.encoding import Encoding

# Bicubic, widened to what a pixel of the result covers; bit-exact whatever the processor.
_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)


class PictureMaker:
    """Makes the pictures of one video."""

    def __init__(self, settings: Encoding) -> None:
        self._settings = settings
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture of a frame: yuv420p [H, W], without a time and whatever else a frame carries.

        The size is the first frame's for all, as in reading: a stream may change its size in between.

        Raises:
            FFmpegError: It can't be converted.
        """
        if self._size is None:
            self._size = self._settings.size(frame.width, frame.height)
        width, height = self._size
        is_yuv = not (frame.format.is_rgb or frame.format.has_palette)
        scaled = self._reformatter.reformat(
            _progressive(frame),
            width=width,
            height=height,
            format="yuv420p",
            dst_colorspace=None if is_yuv else Colorspace.ITU601,
            dst_color_range=_range(frame) if is_yuv else ColorRange.MPEG,
            interpolation=_SCALING,
            threads=1,
        )
        # A new frame: the decoder's would tell the encoder its own picture type, among other things.
        matrix = display_matrix(frame)
        planes = [orient(plane[..., None], matrix)[..., 0] for plane in _planes(scaled)]
        lines = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, planes[0].shape[1])
        picture = VideoFrame.from_ndarray(lines, format="yuv420p")
        picture.colorspace, picture.color_range = scaled.colorspace, scaled.color_range
        picture.color_primaries, picture.color_trc = frame.color_primaries, frame.color_trc
        return picture


def _range(frame: VideoFrame) -> int:
    """Return the range of the values: some formats imply it."""
    is_full = frame.format.name.startswith(("yuvj", "gray", "mono", "ya"))
    return ColorRange.JPEG if is_full else frame.color_range


def _progressive(frame: VideoFrame) -> VideoFrame:
    """Return the frame, so that its lines are scaled as one picture: what readers of the original do with it."""
    if not frame.interlaced_frame:
        return frame
    try:
        plain = VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
    except ValueError:
        return frame  # a format that arrays don't have
    plain.colorspace, plain.color_range = frame.colorspace, frame.color_range
    return plain


def _planes(frame: VideoFrame) -> list[np.ndarray]:
    """Return uint8 [H, W], [H / 2, W / 2] and again."""
    lines = frame.to_ndarray()
    luma, chroma = lines[: frame.height], lines[frame.height :]
    return [luma, *chroma.reshape(2, frame.height // 2, frame.width // 2)]
