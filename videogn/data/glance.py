"""What the headers of a few videos of a list say of clips: whether videos are as long, and of one rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from videogn.data.dataset import is_rate
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError
from videogn.data.lists.records import Records
from videogn.data.media import is_image, is_media
from videogn.data.views.sampling import Interval, clip_span, interval_at

# Headers that are read, evenly over the list: a moment, on a slow disk too.
MOST = 32
# Rates that differ by more than this make of one interval two speeds.
MOST_RATES = 2


class Header(NamedTuple):
    """Frames of a video, and frames a second; of frames 0 where the file does not say."""

    num_frames: int
    rate: Fraction


def headers(records: Records) -> Iterator[Header]:
    """Yield what some videos' headers say; what is no video file, can't be opened or has no rate is passed over."""
    for place in range(0, len(records), -(-len(records) // MOST) or 1):
        path = records[place].path
        if path is None or is_image(path):
            continue
        try:
            video = PyAVVideo(path)
        except (DecodeError, OSError):
            continue
        (frames, seconds), rate = video.promised, video.rate
        video.close()
        if is_rate(rate):
            yield Header(frames or round(seconds * rate), rate)


def rates_differ(rates: Iterable[float], *, num_frames: int, frame_interval: int) -> str | None:
    """Return what videos' own rates make of a clip, in words, where they differ too much."""
    ordered = sorted(rates)
    if not ordered or ordered[-1] <= MOST_RATES * ordered[0]:
        return None
    span = clip_span(num_frames, frame_interval)
    return (
        f"{ordered[0]:.3g} to {ordered[-1]:.3g} frames a second: a clip is {span / ordered[-1]:.2g} to "
        f"{span / ordered[0]:.2g} s; --data.target_fps makes it as long in all"
    )


def doubts(
    records: Records,
    *,
    num_frames: int,
    frame_interval: int,
    target_fps: float | None,
    name: str,
    by_frames: bool = False,
    wraps: bool = False,
) -> list[str]:
    """Return what a user should know of the length and the rate of videos, a sentence each.

    Args:
        frame_interval: Source frames from one to the next, at `target_fps` where that is given.
        target_fps: Frames a second that the interval is meant at; None: each video's own.
        by_frames: Whether what moves in them moves by frames, so that rates do not matter.
        wraps: Whether clips that start late go on at a video's beginning.
    """
    seen = [header for header in headers(records) if header.num_frames > 0]

    def span_in(header: Header) -> int:
        own: Interval = frame_interval
        if target_fps is not None:
            own = interval_at(header.rate, frame_interval, target_fps=target_fps)
        return clip_span(num_frames, own)

    found = []
    if short := sum(header.num_frames < span_in(header) for header in seen):
        found.append(
            f"{name}: {short} of {len(seen)} videos looked at are shorter than a clip, which then joins their end to "
            f"their beginning: fewer --data.num_frames or a smaller --data.frame_interval may be better"
        )
    if wraps and (joined := sum(span_in(header) <= header.num_frames < 2 * span_in(header) for header in seen)):
        found.append(
            f"{name}: {joined} of {len(seen)} videos looked at are shorter than two clips: many clips of the test join "
            f"their end to their beginning (--data.clip_policy spread does not)"
        )
    if target_fps is None and not by_frames:
        rates = [float(header.rate) for header in seen]
        words = rates_differ(rates, num_frames=num_frames, frame_interval=frame_interval)
        found += [f"{name}: of {len(seen)} videos looked at, {words}"] if words else []
    return found


def check_rates(records: Records, *, frames_per_second: float | None) -> None:
    """Refuse what has no frame rate: images, and folders of frames whose rate is not given.

    Args:
        frames_per_second: Of folders of frames; None: not given.

    Raises:
        ValueError: There are such; the first is named.
    """
    for record in records:
        if record.path and is_image(record.path):
            raise ValueError(f"{record.path}: no video file, so it has no frame rate: leave data.target_fps out")
        is_folder = record.path and not is_media(record.path) and Path(record.path).is_dir()
        if is_folder and frames_per_second is None:
            raise ValueError(
                f"{record.path}: a folder of frames does not say its frame rate: give data.frames_per_second, or "
                f"leave data.target_fps out"
            )
