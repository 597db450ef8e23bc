"""Do the labels fit the classes, and are the splits apart."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from videogn.data.lists.catalog import Catalog
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
    shared = _shared(train, val) | _shared(train, test)
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


def _shared(train: Records, other: Records) -> set[str]:
    """Return names in `other` of files whose bytes are those of a file in `train`."""
    sizes: dict[int, list[str]] = defaultdict(list)
    for record in train:
        sizes[_size(record.path)].append(str(record.path))
    found, hashes = set(), dict[str, bytes]()

    def content(path: str) -> bytes:
        if path not in hashes:
            with open(path, "rb") as file:
                hashes[path] = hashlib.file_digest(file, "sha256").digest()
        return hashes[path]

    for record in other:
        size = _size(record.path)
        if size > 0 and any(content(path) == content(str(record.path)) for path in sizes.get(size, [])):
            found.add(record.name)
    return found


def _size(path: str | None) -> int:
    return os.path.getsize(path) if path is not None and os.path.isfile(path) else -1
