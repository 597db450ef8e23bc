"""Videos that a run goes without: a name a line, as lists have them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from videogn.data.lists.entries import Entries, ListError
from videogn.data.lists.lines import Lines
from videogn.data.lists.names import place_of
from videogn.data.lists.tables import read_text


class Exclude:
    """The names in a file; lines of `#` and a space are comments.

    Raises:
        ListError: There is no such file, or it is no text.
    """

    def __init__(self, file: Path, *, root: Path) -> None:
        if not file.is_file():
            raise ListError(f"{file}: no such file of videos to leave out (--data.exclude)")
        self.file = file
        self.names = Lines.of(read_text(file), file=file).texts
        self._names = {place_of(name, folder=root.absolute()): name for name in self.names}

    def without(self, entries: Entries) -> Entries:
        """Return the others of a list, in its order.

        Raises:
            ListError: None is left.
        """
        stays = np.array([not self._names_of(entries, place) for place in range(len(entries))])
        if stays.all():
            return entries
        if not stays.any():
            raise ListError(f"{self.file} names all {len(entries)} videos of a list ({entries.where(0)})")
        kept = np.flatnonzero(stays).tolist()
        return Entries(
            names=[entries.names[place] for place in kept],
            labels=[entries.labels[place] for place in kept],
            folder=entries.folder,
            where=partial(_where, entries, kept),
            are_class_names=entries.are_class_names,
            files=entries.files and [entries.files[place] for place in kept],
            were_seen=entries.were_seen and [entries.were_seen[place] for place in kept],
            read_as=entries.read_as,
            groups=entries.groups and [entries.groups[place] for place in kept],
            several=entries.several,
        )

    def unknown(self, *lists: Entries) -> list[str]:
        """Return the names that no list has."""
        known = {name for entries in lists for place in range(len(entries)) for name in self._names_of(entries, place)}
        return [name for name in self._names.values() if name not in known]

    def _names_of(self, entries: Entries, place: int) -> list[str]:
        """Return the names here that an entry is meant by: its path, or what the list calls it."""
        called, path = entries.names[place], entries.paths[place]
        spelt = {place_of(text, folder=entries.folder) for text in (called, path) if text is not None}
        return [self._names[text] for text in spelt if text in self._names]


def _where(entries: Entries, kept: list[int], place: int) -> str:
    return entries.where(kept[place])
