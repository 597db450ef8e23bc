"""What clips make of a video: whether it is shorter than one, and whether any touches what is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import LEAST_FPS, MOST_FPS, is_rate
from videogn.data.glance import rates_differ
from videogn.data.lists.entries import Split
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import Interval, clip_indices, clip_span, interval_at, protocol_clips
from videogn.tools.check.inspect import Facts


class _Clip(TypedDict):
    num_frames: int
    frame_interval: Interval


def of_clips(facts: Facts, data: KineticsDataModule, splits: set[Split]) -> Iterator[tuple[str, str]]:
    """Yield (kind, words) of a file in the splits that it is in."""
    if data.target_fps is not None and facts.num_frames and not is_rate(_rate(facts, data)):
        says = f"{float(Fraction(facts.rate)):g} frames a second" if facts.rate else "none"
        yield "no frame rate", f"target_fps needs one from {LEAST_FPS} to {MOST_FPS}, and the file says {says}"
    clip = _clip(facts, data)
    span = clip_span(**clip)
    if 0 < facts.num_frames < span:
        yield "short", f"{facts.num_frames} frames, and a clip spans {span}"
    for kind, words in facts.found:
        if kind == "damaged":
            total = facts.num_frames
            damage = [(first, min(end, total - 1)) for first, end in facts.damage if first < total]
            where = ", ".join(f"{first} to {end}" for first, end in damage[:3])
            words += f"; it may show in frames {where}{', ...' if len(damage) > 3 else ''} of {total}" if damage else ""
            touched = _touched(total, data, splits, clip)
            if not any(((first <= touched) & (touched <= end)).any() for first, end in damage):
                kind = "damaged elsewhere"
        yield kind, words


def of_rates(facts: Iterable[Facts], data: KineticsDataModule) -> str | None:
    """Return what the rates of a list's files make of a clip, where that differs too much."""
    if data.target_fps is not None or data.catalog.is_built_in:
        return None
    rates = [rate for each in facts if each.num_frames and is_rate(rate := _rate(each, data))]
    return rates_differ(map(float, rates), num_frames=data.num_frames, frame_interval=data.frame_interval)


def _rate(facts: Facts, data: KineticsDataModule) -> Fraction | None:
    rate = facts.rate or data.frames_per_second
    return Fraction(rate) if rate else None


def _clip(facts: Facts, data: KineticsDataModule) -> _Clip:
    """Return frames and interval of a clip, in frames of the file."""
    rate, interval = _rate(facts, data), data.frame_interval
    if data.target_fps is None or not is_rate(rate):
        return {"num_frames": data.num_frames, "frame_interval": interval}
    own = interval_at(rate, interval, target_fps=data.target_fps)
    return {"num_frames": data.num_frames, "frame_interval": own}


def _touched(total: int, data: KineticsDataModule, splits: set[Split], clip: _Clip) -> NDArray[np.int64]:
    """Return the frames that clips may take: in training at any start, in validation and test where these lie."""
    frames = []
    if "train" in splits:
        latest = max(total - clip_span(**clip), 0)
        if latest >= clip["frame_interval"] - 1:
            return np.arange(total)
        frames += [clip_indices(start, total, **clip) for start in range(latest + 1)]
    policy = data.clip_policy
    if "val" in splits:
        frames.append(protocol_clips(total, num_clips=1, policy=policy, **clip).ravel())
    if "test" in splits:
        num_clips = PROTOCOLS[data.protocol].num_clips
        frames.append(protocol_clips(total, num_clips=num_clips, policy=policy, **clip).ravel())
    return np.unique(np.concatenate(frames))
