"""Videos of the training list that a run goes without, and that validate and test in place of other lists.

The same ones whatever the seed of the run, and on any machine: who is held out follows from the names in the list.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videogn.data.lists.assign import assign
from videogn.data.lists.entries import ListError
from videogn.data.lists.groups import OF_CUTS, by_pattern, by_table, group_columns, look_like_cuts
from videogn.data.lists.tables import METADATA, Columns


def held_out(
    names: Sequence[str],
    labels: NDArray[np.int32],
    *,
    share: float,
    source: str | Path,
    root: Path,
    columns: Columns | None = None,
) -> NDArray[np.bool_]:
    """Return which videos of a list are held out, bool [N]: about `share` of each class, groups whole.

    Groups are those of the list's own column, where it is a table that has one (group, source, person, ...); else what
    names say, where they look like numbered cuts of one source; else each video is a group.

    Args:
        names: [N], as the list has them.
        labels: [N], class indices.
        share: Above 0 and below 1.
        source: The list.
        root: What paths in it are relative to.
        columns: Its columns of path and label, where the user names them.

    Raises:
        ListError: One of the two parts would have no video, or the groups can't be read.
    """
    found = _groups(names, list(map(str, labels.tolist())), source=Path(source), root=root, columns=columns)
    # A name of its own can't be that of a group: no name holds a line break.
    groups = [name if group is None else f"group\n{group}" for name, group in zip(names, found, strict=True)]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(groups, labels.tolist(), strict=True):
        counts[group][str(label)] += 1
    part_of = assign(counts, {"train": 1 - share, "val": share}, seed=0)
    is_held = np.array([part_of[group] == "val" for group in groups], np.bool_)
    if is_held.all() or not is_held.any():
        raise ListError(
            f"{source}: hold_out is {share:g}, and of {len(names):,} videos in {len(counts):,} groups, which stay "
            f"whole, {'none would be left to train on' if is_held.all() else 'none would be held out'}"
        )
    return is_held


def _groups(
    names: Sequence[str], labels: Sequence[str], *, source: Path, root: Path, columns: Columns | None
) -> Sequence[str | None]:
    file = (
        next((source / name for name in METADATA if (source / name).is_file()), source) if source.is_dir() else source
    )
    path_column = None if columns is None else columns[0]
    if file.is_file() and group_columns(file, path_column=path_column) is not None:
        found = by_table(names, file, root=file.parent if source.is_dir() else root, path_column=path_column)
        if not any(found):
            raise ListError(f"{file}: no video has a group in it by its path (the first is {names[0]!r})")
        return found
    return by_pattern(names, OF_CUTS) if look_like_cuts(names, labels) else [None] * len(names)
