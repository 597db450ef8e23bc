"""Which files of a list are on disk."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from videogn.data.entries import Entries


def on_disk(entries: Entries) -> NDArray[np.bool_]:
    """Tells of each entry [N] whether its file is there."""
    there = np.array(entries.were_seen or [False] * len(entries))
    for place in np.flatnonzero(~there).tolist():
        path = entries[place].path
        there[place] = path is not None and os.path.isfile(path)
    return there
