"""Videos that are there twice: the same bytes, or the same pictures in another file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from videogn.data.lists.entries import Split
from videogn.tools.check.inspect import Facts
from videogn.tools.check.kinds import Finding
from videogn.tools.check.looks import alike

# Of two copies in different splits the one in the first of these is to be left out.
_ORDER: Sequence[Split] = ("train", "val", "test")


class Place(NamedTuple):
    """Where a file stands in the lists: split, labels, the list's name of it, and what names it to leave it out."""

    split: Split
    labels: tuple[int, ...]
    video: str
    path: str


def copies(files: Sequence[str], facts: Mapping[str, Facts], places: Mapping[str, list[Place]]) -> Iterator[Finding]:
    """Yield what is there twice, among files that can be read."""
    same: dict[bytes, list[str]] = defaultdict(list)
    for file in files:
        if facts[file].digest and facts[file].num_frames:
            same[facts[file].digest].append(file)
    for group in same.values():
        yield from _same([place for file in group for place in places[file]])
    firsts = [group[0] for group in same.values()]
    parts = [_ORDER.index(places[file][0].split) for file in firsts]
    for one, other in alike([facts[file].looks for file in firsts], parts):
        yield from _alike(places[firsts[one]], places[firsts[other]])


def _same(found: list[Place]) -> Iterator[Finding]:
    """Yield what is wrong with places [n] of the same bytes."""
    stays = max(found, key=lambda place: _ORDER.index(place.split))
    firsts: dict[Split, Place] = {}
    for place in found:
        first = firsts.setdefault(place.split, place)
        is_itself = place.path == stays.path
        if place.labels != first.labels:
            words = f"the same bytes as {first.video}, which is of another class"
            yield Finding("two classes", place.split, place.video, words)
        if place.split != stays.split:
            kind = "in two splits" if is_itself else "copy in another split"
            words = f"the same bytes as {stays.video} in {stays.split}"
            yield Finding(kind, place.split, place.video, words, None if is_itself else place.path)
        elif place is not first and place.labels == first.labels:
            words = f"named again in {place.split}" if place.path == first.path else f"the same bytes as {first.video}"
            yield Finding("copy", place.split, place.video, words, None if place.path == first.path else place.path)


def _alike(one: list[Place], other: list[Place]) -> Iterator[Finding]:
    """Yield what is wrong with two videos that look the same, each with its places."""
    first, second = sorted((one[0], other[0]), key=lambda place: _ORDER.index(place.split))
    words = f"looks like {second.video} in {second.split}"
    if first.labels != second.labels:
        words += ", which is of another class"
    is_across = first.split != second.split
    kind = "look-alike in another split" if is_across else "look-alike"
    yield Finding(kind, first.split, first.video, words, first.path if is_across else None)
