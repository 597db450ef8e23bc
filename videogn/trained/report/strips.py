"""The tested videos that a run got most wrong, each as a strip of its frames."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from videogn.data.decoding import DecodeError, TooFewFrames, Watch, open_video
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import ListError, Split
from videogn.data.lists.names import as_on_disk
from videogn.files import ODD_NAMES
from videogn.trained.report.scores import Scores
from videogn.training.result import AnyResult

MOST_VIDEOS = 24
NUM_FRAMES = 8
# A frame fits into it, in px.
WIDTH, HEIGHT = 160, 112
GAP = 3
# So large a strip is at most: 24 of them make 2 MB of a page.
MOST_BYTES = 60_000
QUALITIES = (80, 65, 50, 35, 20, 10)
# A video is read so long at most.
MOST_SECONDS = 20.0


@dataclass(frozen=True)
class Strip:
    """A video that is wrong.

    Args:
        place: Among the scored videos, from 0.
        jpeg: Its frames side by side; None where there are none.
        reason: Why there are none.
    """

    place: int
    jpeg: bytes | None
    reason: str = ""


def most_wrong(scores: Scores, *, most: int = MOST_VIDEOS) -> list[int]:
    """Return the places of the videos that are wrong, those first whose own class is the least probable."""
    wrong = np.flatnonzero(~scores.is_right)
    return [int(place) for place in wrong[np.argsort(scores.probability[wrong], kind="stable")][:most]]


def strips_of(
    places: Sequence[int],
    names: Sequence[str],
    *,
    settings: Mapping[str, Any],
    result: AnyResult,
    on_done: Callable[[str, object, int, int], None] = lambda *_: None,
) -> list[Strip]:
    """Return a strip of each video.

    Args:
        places: Of the videos, among the scored ones.
        names: [n] of all scored videos, as videos.csv has them.
        settings: The run's data settings.
        result: Of the test.
        on_done: Is called whenever a video is done.
    """
    files = find_files([names[place] for place in places], settings=settings, result=result)
    seconds = min(MOST_SECONDS, _number(settings.get("decode_seconds")) or MOST_SECONDS)
    rate = _number(settings.get("frames_per_second"))
    strips = []
    for place in places:
        path = files[names[place]]
        try:
            if path is None:
                raise DecodeError(names[place], "the file is not there")
            strip = Strip(place, draw(path, frames_per_second=rate, seconds=seconds))
        except DecodeError as error:
            strip = Strip(place, None, error.reason)
        strips.append(strip)
        on_done(names[place], strip.reason or None, len(strips), len(places))
    return strips


def find_files(names: Sequence[str], *, settings: Mapping[str, Any], result: AnyResult) -> dict[str, str | None]:
    """Return the files of tested videos, by name; None where there is none.

    Mostly a name is a path below the data root; where it is not, the list is read as the test read it.

    Args:
        names: As videos.csv has them.
        settings: The run's data settings.
        result: Of the test: which list that was, and below which root.
    """
    root, given = (result.test_list or {}).get("root") or settings.get("root"), (result.test_list or {}).get("list")
    if not root or not isinstance(root, str) or not Path(root).is_dir():
        return dict.fromkeys(names)
    found: dict[str, str | None] = {name: str(Path(root, name)) for name in names}
    if all(path is not None and os.path.exists(path) for path in found.values()):
        return found
    split: Split = "test" if settings.get("hold_out") is None else "train"
    lists: dict[Split, str | None] = {"train": settings.get("train_list"), "val": settings.get("val_list")}
    lists["test"] = settings.get("test_list")
    catalog = Catalog(
        root,
        lists=lists | {split: given or lists[split]},
        classes=None,
        columns=settings.get("list_columns"),
        frame_folders=settings.get("frame_folders"),
        allow_outside=settings.get("allow_outside") or False,
        multi_label=settings.get("multi_label") is True,
    )
    try:
        entries = catalog.read(split)
    except (ListError, OSError, TypeError, AttributeError):  # gone, changed, or settings of another kind
        return {name: path if path and os.path.exists(path) else None for name, path in found.items()}
    wanted = dict.fromkeys(names)
    for name, file in zip(entries.names, entries.paths, strict=True):
        written = name.encode("utf-8", ODD_NAMES).decode()  # as videos.csv has it
        if file is not None and written in wanted:
            wanted[written] = file
    is_there = [file is not None and os.path.exists(Path(entries.folder, file)) for file in wanted.values()]
    files = as_on_disk(list(wanted.values()), folder=entries.folder, is_there=is_there)
    paths = [file and str(Path(entries.folder, file)) for file in files]
    return {name: path if path and os.path.exists(path) else None for name, path in zip(wanted, paths, strict=True)}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and value > 0 else None


def draw(path: str, *, frames_per_second: float | None = None, seconds: float = MOST_SECONDS) -> bytes:
    """Return frames that are spread evenly over a video, side by side, as a JPEG of at most 60 kB.

    Args:
        path: The file, an image or a folder of frames.
        frames_per_second: Of a folder of frames.
        seconds: The reading may take.

    Raises:
        DecodeError: It can't be decoded, or takes longer.
    """
    try:
        frames = _frames(path, frames_per_second, seconds)
    except TooFewFrames as error:  # its packets promised more
        if error.num_frames < 1:
            raise
        frames = _frames(path, frames_per_second, seconds, num_frames=error.num_frames)
    width = sum(frame.width for frame in frames) + GAP * (len(frames) - 1)
    strip = Image.new("RGB", (width, max(frame.height for frame in frames)), "white")
    left = 0
    for frame in frames:
        strip.paste(frame, (left, 0))
        left += frame.width + GAP
    for quality in QUALITIES:
        content = io.BytesIO()
        strip.save(content, "JPEG", quality=quality, optimize=True)
        if content.tell() <= MOST_BYTES:
            break
    return content.getvalue()


def _frames(
    path: str, frames_per_second: float | None, seconds: float, num_frames: int | None = None
) -> list[Image.Image]:
    with open_video(path, frames_per_second=frames_per_second, watch=Watch(seconds)) as video:
        frames = {}
        for index, frame in video.read(evenly(num_frames or video.num_frames)):
            frames[index] = Image.fromarray(np.ascontiguousarray(frame))
            frames[index].thumbnail((WIDTH, HEIGHT))
    return [frames[index] for index in sorted(frames)]


def evenly(total: int, *, most: int = NUM_FRAMES) -> list[int]:
    """Return `most` frame indices of a video of `total` frames, in the middle of as many equal parts; of fewer all."""
    number = min(most, max(1, total))
    return [(2 * place + 1) * max(1, total) // (2 * number) for place in range(number)]
