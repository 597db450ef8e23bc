"""Heat over frames as pictures: a strip to look at, and a video.

Shapes: V views, T frames, H, W; uint8 RGB. Heat is float32 in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from videogn.data.batch import VideoViews
from videogn.files import replacing
from videogn.trained.font import font

_SIDE_PX = 224  # of a frame in a picture, at least
_MOST_FRAMES = 8  # of a view in a strip
_MOST_COLOUR = 0.7  # of a pixel where the heat is 1
_TEXT_PX, _BAR_PX, _GAP_PX = 15, 24, 2
Picture = NDArray[np.uint8]


def write_strip(path: Path, views: VideoViews, heat: Tensor, *, title: str) -> None:
    """Write a PNG: below a title a row for each view, of up to 8 of its frames with the heat over them.

    Args:
        heat: [V, T, H, W].

    Raises:
        OSError: It can't be written.
    """
    rows = []
    for view, name in enumerate(_names(views)):
        num_frames = heat.shape[1]
        shown = np.linspace(0, num_frames - 1, min(_MOST_FRAMES, num_frames)).round().astype(int)
        frames = [overlaid(_large(views[view][k]), _large(heat[view, k])) for k in shown.tolist()]
        gap = np.full((len(frames[0]), _GAP_PX, 3), 255, np.uint8)
        row = np.concatenate([part for frame in frames for part in (frame, gap)][:-1], axis=1)
        rows.append(_captioned(row, name))
    with replacing(path) as partial:
        Image.fromarray(_captioned(np.concatenate(rows), title)).save(partial)


def write_video(path: Path, views: VideoViews, heat: Tensor, *, title: str, rate: Fraction) -> None:
    """Write an MP4 (H.264): every frame of every view, and beside it the same with the heat over it.

    Args:
        heat: [V, T, H, W].
        rate: Frames a second.

    Raises:
        OSError: It can't be written.
    """
    pictures = (
        _captioned(np.concatenate([frame, overlaid(frame, warmth)], axis=1), f"{title}   {name}")
        for view, name in enumerate(_names(views))
        for frame, warmth in ((_large(one), _large(other)) for one, other in zip(views[view], heat[view], strict=True))
    )
    with replacing(path) as partial:
        _encode(partial, pictures, rate)


def overlaid(frame: Picture, heat: NDArray[np.float32]) -> Picture:
    """Return a frame [H, W, 3] in grey with the colours of a heat [H, W] over it: none where it is 0, yellow at 1."""
    grey = frame.mean(axis=-1, keepdims=True)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    share = _MOST_COLOUR * heat[..., None]
    return ((1 - share) * grey + share * colours).round().astype(np.uint8)


def _names(views: VideoViews) -> Iterable[str]:
    """Yield which part of the video each view is."""
    for clip, (first, last) in enumerate(views.spans):
        when = f"frames {first} to {last}"
        if views.rate:
            when = f"{first / views.rate:.2f} to {(last + 1) / views.rate:.2f} s"
        for crop in range(len(views.corners)):
            number = f"clip {clip + 1}" + (f", crop {crop + 1}" if len(views.corners) > 1 else "")
            yield f"{number}: {when}"


def _large(picture: Tensor) -> NDArray:
    """Return a picture [H, W] or [H, W, 3], enlarged by a whole number where it is small; of an even size."""
    array = picture.cpu().numpy()
    times = math.ceil(_SIDE_PX / min(array.shape[:2]))
    size = [2 * math.ceil(side * times / 2) for side in array.shape[:2]]
    if size == list(array.shape[:2]):
        return array
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _captioned(picture: Picture, text: str) -> Picture:
    """Return a picture below a line of text, which is cut where it is too long."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if font(_TEXT_PX).getlength(text) > picture.shape[1] - 12:
        while text and font(_TEXT_PX).getlength(f"{text}…") > picture.shape[1] - 12:
            text = text[:-1]
        text += "…"
    bar = Image.new("RGB", (picture.shape[1], _BAR_PX), "white")
    ImageDraw.Draw(bar).text((6, 3), text, fill="black", font=font(_TEXT_PX))
    return np.concatenate([np.asarray(bar), picture])


def _encode(path: Path, pictures: Iterable[Picture], rate: Fraction) -> None:
    pictures = iter(pictures)
    first = next(pictures)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.height, stream.width, _ = first.shape
        stream.pix_fmt = "yuv420p"
        for picture in chain([first], pictures):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
