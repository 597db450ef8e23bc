"""Videos of the training list that a run goes without, and that validate and test in place of other lists.

The same ones whatever the seed of the run, and on any machine: who is held out follows from the list alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from videogn.data.lists.assign import assign
from videogn.data.lists.groups import sources_of


def held_out(
    names: Sequence[str], labels: Sequence[Sequence[int]], groups: Sequence[str] | None, *, share: float
) -> NDArray[np.bool_]:
    """Return which videos of a list are held out, bool [N]: about `share` of each class, groups whole.

    Args:
        names: [N], as the list has them.
        labels: [N], class indices of each video, one or any number; those without count as a class of their own.
        groups: [N], what each was cut from, "" for a video by itself. None where the list does not say it: then by
            names that look like numbered cuts of one source.
        share: Above 0 and below 1.

    Raises:
        ValueError: One of the two parts would have no video.
    """
    found = sources_of(names, list(map(str, labels)), groups).of
    # A name of its own can't be that of a group: no name holds a line break.
    own = [f"group\n{group}" if group else name for name, group in zip(names, found, strict=True)]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, classes in zip(own, labels, strict=True):
        counts[group].update(map(str, classes or ("",)))
    part_of = assign(counts, {"train": 1 - share, "val": share}, seed=0)
    is_held = np.array([part_of[group] == "val" for group in own], np.bool_)
    if is_held.all() or not is_held.any():
        raise ValueError(
            f"hold_out is {share:g}, and of {len(names):,} videos in {len(counts):,} groups, which stay whole, "
            f"{'none would be left to train on' if is_held.all() else 'none would be held out'}"
        )
    return is_held
