"""Do the labels fit the classes, and are the splits apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.groups import same_bytes
from videogn.data.lists.records import Records
from videogn.tools.doctor.finding import Finding

# The largest class by the smallest.
IMBALANCE = 5
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
    elif most > IMBALANCE * least or least < FEW:
        advice = (
            f"{'few videos' if least < FEW else 'unequal classes'}: look at per_class.csv of a test, not at top-1 alone"
        )
        yield Finding(question, "look", evidence, advice, figures)
    else:
        yield Finding(question, "fine", evidence, figures=figures)
    question = "Are training videos kept out of validation and test?"
    shared = _shared(train, [val] if test is val else [val, test])
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
    else:
        yield Finding(
            question,
            "fine",
            "no file of validation or test has the bytes of a training video; videogn data check finds copies in other "
            "files, too",
            figures={"shared": 0},
        )


def _shared(train: Records, others: Sequence[Records]) -> set[str]:
    """Return names in others of files whose bytes are those of a file in `train`."""
    videos = [record for records in (train, *others) for record in records]
    found = set()
    for places in same_bytes([record.path or "" for record in videos]):
        if any(place < len(train) for place in places):
            found |= {videos[place].name for place in places if place >= len(train)}
    return found
