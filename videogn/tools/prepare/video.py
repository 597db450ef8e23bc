"""One video, prepared: decoded in full, scaled, encoded, read back, and only then given its name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError
from videogn.files import replacing
from videogn.tools.prepare.clock import Clock
from videogn.tools.prepare.encoding import Encoding
from videogn.tools.prepare.picture import PictureMaker

# What is wrong with the place that is written to, and not with the video.
_OF_THE_TARGET = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}


class PrepareError(ValueError):
    """A video that can't be prepared, with its name and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A file that was made."""

    num_frames: int
    source_bytes: int
    bytes: int


@dataclass(frozen=True)
class Job:
    """A video, and where it goes."""

    source: Path
    target: Path


# What came of a job: the file, or why there is none.
Outcome = Prepared | str


def prepare_job(job: Job, *, settings: Encoding) -> Outcome:
    """Prepare a video; see `prepare_video`."""
    try:
        return prepare_video(job.source, job.target, settings=settings)
    except PrepareError as error:
        return error.reason


def prepare_video(source: str | Path, target: str | Path, *, settings: Encoding) -> Prepared:
    """Make a file of a video that is cheap to read at random: frame k of it shows frame k of the original.

    That is the k-th frame that a full decode of the best stream shows, damaged packets passed over, turned upright. The
    file is MP4 with H.264, 4:2:0, 8 bits, without sound; see `Encoding` for the rest, and `picture` for what is lost.
    It is written under another name beside `target` and takes that name when it has been read back whole.

    Args:
        source: The original; only read.
        target: The file to make, .mp4; one that is there is replaced.

    Raises:
        PrepareError: The original can't be decoded, or its pictures can't be encoded.
        ValueError: `target` is the original, or has another suffix.
        OSError: `target` can't be written; its disk is full.
    """
    source, target = Path(source), Path(target)
    if target.suffix != ".mp4":
        raise ValueError(f"{target}: a prepared video is an MP4 file; expected a name that ends in .mp4")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the original itself; expected another place for the prepared video")
    with replacing(target) as partial:
        with contextlib.closing(_open(source)) as video:
            num_frames = _encode(video, partial, settings=settings)
        _check(partial, num_frames, source=source)
    return Prepared(num_frames=num_frames, source_bytes=source.stat().st_size, bytes=target.stat().st_size)


def _open(source: Path) -> PyAVVideo:
    try:
        return PyAVVideo(source)
    except DecodeError as error:
        raise PrepareError(error.path, error.reason) from error


def _encode(video: PyAVVideo, path: Path, *, settings: Encoding) -> int:
    """Write all frames of a video; return how many."""
    maker = PictureMaker(settings)
    num_frames = 0
    with (
        _writing(video.path),
        av.open(f"file:{path}", "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream: VideoStream | None = None
        for frame in video.frames():
            picture = maker(frame)
            if stream is None:
                clock = Clock(frame.time_base, video.rate)
                is_turned = (picture.width > picture.height) != (frame.width > frame.height)
                stream = _add_stream(container, picture, clock, settings)
                if aspect := video.pixel_aspect:
                    stream.codec_context.sample_aspect_ratio = 1 / aspect if is_turned else aspect
            elif (picture.width, picture.height) != (stream.width, stream.height):
                raise PrepareError(video.path, f"its rotation changes at frame {num_frames}")
            picture.pts, picture.time_base = clock(frame.pts), clock.time_base
            container.mux(stream.encode(picture))
            num_frames += 1
        if stream is None:
            raise PrepareError(video.path, "no frame can be decoded")
        container.mux(stream.encode(None))
    return num_frames


def _add_stream(container: OutputContainer, picture: VideoFrame, clock: Clock, settings: Encoding) -> VideoStream:
    stream = container.add_stream("libx264", rate=clock.rate, options=settings.options())
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    context = stream.codec_context
    context.time_base = stream.time_base = clock.time_base
    context.colorspace, context.color_range = picture.colorspace, picture.color_range
    context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
    context.thread_count = 1
    return stream


@contextlib.contextmanager
def _writing(source: str) -> Iterator[None]:
    """Tell errors of the place that is written to from those of the video."""
    try:
        yield
    except FFmpegError as error:
        if error.errno in _OF_THE_TARGET:
            raise OSError(error.errno, os.strerror(error.errno), error.filename) from error
        raise PrepareError(source, f"it can't be encoded: {error.strerror or error}") from error


def _check(path: Path, num_frames: int, *, source: Path) -> None:
    """Read a file back, as training will."""
    try:
        with contextlib.closing(PyAVVideo(path)) as video:
            found, table = video.count_frames(), video.scan.table
    except DecodeError as error:
        raise PrepareError(str(source), f"what was written can't be read back: {error.reason}") from error
    if found != num_frames or table is None or table.num_frames != num_frames:
        raise PrepareError(str(source), f"{num_frames} frames were written, but {found} are read back")
