"""What lists say, before a video is opened: labels, classes, and which files are there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import ListError, Split
from videogn.data.lists.lines import is_index
from videogn.data.lists.records import Records, VideoRecord
from videogn.tools.check.kinds import Finding
from videogn.tools.sources import seen_sources

MOST_IMBALANCE = 5  # the largest class by the smallest
_MOST_NAMED = 5


def read_lists(catalog: Catalog, splits: Sequence[Split]) -> tuple[dict[Split, Records], list[Finding]]:
    """Return the videos of lists that are on disk, and what is wrong with the lists."""
    there: dict[Split, Records] = {}
    found: list[Finding] = []
    for split in splits:
        try:
            records = catalog.records(split)
        except ListError as error:
            found += _without_names(catalog, split) or [Finding("list", split, "", str(error))]
            continue
        there[split] = present = catalog.present(split)
        on_disk = {record.index for record in present} if len(present) < len(records) else range(len(records))
        for record in records:
            if record.index not in on_disk:
                name = named(record, catalog)
                found.append(Finding("missing", split, record.name, "there is no such file", name))
    if there:
        found += _of_classes(there, catalog.classes)
        found += _of_sources(there, catalog)
    return there, found


def _of_sources(there: dict[Split, Records], catalog: Catalog) -> Iterator[Finding]:
    for seen in seen_sources(catalog, there):
        is_said = seen.by == "list"
        by = "the lists' groups" if is_said else "numbered names"
        words = f"a cut of {seen.source} by {by}, as {len(seen.train):,} of train are (the first: {seen.train[0]})"
        kind = "source in another split" if is_said else "source in another split?"
        yield Finding(kind, seen.split, seen.video.name, words)


def named(record: VideoRecord, catalog: Catalog) -> str:
    """Return what a file of what to leave out calls a video: its path below the root, with slashes, if it has one."""
    if record.path is None:
        return record.name
    root = str(catalog.root_path.absolute())
    path = os.path.normpath(record.path)
    return path if Path(root) not in Path(path).parents else os.path.relpath(path, root).replace(os.sep, "/")


def _without_names(catalog: Catalog, split: Split) -> list[Finding]:
    """Return labels of a list that are none of the classes."""
    try:
        entries, classes = catalog.read(split), catalog.classes
    except ListError:
        return []
    indices = set() if entries.are_class_names else set(map(str, range(len(classes))))
    known = indices | set(classes)
    numbers = Counter(label for _, label in entries.each_label() if label not in known)
    return [
        Finding("label without name", split, label, f"{number:,} videos of it, none of the {len(classes)} classes")
        for label, number in sorted(numbers.items())
    ]


def _of_classes(there: dict[Split, Records], classes: list[str]) -> list[Finding]:
    found = []
    numbers = {split: records.counts(len(classes)) for split, records in there.items()}
    train = numbers.get("train")
    if train is not None:
        kind = "label gap" if all(map(is_index, classes)) else "class without videos"
        for label in np.flatnonzero(train == 0).tolist():
            others = [f"{own[label]:,} of it in {split}" for split, own in numbers.items() if own[label]]
            words = f"no training video of class {classes[label]}"
            found.append(Finding(kind, "train", classes[label], ", ".join([words, *others])))
        most, least = int(train.argmax()), int(np.where(train > 0, train, train.max() + 1).argmin())
        if train[most] >= MOST_IMBALANCE * train[least]:
            words = f"{train[most]:,} videos of {classes[most]}, {train[least]:,} of {classes[least]}"
            found.append(Finding("imbalance", "train", classes[least], words))
    for split, own in numbers.items():
        lacking = [] if train is None or split == "train" else np.flatnonzero((own == 0) & (train > 0)).tolist()
        if lacking:
            some = ", ".join(classes[label] for label in lacking[:_MOST_NAMED])
            more = ", ..." if len(lacking) > _MOST_NAMED else ""
            words = f"no video of {len(lacking):,} of {len(classes):,} classes ({some}{more})"
            found.append(Finding("class missing in a test", split, "", words))
    return found
