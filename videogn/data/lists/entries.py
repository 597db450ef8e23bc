"""What a list of any format is read into: its lines, before their labels become class indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

Split = Literal["train", "val", "test"]
# Between the labels of a video that has several.
BETWEEN = ";"


class ListError(ValueError):
    """A list of videos that can't be used, with file and line where there is one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list: path (absolute, or None where no file was found), label as written, and where it stands."""

    path: str | None
    label: str
    where: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Entries(Sequence[Entry]):
    """All lines of a list, by column.

    Attributes:
        names: Paths as the list has them.
        folder: What paths are relative to.
        where: Gives the file and line of a place; no lambda, so that a data set can be pickled before it is resolved.
        are_class_names: Whether labels are names even where they look like indices.
        files: Paths of the files where these are not the names, and None where there is none.
        were_seen: Which files are on disk, where a listing has shown that already: no need to look again.
        groups: What each video was cut from (a column `group`), "" where that is not said; None where no line says it.
        several: Whether a label is any number of labels, with BETWEEN between; "" for none.
    """

    names: Sequence[str]
    labels: Sequence[str]
    folder: str
    where: Callable[[int], str]
    are_class_names: bool = True
    files: Sequence[str | None] | None = None
    were_seen: Sequence[bool] | None = None
    read_as: str = ""
    groups: Sequence[str] | None = None
    several: bool = False

    def each_label(self) -> Iterator[tuple[int, str]]:
        """Yield each label, with the place of its video."""
        if not self.several:
            yield from enumerate(self.labels)
            return
        for place, text in enumerate(self.labels):
            for label in text.split(BETWEEN) if text else ():
                yield place, label

    @property
    def paths(self) -> Sequence[str | None]:
        """Relative to `folder`, and None where no file was found."""
        return self.names if self.files is None else self.files

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, key: int) -> Entry: ...
    @overload
    def __getitem__(self, key: slice) -> list[Entry]: ...
    def __getitem__(self, key: int | slice) -> Entry | list[Entry]:
        places = range(len(self))[key]
        if isinstance(places, range):
            return [self[place] for place in places]
        file = self.paths[places]
        path = None if file is None else str(Path(self.folder, file))
        return Entry(path, self.labels[places], self.where(places), self.names[places])
