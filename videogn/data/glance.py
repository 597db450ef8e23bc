"""What the headers of a few videos of a list say of clips: whether videos are as long, and of one rate."""

from __future__ import annotations

from collections.abc import Iterator
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
# Rates that differ by more than this make of one interval two speeds. Those of the built-in videos, 12 to 30, do not
# matter: what moves in them moves by frames.
MOST_RATES = 2.5


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


def doubts(records: Records, *, num_frames: int, frame_interval: int, target_fps: float | None, name: str) -> list[str]:
    """Return what a user should know of the length and the rate of videos, a sentence each.

    Args:
        records: A list's videos.
        num_frames: Of a clip.
        frame_interval: Source frames from one to the next, at `target_fps` where that is given.
        target_fps: Frames a second that the interval is meant at; None: each video's own.
        name: Of the list.
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
    rates, span = [float(header.rate) for header in seen], clip_span(num_frames, frame_interval)
    if rates and target_fps is None and max(rates) > MOST_RATES * min(rates):
        found.append(
            f"{name}: {min(rates):.3g} to {max(rates):.3g} frames a second in {len(seen)} videos looked at: a clip is "
            f"{span / max(rates):.2g} to {span / min(rates):.2g} s of them; --data.target_fps makes it as long in all"
        )
    return found


def check_rates(records: Records, *, frames_per_second: float | None) -> None:
    """Refuse what has no frame rate: images, and folders of frames whose rate is not given.

    Args:
        records: Videos whose clips go by their rate.
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
