"""The videos of a data set: millions of them in a few arrays, each made into an object when it is asked for.

A list of as many objects would grow every worker: one that was forked copies each page of objects that it reads,
because reading counts references, and one that was spawned gets them all pickled. The arrays are never written to, so
forked workers read the pages of the main process. They are torch's, so to spawned workers they go as shared memory.

Shapes: N lines of the list, n records chosen of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from operator import eq, index
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# What only the parser of paths joins to a folder rightly: absolute paths, dots, slashes too many. It is kept from all
# others because it interns the parts of each path: a forked worker would copy the pages of the interpreter's table.
_ODD = re.compile(r"\A[/.]|/[/.]|/\Z" if os.sep == "/" else "")
# Records that are made at once when all are wanted: few enough that they weigh nothing.
CHUNK = 1024
NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """A video of a data set.

    Attributes:
        path: The file; None where the list names one that is not on disk.
        label: Class index; NO_CLASS where the list has several labels a video.
        index: Its place in the list, from 0: what its randomness derives from.
        name: The path as the list has it: what results call it.
        labels: Class indices where the list has several labels a video, rising; else none.
    """

    path: str | None
    label: int
    index: int
    name: str
    labels: tuple[int, ...] = ()


class Records(Sequence[VideoRecord]):
    """All records of a list, or those of some of its lines; never changed.

    Args:
        names: [N] paths as the list has them.
        labels: [N] class indices.
        folder: What paths are relative to; "": the working folder.
        files: [N] paths of the files, relative to `folder`, and None where there is none. Default: the names.
        sets: [N] class indices of each, where the list has several labels a video; `labels` are left out then.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        labels: Iterable[int] | None = None,
        folder: str = "",
        files: Iterable[str | None] | None = None,
        sets: Iterable[Iterable[int]] | None = None,
    ) -> None:
        self._folder = folder
        self._above = "" if Path(folder) == Path() else os.path.join(Path(folder), "")
        self._names = _Texts(names)
        # No file has an empty path, so that stands for none.
        self._files = self._names if files is None else _Texts(file or "" for file in files)
        self._sets = None if sets is None else _Sets(sets)
        one = repeat(NO_CLASS, len(names)) if labels is None else labels
        self._labels = torch.from_numpy(np.fromiter(one, np.int32, len(names)))
        self._rows = torch.arange(len(names), dtype=torch.int32)  # [n]: the lines that these records are of

    def select(self, wanted: NDArray[np.bool_]) -> Records:
        """Return the records for which `wanted`, bool [n], is true. They keep their indices."""
        return self._of(self._rows[torch.from_numpy(wanted)])

    def of_line(self, index: int) -> VideoRecord:
        """Return the record with an index, which may be one that was not selected."""
        return self._made(torch.tensor([index]))[0]

    def labels(self) -> NDArray[np.int32]:
        """Return the class indices of all records, [n], of a list with one label a video."""
        assert self._sets is None
        return self._labels[self._rows].numpy()

    def counts(self, num_classes: int) -> NDArray[np.int64]:
        """Return how many of the records are of each class, [num_classes]."""
        of_all = self.labels() if self._sets is None else np.concatenate([[], *self._sets[self._rows]]).astype(np.int64)
        return np.bincount(of_all, minlength=num_classes)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> VideoRecord: ...
    @overload
    def __getitem__(self, key: slice) -> Records: ...
    def __getitem__(self, key: int | slice) -> VideoRecord | Records:
        if isinstance(key, slice):
            chosen = range(len(self))[key]
            return self._of(self._rows[torch.from_numpy(np.arange(chosen.start, chosen.stop, chosen.step))])
        place = range(len(self))[index(key)]  # counts from the end, or raises, as a list does
        return self._made(self._rows[place : place + 1])[0]

    def __iter__(self) -> Iterator[VideoRecord]:
        for rows in self._rows.split(CHUNK):
            yield from self._made(rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return f"<{len(self)} records below {self._folder!r}>"

    def _path(self, file: str) -> str:
        return str(Path(self._folder, file)) if _ODD.search(file) else self._above + file

    def _of(self, rows: Tensor) -> Records:
        some = object.__new__(Records)
        some.__dict__.update(self.__dict__, _rows=rows)
        return some

    def _made(self, rows: Tensor) -> list[VideoRecord]:
        names, labels = self._names[rows], self._labels[rows].tolist()
        files = names if self._files is self._names else self._files[rows]
        sets = repeat((), len(rows)) if self._sets is None else self._sets[rows]
        return [
            VideoRecord(self._path(file) if file else None, label, row, name, several)
            for file, name, label, row, several in zip(files, names, labels, rows.tolist(), sets, strict=True)
        ]


class _Sets:
    """Sets of class indices, end to end, each rising, and where each ends."""

    def __init__(self, sets: Iterable[Iterable[int]]) -> None:
        sorted_sets = [sorted(set(each)) for each in sets]
        self.ends = torch.tensor([0, *accumulate(map(len, sorted_sets))])
        self.classes = torch.tensor(list(chain.from_iterable(sorted_sets)), dtype=torch.int32)

    def __getitem__(self, rows: Tensor) -> list[tuple[int, ...]]:
        spans = zip(self.ends[rows].tolist(), self.ends[rows + 1].tolist(), strict=True)
        return [tuple(self.classes[start:end].tolist()) for start, end in spans]


class _Texts:
    """Strings, end to end in UTF-8, and where each ends."""

    def __init__(self, texts: Iterable[str]) -> None:
        # Names of files may hold what is no character: bytes that are no UTF-8, as lone surrogates.
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        # One byte where there is none: torch takes no empty buffer.
        self.bytes = torch.frombuffer(bytearray(b"".join(encoded) or b"\0"), dtype=torch.uint8)
        self.ends = torch.from_numpy(np.fromiter(accumulate(map(len, encoded), initial=0), np.int64, len(encoded) + 1))

    def __getitem__(self, rows: Tensor) -> list[str]:
        starts, ends = self.ends[rows].tolist(), self.ends[rows + 1].tolist()
        first = min(starts, default=0)
        # Copied in one piece, as rows lie side by side. No view is kept: to share the bytes, torch moves them.
        part = self.bytes[first : max(ends, default=0)].numpy().tobytes()
        return [
            part[start - first : end - first].decode("utf-8", "surrogatepass")
            for start, end in zip(starts, ends, strict=True)
        ]
