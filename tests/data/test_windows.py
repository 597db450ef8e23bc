"""A part of a frame is the same whether it is cut before or after colours are converted; colours are as declared."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.full_decode import odd_files
from videogn.data.decoding import Window, open_video
from videogn.data.decoding.window import cut

FORMATS = ["yuv420p", "yuv420p, interlaced", "yuvj420p", "yuv422p", "yuv444p", "gray", "yuv420p10le"]


def write(path: Path, pixels: str, height: int, width: int) -> Path:
    """Three frames of noise."""
    pixels, _, interlaced = pixels.partition(", ")
    with av.open(str(path), "w") as container:
        codec = "libx264" if interlaced else "mjpeg" if pixels == "yuvj420p" else "ffv1"
        stream = container.add_stream(codec, rate=25, options={"x264-params": "tff=1:qp=0"} if interlaced else {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        rng = np.random.default_rng(0)
        for k in range(3):
            noise = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frames(path: Path, window: Window | None = None) -> list[np.ndarray]:
    with open_video(path) as video:
        return [frame for _, frame in video.read([0, 2], window=window and (lambda height, width: window))]


@st.composite
def regions(draw, height: int, width: int) -> Window:
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    h, w = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
    return Window(top, left, h, w, h, w)


@pytest.mark.parametrize("pixels", FORMATS)
@pytest.mark.parametrize(("height", "width"), [(48, 66), (37, 51)])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_window_of_a_frame_is_that_part_of_it(tmp_path, pixels, height, width, data):
    path = tmp_path / "noise.mkv"
    if "interlaced" in pixels:  # its encoder takes whole chroma blocks of each field
        height, width = height + -height % 4, width + width % 2
    if not path.is_file():
        write(path, pixels, height, width)
    window = data.draw(regions(height, width))
    for part, whole in zip(frames(path, window), frames(path), strict=True):
        np.testing.assert_array_equal(part, cut(whole, window))


def test_windows_of_real_files(shared_data):
    rng = np.random.default_rng(0)
    for name, total in odd_files(shared_data / "odd").items():
        if not total:
            continue
        path = shared_data / "odd" / name
        with open_video(path) as video:
            ((_, whole),) = video.read([0])
        height, width = whole.shape[:2]
        h, w = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        with open_video(path) as video:
            ((_, part),) = video.read([0], window=lambda *_, at=(top, left), size=(h, w): Window(*at, *size, *size))
        np.testing.assert_array_equal(part, whole[top : top + h, left : left + w], err_msg=name)


@pytest.mark.parametrize(("matrix", "red_weight", "blue_weight"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114)])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_are_those_that_the_file_declares(tmp_path, matrix, red_weight, blue_weight, full_range):
    """BT.709 and BT.601, full and limited range, by the arithmetic of the standards (section 3 of each)."""
    path = tmp_path / "flat.mkv"
    values = [(81, 90, 240), (145, 54, 34), (41, 200, 110), (128, 128, 128), (200, 100, 150)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full_range else 1
        for k, yuv in enumerate(values):
            planes = [np.full((16, 32), yuv[0]), np.full((4, 32), yuv[1]), np.full((4, 32), yuv[2])]
            frame = av.VideoFrame.from_ndarray(np.concatenate(planes).astype(np.uint8), format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_video(path) as video:
        shown = [frame for _, frame in video.read(range(len(values)))]
    for (y, u, v), frame in zip(values, shown, strict=True):
        luma = y / 255 if full_range else (y - 16) / 219
        blue_difference, red_difference = ((c - 128) / (255 if full_range else 224) for c in (u, v))
        red = luma + 2 * (1 - red_weight) * red_difference
        blue = luma + 2 * (1 - blue_weight) * blue_difference
        green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
        expected = 255 * np.clip([red, green, blue], 0, 1)
        assert np.abs(frame.astype(float) - expected).max() <= 2, (y, u, v)
