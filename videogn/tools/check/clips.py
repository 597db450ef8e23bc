"""What clips make of a video: whether it is shorter than one, and whether any touches what is damaged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.entries import Split
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import clip_indices, clip_span, protocol_clips
from videogn.tools.check.inspect import Facts


def of_clips(facts: Facts, data: KineticsDataModule, splits: set[Split]) -> Iterator[tuple[str, str]]:
    """Yield (kind, words) of a file in the splits that it is in."""
    clip = {"num_frames": data.num_frames, "frame_interval": data.frame_interval}
    span = clip_span(**clip)
    if 0 < facts.num_frames < span:
        yield "short", f"{facts.num_frames} frames, and a clip spans {span}"
    for kind, words in facts.found:
        if kind == "damaged":
            total = facts.num_frames
            damage = [(first, min(end, total - 1)) for first, end in facts.damage if first < total]
            where = ", ".join(f"{first} to {end}" for first, end in damage[:3])
            words += f"; it may show in frames {where}{', ...' if len(damage) > 3 else ''} of {total}" if damage else ""
            touched = _touched(total, data, splits)
            if not any(((first <= touched) & (touched <= end)).any() for first, end in damage):
                kind = "damaged elsewhere"
        yield kind, words


def _touched(total: int, data: KineticsDataModule, splits: set[Split]) -> NDArray[np.int64]:
    """Return the frames that clips may take: in training at any start, in validation and test where these lie."""
    clip = {"num_frames": data.num_frames, "frame_interval": data.frame_interval}
    frames = []
    if "train" in splits:
        latest = max(total - clip_span(**clip), 0)
        if latest >= data.frame_interval - 1:
            return np.arange(total)
        frames += [clip_indices(start, total, **clip) for start in range(latest + 1)]
    policy = data.clip_policy
    if "val" in splits:
        frames.append(protocol_clips(total, num_clips=1, policy=policy, **clip).ravel())
    if "test" in splits:
        num_clips = PROTOCOLS[data.protocol].num_clips
        frames.append(protocol_clips(total, num_clips=num_clips, policy=policy, **clip).ravel())
    return np.unique(np.concatenate(frames))
