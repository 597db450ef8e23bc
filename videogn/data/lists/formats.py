"""The formats of lists: how each is recognised, and what reads it. A new one is a function, a row here and a test.

- a folder of class folders (folders.py), or of videos with metadata.csv or metadata.jsonl (tables.py);
- JSON documents: Kinetics', Something-Something's, Diving48's (documents.py);
- UCF101's and HMDB51's split files (split_files.py), HMDB51's also by a pattern (`splits/*_test_split1.txt`);
- Kinetics' own CSV (kinetics.py says where the files lie);
- tables whose header names columns of paths and labels, and objects with such keys, one a line, .jsonl (tables.py);
- lines `path label`, `path frames label` and others of fixed fields (lines.py);
- with several labels a video: tables, lines `path label label ...`, and Charades' CSV (several.py).
"""

from __future__ import annotations

import csv
import glob
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from videogn.data.lists.documents import document
from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.folders import class_folders
from videogn.data.lists.kinetics import is_kinetics, kinetics
from videogn.data.lists.lines import Lines, path_label
from videogn.data.lists.outside import refuse_outside
from videogn.data.lists.several import charades, is_charades, path_labels
from videogn.data.lists.split_files import HMDB51_SUFFIXES, hmdb51, ucf101
from videogn.data.lists.tables import Columns, columns_of, json_lines, metadata_folder, metadata_of, read_text, table


@dataclass(frozen=True)
class Source:
    """What a list is read from.

    Attributes:
        path: A file or a folder; of a pattern, the first that it matches.
        matches: All files that a pattern matches; none where a path was given.
        root: What paths in it are relative to, and where Kinetics' files are looked for.
    """

    path: Path
    matches: tuple[Path, ...]
    root: Path
    split: Split
    columns: Columns | None
    frame_folders: bool | None
    several: bool

    @cached_property
    def text(self) -> str:
        """The file's content."""
        return read_text(self.path)

    @cached_property
    def lines(self) -> Lines:
        """Its lines that are not blank and no comments."""
        return Lines.of(self.text, file=self.path)

    @cached_property
    def metadata(self) -> Lines | None:
        """A folder's own list of its videos."""
        return metadata_of(self.path, self.columns) if self.path.is_dir() else None

    @property
    def header(self) -> str:
        """Its first line."""
        return self.lines.texts[0] if self.lines.texts else ""


@dataclass(frozen=True)
class Format:
    """A format of lists: its name, what recognises a source of it, what reads that, how many labels a video has."""

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Entries]
    labels: Literal["one", "several", "either"] = "one"


# The first that recognises a source reads it.
FORMATS = (
    Format(
        "folder with metadata",
        lambda it: it.metadata is not None,
        lambda it: metadata_folder(it.metadata or it.lines, split=it.split, given=it.columns, several=it.several),
        labels="either",
    ),
    Format(
        "folder of class folders",
        lambda it: it.path.is_dir(),
        lambda it: class_folders(it.path, frame_folders=it.frame_folders),
    ),
    Format(
        "HMDB51 split files",
        lambda it: bool(it.matches) or it.path.name.endswith(HMDB51_SUFFIXES),
        lambda it: hmdb51(
            [Lines.of(read_text(file), file=file) for file in it.matches or (it.path,)], root=it.root, split=it.split
        ),
    ),
    Format(
        "JSON document",
        lambda it: it.path.suffix.lower() == ".json",
        lambda it: document(it.text, file=it.path, root=it.root, split=it.split),
    ),
    Format(
        "JSON lines",
        lambda it: it.path.suffix.lower() == ".jsonl",
        lambda it: json_lines(it.lines, root=it.root, split=it.split, given=it.columns, several=it.several),
        labels="either",
    ),
    Format("table of the user's columns", lambda it: it.columns is not None, lambda it: _table_of(it), labels="either"),
    Format(
        "Charades CSV",
        lambda it: is_charades(it.header),
        lambda it: charades(it.text, file=it.path, root=it.root),
        labels="several",
    ),
    Format(
        "Kinetics CSV",
        lambda it: is_kinetics(it.header),
        lambda it: kinetics(it.text, file=it.path, root=it.root, split=it.split),
    ),
    Format(
        "UCF101 split file",
        lambda it: it.path.name.startswith(("trainlist", "testlist")) and (it.path.parent / "classInd.txt").is_file(),
        lambda it: ucf101(it.lines, root=it.root),
    ),
    Format("table", lambda it: columns_of(it.header, None) is not None, lambda it: _table_of(it), labels="either"),
    Format("lines", lambda it: True, lambda it: _lines_of(it), labels="either"),
)


def _table_of(source: Source) -> Entries:
    if source.columns is not None and columns_of(source.header, source.columns) is None:
        raise ListError(
            f"{source.path}: no columns {' and '.join(source.columns)} in its first line, {source.header!r}: "
            f"--data.list_columns names columns of the header"
        )
    return table(source.lines, root=source.root, split=source.split, given=source.columns, several=source.several)


def _lines_of(source: Source) -> Entries:
    if source.several:
        return path_labels(source.lines, root=source.root)
    return path_label(source.lines, root=source.root, split=source.split)


def read_list(
    given: str | Path,
    *,
    root: Path,
    split: Split,
    columns: Columns | None = None,
    frame_folders: bool | None = None,
    allow_outside: bool = False,
    several: bool = False,
) -> Entries:
    """Read a list of any known format.

    Args:
        given: A file, a folder of class folders, or a pattern of HMDB51's split files.
        root: What paths in it are relative to, and where files are looked for by their ids.
        split: Which part is wanted, where a list holds several.
        columns: Names of the columns of path and label, for a table whose own are not known.
        frame_folders: Whether folders of images in class folders are videos; None: refuse such.
        allow_outside: Whether paths may lead out of `root`.
        several: Whether a video has any number of labels.

    Raises:
        ListError: It does not exist, is empty, a line can't be parsed, or a path leads out (file and line number). Or
            its format has one label a video, and several are meant, or the other way round.
    """
    path = Path(given)
    matches = () if path.is_dir() or path.is_file() else tuple(map(Path, sorted(glob.glob(str(given)))))
    if not (path.is_dir() or path.is_file() or matches):
        raise ListError(f"{given}: no such list of videos (a file, a folder of class folders, or a pattern)")
    source = Source(matches[0] if matches else path, matches, root, split, columns, frame_folders, several)
    try:
        found = next(each for each in FORMATS if each.recognises(source))
        if found.labels == "one" and several:
            raise ListError(
                f"{given}: a video of this list ({found.name}) has one label, and data.multi_label is on: expected "
                f"lines 'path label label ...', a table with a column of labels, or Charades' CSV; or leave it off"
            )
        if found.labels == "several" and not several:
            raise ListError(f"{given}: a video of this list ({found.name}) has several labels: data.multi_label true")
        entries = found.read(source)
    except csv.Error as error:
        raise ListError(f"{given}: no table ({error}): does each quote end?") from None
    except OSError as error:
        raise ListError(f"{given}: it can't be read ({error.strerror})") from error
    if not entries:
        raise ListError(f"{given}: the list names no video" + (f" of {split}" if entries.read_as else ""))
    if not allow_outside:
        refuse_outside(entries, root=root)
    return entries


def default_list(root: Path, split: Split) -> Path | None:
    """Return a data root's list for a split: SPLIT.csv, .txt or .json, or a folder SPLIT; None where it has none."""
    names = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}[split]
    candidates = [root / f"{name}{suffix}" for name in names for suffix in (".csv", ".txt", ".json", "")]
    return next((candidate for candidate in candidates if candidate.exists()), None)
