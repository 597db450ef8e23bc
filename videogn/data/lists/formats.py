"""The formats of lists: how each is recognised, and what reads it. A new one is a function, a row here and a test.

- a folder of class folders (folders.py);
- UCF101's and HMDB51's split files (lines.py), HMDB51's also by a pattern (`splits/*_test_split1.txt`);
- Kinetics' own CSV (kinetics.py says where the files lie);
- lines `path label` (lines.py).
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.folders import class_folders
from videogn.data.lists.kinetics import is_kinetics, kinetics
from videogn.data.lists.lines import HMDB51_SUFFIXES, Lines, hmdb51, path_label, ucf101


@dataclass(frozen=True)
class Source:
    """What a list is read from.

    Attributes:
        path: A file or a folder; of a pattern, the first that it matches.
        matches: All files that a pattern matches; none where a path was given.
        root: What paths in it are relative to, and where Kinetics' files are looked for.
        split: Which part is wanted, where a list holds several.
    """

    path: Path
    matches: tuple[Path, ...]
    root: Path
    split: Split

    @cached_property
    def text(self) -> str:
        """The file's content."""
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ListError(f"{self.path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None

    @cached_property
    def lines(self) -> Lines:
        """Its lines that are not blank."""
        return Lines.of(self.text, file=self.path)


@dataclass(frozen=True)
class Format:
    """A format of lists: its name, what recognises a source of it, and what reads that."""

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Entries]


# The first that recognises a source reads it.
FORMATS = (
    Format("folder of class folders", lambda it: it.path.is_dir(), lambda it: class_folders(it.path)),
    Format(
        "HMDB51 split files",
        lambda it: bool(it.matches) or it.path.name.endswith(HMDB51_SUFFIXES),
        lambda it: hmdb51(it.matches or (it.path,), root=it.root, split=it.split),
    ),
    Format(
        "Kinetics CSV",
        lambda it: bool(it.lines.texts) and is_kinetics(it.lines.texts[0]),
        lambda it: kinetics(it.text, file=it.path, root=it.root, split=it.split),
    ),
    Format(
        "UCF101 split file",
        lambda it: it.path.name.startswith(("trainlist", "testlist")) and (it.path.parent / "classInd.txt").is_file(),
        lambda it: ucf101(it.lines, root=it.root),
    ),
    Format("lines of path and label", lambda it: True, lambda it: path_label(it.lines, root=it.root)),
)


def read_list(given: str | Path, *, root: Path, split: Split) -> Entries:
    """Read a list of any known format.

    Args:
        given: A file, a folder of class folders, or a pattern of HMDB51's split files.
        root: What paths in it are relative to, and where Kinetics' files are looked for.
        split: Which part is wanted, where a list holds several.

    Raises:
        ListError: It does not exist, is empty, or a line can't be parsed (file and line number).
    """
    path = Path(given)
    matches = () if path.is_dir() or path.is_file() else tuple(map(Path, sorted(glob.glob(str(given)))))
    if not (path.is_dir() or path.is_file() or matches):
        raise ListError(f"{given}: no such list of videos (a file, a folder of class folders, or a pattern)")
    source = Source(matches[0] if matches else path, matches, root, split)
    entries = next(each for each in FORMATS if each.recognises(source)).read(source)
    if not entries:
        raise ListError(f"{given}: the list names no video")
    return entries


def default_list(root: Path, split: Split) -> Path | None:
    """Return a data root's list for a split: SPLIT.csv, SPLIT.txt or a folder SPLIT; None where it has none."""
    names = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}[split]
    candidates = [root / f"{name}{suffix}" for name in names for suffix in (".csv", ".txt", "")]
    return next((candidate for candidate in candidates if candidate.exists()), None)
