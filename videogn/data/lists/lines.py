"""Lists as lines of text: `path label`, and UCF101's and HMDB51's split files."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES

# A path up to its last suffix of a video or an image, and its label behind that.
_SUFFIX = "|".join(map(re.escape, sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES)))
_BEHIND_FILE = re.compile(f"(.*(?:{_SUFFIX}))[ ,]+(.*)", flags=re.IGNORECASE | re.DOTALL)
_HEADER = re.compile(r"path[ ,\t]+label", flags=re.IGNORECASE)
HMDB51_SUFFIXES = tuple(f"_test_split{number}.txt" for number in (1, 2, 3))
HMDB51_FLAGS: dict[str, str] = {"train": "1", "val": "2", "test": "2"}


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file that are not blank, without spaces around them, and their numbers from 1."""

    file: Path
    numbers: Sequence[int]
    texts: list[str]

    @classmethod
    def of(cls, text: str, *, file: Path) -> Lines:
        """Return the lines of a text."""
        texts = list(map(str.strip, text.splitlines()))
        numbers: Sequence[int] = range(1, len(texts) + 1)
        if not all(texts):
            numbers = [number for number, line in zip(numbers, texts, strict=True) if line]
            texts = list(filter(None, texts))
        return cls(file, numbers, texts)

    def where(self, place: int) -> str:
        """Return file and number of a line."""
        return f"{self.file}:{self.numbers[place]}"


def path_label(lines: Lines, *, root: Path) -> Entries:
    """Read lines `path label`, with a space, a comma or a tab between; a first line of just these words is left out.

    Raises:
        ListError: A line has no label.
    """
    if lines.texts and _HEADER.fullmatch(lines.texts[0]):
        lines = Lines(lines.file, lines.numbers[1:], lines.texts[1:])
    names, labels = [], []
    for place, line in enumerate(lines.texts):
        name, label = _cut(line)
        if not name or not label:
            raise ListError(f"{lines.where(place)}: expected 'path label' (space, comma or tab between), got {line!r}")
        names.append(name)
        labels.append(label.strip('"'))
    folder = str(root.absolute())
    return Entries(names=names, labels=labels, folder=folder, where=lines.where, are_class_names=False)


def _cut(line: str) -> tuple[str, str]:
    """Return path and label of a line, cut at a tab, else after the last file suffix, else at a comma or space."""
    if "\t" in line:
        name, _, label = line.rpartition("\t")
    elif line[0] == '"':
        name, label = (*next(csv.reader([line], skipinitialspace=True)), "", "")[:2]
    elif found := _BEHIND_FILE.match(line):
        name, label = found.groups()
    else:
        name, _, label = line.rpartition("," if "," in line else " ")
    return name.strip(), label.strip()


def ucf101(lines: Lines, *, root: Path) -> Entries:
    """Read a split file of UCF101: `Class/video.avi`, in training lists with a number behind.

    The class is the folder; the number counts classes from 1 and says the same.

    Raises:
        ListError: A line names no folder.
    """
    names, labels = [], []
    for place, line in enumerate(lines.texts):
        start, _, number = line.rpartition(" ")
        name = start if number.isdigit() else line
        cut = name.rfind("/") + 1
        # A usual path; of others (backslashes, an end that is no name) only the parser of paths knows the folder.
        is_usual = name[cut:] not in {"", "."} and "\\" not in name
        label = _folder_name(f"{name[:cut]}file" if is_usual else name)
        if not label:
            expected = "expected 'Class/video.avi' or 'Class/video.avi 1'"
            raise ListError(f"{lines.where(place)}: {expected}, got {line!r}")
        names.append(name)
        labels.append(label)
    return Entries(names=names, labels=labels, folder=str(root.absolute()), where=lines.where)


@lru_cache(maxsize=4096)
def _folder_name(path: str) -> str:
    return Path(path).parent.name


def hmdb51(paths: Sequence[Path], *, root: Path, split: Split) -> Entries:
    """Read split files of HMDB51, CLASS_test_splitN.txt: `video.avi 0|1|2`, of which 1 is training and 2 is testing.

    Raises:
        ListError: A file is not named so, or a line is of another kind.
    """
    names: list[str] = []
    labels: list[str] = []
    lines: list[tuple[Path, int]] = []
    for path in paths:
        label, found, _ = path.name.partition("_test_split")
        if not found:
            raise ListError(f"{path}: a pattern must match HMDB51's split files, CLASS_test_splitN.txt")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            name, _, flag = line.strip().rpartition(" ")
            if flag not in {"0", "1", "2"} or not name:
                raise ListError(f"{path}:{number}: expected 'video.avi 0|1|2', got {line!r}")
            if flag == HMDB51_FLAGS[split]:
                names.append(f"{label}/{name.strip()}")
                labels.append(label)
                lines.append((path, number))
    return Entries(names=names, labels=labels, folder=str(root.absolute()), where=partial(_where, lines))


def _where(lines: Sequence[tuple[Path, int]], place: int) -> str:
    file, number = lines[place]
    return f"{file}:{number}"
