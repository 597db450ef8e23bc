"""Do the labels fit the classes, and are the splits apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import Split
from videogn.data.lists.groups import same_bytes
from videogn.data.lists.records import Records
from videogn.tools.check.lists import MOST_IMBALANCE
from videogn.tools.doctor.finding import Finding
from videogn.tools.sources import seen_sources

FEW = 10


def labels_and_splits(catalog: Catalog) -> Iterator[Finding]:
    """Yield what lists and names of files say; doubts that a plan says, too, are said there."""
    train, val, test = (catalog.present(split) for split in ("train", "val", "test"))
    counts = np.bincount(train.labels(), minlength=len(catalog.classes))
    classes = [catalog.classes[place] for place in np.argsort(counts, kind="stable")]
    least, most = int(counts.min()), int(counts.max())
    evidence = (
        f"{len(train):,} training videos of {len(classes):,} classes, {least:,} ({classes[0]!r}) to {most:,} "
        f"({classes[-1]!r}) each; {len(val):,} for validation"
    )
    question = "Do the labels fit the classes?"
    figures = {"videos": len(train), "classes": len(classes), "least": least, "most": most}
    if least == 0:
        yield Finding(question, "stop", evidence, "a class without training videos can't be learnt", figures)
    elif most >= MOST_IMBALANCE * least or least < FEW:
        advice = (
            f"{'few videos' if least < FEW else 'unequal classes'}: look at per_class.csv of a test, not at top-1 alone"
        )
        yield Finding(question, "look", evidence, advice, figures)
    else:
        yield Finding(question, "fine", evidence, figures=figures)
    question = "Are training videos kept out of validation and test?"
    shared = _shared(train, [val] if test == val else [val, test])
    if shared:
        first = min(shared)
        evidence = f"{len(shared):,} of these are training videos, too, by their bytes (the first is {first!r})"
        yield Finding(
            question,
            "stop",
            evidence,
            "take them out of one: videogn data check writes the list",
            {"shared": len(shared)},
        )
        return
    there: dict[Split, Records] = {"train": train, "val": val}
    if test != val:
        there["test"] = test
    if seen := list(seen_sources(catalog, there)):
        numbers = Counter(of.split for of in seen)
        words = " and ".join(f"{number:,} of {len(there[split]):,} of {split}" for split, number in numbers.items())
        by = "by the lists' groups" if seen[0].by == "list" else "by their numbered names"
        yield Finding(
            question,
            "stop" if seen[0].by == "list" else "look",
            f"{words} are cuts of sources that training has cuts of, {by} (the first is {seen[0].video.name!r}, of "
            f"{seen[0].source!r}): their accuracy says little of other sources",
            "keep a source on one side: videogn data split DIR --out OTHER keeps numbered cuts together, and what "
            "--groups says; where names mislead, name groups in the lists (column group)",
            {"shared": 0, "seen_sources": dict(numbers)},
        )
    else:
        yield Finding(
            question,
            "fine",
            "no file of validation or test has the bytes of a training video, and none is known to be of the same "
            "source; videogn data check finds copies in other files, too",
            figures={"shared": 0, "seen_sources": {}},
        )


def _shared(train: Records, others: Sequence[Records]) -> set[str]:
    """Return names in others of files whose bytes are those of a file in `train`."""
    videos = [record for records in (train, *others) for record in records]
    found = set()
    for places in same_bytes([record.path or "" for record in videos]):
        if any(place < len(train) for place in places):
            found |= {videos[place].name for place in places if place >= len(train)}
    return found
