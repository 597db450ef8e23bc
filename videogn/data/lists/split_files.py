"""UCF101's and HMDB51's split files, in which the name of a folder or of the file is the class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.lines import Lines

HMDB51_SUFFIXES = tuple(f"_test_split{number}.txt" for number in (1, 2, 3))
HMDB51_FLAGS: dict[str, str] = {"train": "1", "val": "2", "test": "2"}


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
    folder = str(root.absolute())
    return Entries(names=names, labels=labels, folder=folder, where=lines.where, read_as="UCF101's split file")


@lru_cache(maxsize=4096)
def _folder_name(path: str) -> str:
    return Path(path).parent.name


def hmdb51(files: Sequence[Lines], *, root: Path, split: Split) -> Entries:
    """Read split files of HMDB51, CLASS_test_splitN.txt: `video.avi 0|1|2`, of which 1 is training and 2 is testing.

    Raises:
        ListError: A file is not named so, or a line is of another kind.
    """
    names: list[str] = []
    labels: list[str] = []
    places: list[tuple[Path, int]] = []
    for lines in files:
        label, found, _ = lines.file.name.partition("_test_split")
        if not found:
            raise ListError(f"{lines.file}: a pattern must match HMDB51's split files, CLASS_test_splitN.txt")
        for number, line in zip(lines.numbers, lines.texts, strict=True):
            name, _, flag = line.rpartition(" ")
            if flag not in {"0", "1", "2"} or not name:
                raise ListError(f"{lines.file}:{number}: expected 'video.avi 0|1|2', got {line!r}")
            if flag == HMDB51_FLAGS[split]:
                names.append(f"{label}/{name.strip()}")
                labels.append(label)
                places.append((lines.file, number))
    return Entries(
        names=names,
        labels=labels,
        folder=str(root.absolute()),
        where=partial(_where, places),
        read_as=f"HMDB51's split files ({len(files)})",
    )


def _where(places: Sequence[tuple[Path, int]], place: int) -> str:
    file, number = places[place]
    return f"{file}:{number}"
