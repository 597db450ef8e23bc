"""Video that comes as it is made: from a pipe or a camera. It is read once, as it comes, by `stream` alone."""

from __future__ import annotations

import io
import os
import sys
from functools import partial
from glob import glob

import av
from av.container import InputContainer

from videogn.data.decoding.pyav import OPEN_SETTINGS, PyAVVideo
from videogn.data.decoding.video import DecodeError

_STDIN = 0
# FFmpeg's device for cameras, by sys.platform.
_CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def open_stdin() -> PyAVVideo:
    """Return the video that comes by standard input.

    Raises:
        DecodeError: There is none, or one that can't be read without going back in it.
    """
    name = "standard input"
    if os.isatty(_STDIN):
        raise DecodeError(
            name, "no video comes from it; expected one by a pipe: ffmpeg ... -f matroska - | videogn ..."
        )
    file = _Pipe(_STDIN, closefd=False)
    try:
        return PyAVVideo(name, opens=partial(av.open, file, **OPEN_SETTINGS))
    except DecodeError as error:
        if file.ended_by is not None:
            raise file.ended_by from None
        hint = "a pipe can carry Matroska or MPEG-TS, such as of `ffmpeg ... -f matroska -`, not every MP4"
        raise DecodeError(name, f"{error.reason} ({hint})") from error


def open_camera(device: str, *, driver: str | None = None) -> PyAVVideo:
    """Return a camera's video.

    Args:
        device: Its name: a number or /dev/video0 on Linux, a number on macOS, its title on Windows.
        driver: FFmpeg's input device; default: that of this system's cameras.

    Raises:
        DecodeError: There is no such camera, or it can't be opened.
    """
    driver = driver or _CAMERAS.get(sys.platform)
    if driver is None:
        raise DecodeError(f"camera {device}", f"cameras of {sys.platform} are not known; pipe its video in")
    try:
        return PyAVVideo(f"camera {device}", opens=partial(_open_device, _named(device, driver), driver))
    except DecodeError as error:
        found = ", ".join(sorted(glob("/dev/video*"))) or "none"
        has = f" (this machine has: {found})" if driver == "v4l2" else ""
        raise DecodeError(error.path, f"{error.reason}{has}") from error


class _Pipe(io.FileIO):
    """What comes, without a buffer of Python's: it is handed on at once, and Ctrl-C is heard while nothing comes.

    Where the process is asked to end, the video does.
    """

    ended_by: BaseException | None = None

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except Exception:
            raise
        except BaseException as asked:  # PyAV would print it, and lose it
            self.ended_by = asked
            return b""


def _named(device: str, driver: str) -> str:
    if driver == "v4l2" and device.isdigit():
        return f"/dev/video{device}"
    return f"video={device}" if driver == "dshow" and "=" not in device else device


def _open_device(device: str, driver: str) -> InputContainer:
    return av.open(device, format=driver, **OPEN_SETTINGS)
