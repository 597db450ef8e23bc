"""Whether videos of validation and test were cut from what training videos were cut from, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import Split
from videogn.data.lists.groups import sources_of
from videogn.data.lists.records import Records, VideoRecord


class Seen(NamedTuple):
    """A video of validation or test whose source training sees.

    Attributes:
        source: Of what it was cut.
        train: Names of the training videos of that source.
        by: What says so: "list" or "names".
    """

    split: Split
    video: VideoRecord
    source: str
    train: list[str]
    by: str


def seen_sources(catalog: Catalog, there: Mapping[Split, Records]) -> Iterator[Seen]:
    """Yield the videos of other splits whose source has training videos.

    Sources are those that `hold_out` and `videogn data split` keep together: of the lists, where all of them name
    groups, else by names that look like those of numbered cuts.
    """
    videos = [(split, video) for split, records in there.items() for video in records]
    given = [catalog.groups(split) for split in there]
    groups = [group for own in given for group in own or ()]
    sources = sources_of(
        [video.name for _, video in videos],
        [str(video.label) for _, video in videos],
        groups if len(groups) == len(videos) else None,
    )
    train: dict[str | None, list[str]] = defaultdict(list)
    for (split, video), source in zip(videos, sources.of, strict=True):
        if split == "train":
            train[source].append(video.name)
    for (split, video), source in zip(videos, sources.of, strict=True):
        if split != "train" and source is not None and source in train:
            yield Seen(split, video, source, train[source], sources.by)
