"""videogn predict over long and live video: a window that slides, and all that comes of it."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from videogn.commands.sliding_tables import as_json, csv_head, csv_row, line_of, print_tables
from videogn.commands.usage import (
    RunError,
    UsageError,
    check_json,
    check_places,
    save_json,
    show_passing,
    until_nobody_reads,
)
from videogn.data.decoding import DecodeError
from videogn.data.decoding.live import open_camera, open_stdin
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.media import is_image
from videogn.files import ODD_NAMES, replacing
from videogn.machine import available_cores
from videogn.trained.model import TrainedModel
from videogn.trained.overlay import SUFFIXES, check_sound, write_overlay
from videogn.trained.segments import THRESHOLD, Segment, segments
from videogn.trained.sliding import TimeWindow
from videogn.trained.timeline import Timeline, clock
from videogn.trained.timeline_figure import draw_timeline
from videogn.training.errors import ToldToEnd
from videogn.wording import counted

STDIN = "-"
LIVE_EVERY_SECONDS = 1.0
_OF_SLIDING = ("threshold", "csv", "timeline", "overlay")
_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Asked:
    """What a sliding prediction is asked for; see `videogn predict --help`."""

    every_seconds: float
    threshold: float
    json: str | None
    csv: str | None
    timeline: Path | None
    overlay: Path | None
    live: Callable[[], PyAVVideo] | None  # opens what comes as it is made

    def check_videos(self, paths: Sequence[str]) -> None:
        """Refuse videos of which what is asked for can't be made.

        Raises:
            UsageError: Several for one picture, a video that no copy can be made of, or a file in the place of another.
        """
        drawing = self.timeline and self.timeline.with_suffix(".svg")
        written = (("--json", self.json), ("--csv", self.csv), ("--timeline", self.timeline), ("--timeline", drawing))
        check_places((*written, ("--overlay", self.overlay)), read=paths)
        for setting, wanted in (("--timeline", self.timeline), ("--overlay", self.overlay)):
            if wanted is not None and len(paths) > 1:
                raise UsageError(f"{setting} is of one video, and here are {len(paths)}: name one, or run it for each")
        if self.overlay is not None:
            (path,) = paths
            if is_image(path) or not Path(path).is_file():
                raise UsageError(f"--overlay is a copy of a video file, which {path} is not")
            try:
                check_sound(path, suffix=self.overlay.suffix.lower())
            except OSError as error:
                raise UsageError(f"{path}: {error.strerror or error}") from error
            except ValueError as error:
                raise UsageError(f"--overlay: {error}") from error


def asked_of(settings: Namespace) -> Asked | None:
    """Return what the settings of `predict` ask of a window that slides; None where it does not.

    Raises:
        UsageError: Something that can't be asked for.
    """
    is_live = STDIN in settings.videos or settings.camera is not None
    if is_live and (len(settings.videos) != 1 if settings.camera is None else settings.videos):
        raise UsageError(f"a camera, or --videos {STDIN} (standard input), is the only video of its command")
    every = LIVE_EVERY_SECONDS if settings.every_seconds is None and is_live else settings.every_seconds
    threshold = THRESHOLD if settings.threshold is None else settings.threshold
    if not 0 < threshold <= 1:
        raise UsageError(f"--threshold is {threshold:g}; expected a probability, more than 0 and at most 1")
    if every is None:
        for name in _OF_SLIDING:
            if getattr(settings, name) is not None and not (name == "threshold" and settings.data.multi_label):
                raise UsageError(f"--{name} is of a window that slides: give --every_seconds, such as 1")
        return None
    if not 0 < every < float("inf"):
        raise UsageError(f"--every_seconds is {every:g}; expected seconds, more than 0")
    if is_live and settings.overlay is not None:
        raise UsageError("--overlay reads a video again when it is known what is in it: give a file")
    timeline, overlay = (None if name is None else Path(name) for name in (settings.timeline, settings.overlay))
    _check_suffix("--timeline", timeline, (".png",))
    _check_suffix("--overlay", overlay, SUFFIXES)
    check_json(settings.csv, setting="--csv")
    return Asked(
        every_seconds=every,
        threshold=threshold,
        json=settings.json,
        csv=settings.csv,
        timeline=timeline,
        overlay=overlay,
        live=_opener(settings.camera) if is_live else None,
    )


def _check_suffix(setting: str, path: Path | None, suffixes: Sequence[str]) -> None:
    if path is not None and path.suffix.lower() not in suffixes:
        raise UsageError(f"{setting} {path}: expected a name that ends in {' or '.join(suffixes)}")
    check_json(None if path is None else str(path), setting=setting)


def _opener(camera: str | None) -> Callable[[], PyAVVideo]:
    return open_stdin if camera is None else lambda: open_camera(camera)


def slide_over(model: TrainedModel, asked: Asked, paths: Sequence[str]) -> None:
    """Slide over videos, or one that comes as it is made, until they end or Ctrl-C; print and write what is found.

    Raises:
        RunError: None of the videos could be decoded, a file can't be written, or the work was interrupted; what was
            found by then is written.
    """
    if model.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(available_cores())  # no workers decode beside it
    found: list[tuple[str, Timeline, list[Segment]]] = []
    failed: list[dict[str, str]] = []
    is_over, cause = False, None
    with ExitStack() as stack:
        write_row = _csv_writer(asked, model.classes, stack)
        for path in [STDIN] if asked.live else paths:
            name, timeline = path, Timeline(model.classes)
            try:
                with until_nobody_reads():
                    for name, window in _windows(model, asked, path):
                        timeline.add(window)
                        write_row(name, window)
            except ValueError as error:
                if asked.live and not timeline:
                    raise RunError(str(error)) from error
                print(f"not decoded: {error}", file=sys.stderr)
                failed.append({"video": name, "error": str(error)})
            except (KeyboardInterrupt, ToldToEnd):
                is_over = True
            except RuntimeError as error:  # no memory, scores that are not finite: what was found is written first
                cause = error
            show_passing("")
            if timeline:
                found.append((name, timeline, segments(timeline.times, timeline.scores, threshold=asked.threshold)))
                with until_nobody_reads():
                    print_tables(*found[-1], threshold=asked.threshold)
            if is_over or cause:
                break
    if asked.csv is not None and found:
        print(f"written: {asked.csv}")
    if asked.json is not None:
        save_json(asked.json, {"videos": [as_json(*one) for one in found], "failed": failed})
        print(f"written: {asked.json}")
    if cause is not None:
        raise cause
    if not found:
        raise RunError(f"0 of {counted(len(paths), 'video')} could be decoded" if failed else "no clip was there yet")
    name, timeline, stretches = found[0]
    if asked.timeline is not None:
        _write_timeline(asked.timeline, name, timeline, stretches, threshold=asked.threshold)
    if is_over and not asked.live:
        raise RunError("it was interrupted: what is printed and written is of the part before")
    if asked.overlay is not None:
        _write_overlay(asked.overlay, name, timeline)


def _windows(model: TrainedModel, asked: Asked, path: str) -> Iterator[tuple[str, TimeWindow]]:
    """Yield the windows of a video, each with the video's name, and say how far it is; of a live one, what they say."""
    if asked.live is None:
        tell = _progress(path, what="seen")
        for window in model.slide(path, every_seconds=asked.every_seconds):
            yield path, window
            tell(window.end)
        return
    with closing(asked.live()) as video:
        for window in model.slide(video, every_seconds=asked.every_seconds, at_once=1):  # told as soon as it is over
            yield video.path, window
            print(line_of(window), flush=True)  # what is said is kept


def _csv_writer(asked: Asked, classes: Sequence[str], stack: ExitStack) -> Callable[[str, TimeWindow], None]:
    """Return what writes a row of the CSV file, which is there from its first row on.

    Of files it takes its place when the stack is closed. Of a live video, which may run for days, each row is in it at
    once.
    """
    if asked.csv is None:
        return lambda video, window: None
    path = Path(asked.csv)

    @cache
    def writer() -> Any:
        target = path if asked.live else stack.enter_context(replacing(path))
        opened = target.open("w", encoding="utf-8", errors=ODD_NAMES, newline="", buffering=1 if asked.live else -1)
        rows = csv.writer(stack.enter_context(opened))
        rows.writerow(csv_head(classes))
        return rows

    def write_row(video: str, window: TimeWindow) -> None:
        writer().writerow(csv_row(video, window, classes))

    return write_row


def _progress(path: str, *, what: str) -> Callable[[float], None]:
    """Return what says how far a video is: in a line that passes on a terminal, now and then elsewhere."""
    total = 0.0
    with suppress(DecodeError), closing(PyAVVideo(path)) as video:  # an image, a folder of frames: not known
        total = video.promised[1]
    of_all = f" of {clock(total)}" if total else ""
    last = time.monotonic()

    def tell(seconds: float) -> None:
        nonlocal last
        text = f"{path}: {what}: {clock(seconds)}{of_all}"
        if sys.stderr.isatty():
            show_passing(text)
        elif time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    return tell


def _write_timeline(path: Path, video: str, timeline: Timeline, found: Sequence[Segment], *, threshold: float) -> None:
    drawing = draw_timeline(video, timeline, found, threshold=threshold)
    for file, content in ((path, drawing.png), (path.with_suffix(".svg"), drawing.svg)):
        try:
            with replacing(file) as partial:
                partial.write_bytes(content)
        except OSError as error:
            raise RunError(f"--timeline {file} can't be written: {error.strerror}") from error
        print(f"written: {file}")


def _write_overlay(out: Path, video: str, timeline: Timeline) -> None:
    tell = _progress(video, what="copied")
    try:
        write_overlay(video, timeline, out, on_frame=tell)
    except OSError as error:
        raise RunError(f"--overlay {out} can't be written: {error.strerror or error}") from error
    except (KeyboardInterrupt, ToldToEnd) as error:
        raise RunError(f"it was interrupted: no --overlay {out} is written, all else is") from error
    finally:
        show_passing("")
    print(f"written: {out}")
