"""What the headers of a few videos of a list say of clips: whether videos are as long, and of one rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.decoding.video import DecodeError
from videogn.data.lists.records import Records
from videogn.data.media import is_image

# Headers that are read, evenly over the list: a moment, on a slow disk too.
MOST = 32
# Rates that differ by more than this make of one interval two speeds.
MOST_RATES = 2.0


class Header(NamedTuple):
    """Frames of a video, and frames a second; of frames 0 where the file does not say."""

    num_frames: int
    rate: float


def headers(records: Records) -> Iterator[Header]:
    """Yield what some videos' headers say; images, folders of frames and what can't be opened are passed over."""
    for place in range(0, len(records), -(-len(records) // MOST) or 1):
        path = records[place].path
        if path is None or is_image(path):
            continue
        try:
            video = PyAVVideo(path)
        except (DecodeError, OSError):
            continue
        frames, seconds = video.promised
        rate = float(video.rate or 0)
        video.close()
        yield Header(frames or round(seconds * rate), rate)


def doubts(records: Records, *, span: int, target_fps: float | None, name: str) -> list[str]:
    """Return what a user should know of the length and the rate of videos, a sentence each.

    Args:
        records: A list's videos.
        span: Source frames from the first to the last of a clip, both counted, at `target_fps` where that is given.
        target_fps: Frames a second that the span is meant at; None: each video's own.
        name: Of the list.
    """
    seen = [header for header in headers(records) if header.rate > 0 and header.num_frames > 0]
    spans = [span if target_fps is None else span * header.rate / target_fps for header in seen]
    found = []
    if short := sum(header.num_frames < wanted for header, wanted in zip(seen, spans, strict=True)):
        found.append(
            f"{name}: {short} of {len(seen)} videos looked at are shorter than a clip, which then joins their end to "
            f"their beginning: fewer --data.num_frames or a smaller --data.frame_interval may be better"
        )
    rates = [header.rate for header in seen]
    if rates and target_fps is None and max(rates) > MOST_RATES * min(rates):
        found.append(
            f"{name}: {min(rates):.3g} to {max(rates):.3g} frames a second in {len(seen)} videos looked at: a clip is "
            f"{span / max(rates):.2g} to {span / min(rates):.2g} s of them; --data.target_fps makes it as long in all"
        )
    return found
