"""Lists of videos and images as people have them, each read into the same entries.

- lines `path label` (space, comma or tab between; label an index or a class name), paths relative to the data root;
- Kinetics' own CSV (label, youtube_id, time_start, time_end, split), see kinetics.py for where the files lie;
- a folder of class folders (of images too: ImageNet as torchvision's ImageFolder takes it; or of both);
- UCF101's split files (`trainlist01.txt`, `testlist01.txt` beside `classInd.txt`);
- HMDB51's split files, named by a pattern (`splits/*_test_split1.txt`).
"""

from __future__ import annotations

import csv
import glob
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from videogn.data.kinetics import find_videos, locate
from videogn.data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Media, media_below, warn_of_mixture, without_thumbnails

Split = Literal["train", "val", "test"]
# A path that ends like a video's or an image's, and what stands between it and its label.
_SUFFIX = "|".join(map(re.escape, sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES)))
_BEHIND_FILE = re.compile(f"(?:{_SUFFIX})(?P<gap>[ ,]+)", flags=re.IGNORECASE)
HMDB51_SUFFIXES = tuple(f"_test_split{number}.txt" for number in (1, 2, 3))
HMDB51_FLAGS: dict[str, str] = {"train": "1", "val": "2", "test": "2"}


class ListError(ValueError):
    """A list of videos that can't be used, with file and line where there is one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list: path (absolute, or None where no file was found), label as written, and where it stands."""

    path: str | None
    label: str
    where: str
    name: str
    is_class_name: bool = False  # a label that is a name even where it looks like an index
    was_seen: bool = False  # on disk, in the listing of a folder: nobody needs to look again


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """A video of a data set.

    Attributes:
        path: The file; None where the list names one that is not on disk.
        label: Class index.
        index: Its place in the list, from 0: what its randomness derives from.
        name: The path as the list has it: what results call it.
    """

    path: str | None
    label: int
    index: int
    name: str


def read_list(source: str | Path, *, root: Path, split: Split) -> list[Entry]:
    """Reads a list of any known format.

    Args:
        source: A file, a folder of class folders, or a pattern of HMDB51's split files.
        root: What paths in it are relative to, and where Kinetics' files are looked for.
        split: Which part is wanted, where a list holds several.

    Raises:
        ListError: It does not exist, is empty, or a line can't be parsed (file and line number).
    """
    path = Path(source)
    if path.is_dir():
        entries = _class_folders(path)
    elif path.is_file():
        entries = _file(path, root, split)
    elif matches := sorted(glob.glob(str(source))):
        entries = _hmdb51([Path(match) for match in matches], root, split)
    else:
        raise ListError(f"{source}: no such list of videos (a file, a folder of class folders, or a pattern)")
    if not entries:
        raise ListError(f"{source}: the list names no video")
    return entries


def read_folder(folder: Path, prefix: str = "") -> list[Media]:
    """All videos and images below a folder, in order; see `media_below`.

    Raises:
        ListError: A folder can't be read.
    """
    try:
        return list(media_below(folder, prefix))
    except OSError as error:
        raise ListError(f"{error.filename}: the folder can't be read ({error.strerror})") from error


def default_list(root: Path, split: Split) -> Path | None:
    """The list that a data root has for a split: SPLIT.csv, SPLIT.txt or a folder SPLIT; None where it has none."""
    names = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}[split]
    candidates = [root / f"{name}{suffix}" for name in names for suffix in (".csv", ".txt", "")]
    return next((candidate for candidate in candidates if candidate.exists()), None)


def read_classes(path: Path) -> list[str]:
    """Class names, one a line.

    Raises:
        ListError: The file does not exist, is empty, or names a class twice.
    """
    if not path.is_file():
        raise ListError(f"{path}: no such file of class names")
    names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not names:
        raise ListError(f"{path}: no class names in it (expected one a line)")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ListError(f"{path}: the class {twice!r} is named twice")
    return names


def classes_of(entries: Sequence[Entry]) -> list[str]:
    """Class names that a training list implies: its names, sorted; or 0 ... the largest index."""
    labels = {entry.label for entry in entries}
    if all(_is_index(entry.label) and not entry.is_class_name for entry in entries):
        return [str(index) for index in range(max(int(label) for label in labels) + 1)]
    return sorted(labels)


def refuse_empty_folders(source: str | Path, classes: Sequence[str]) -> None:
    """Refuses a list that is a folder of class folders if one of those is empty and gave no class.

    A class folder may be empty where its class is known from elsewhere: in validation, from training.

    Args:
        source: A list as `read_list` takes it; of any other kind, nothing is looked at.
        classes: Names of the classes that are known. Those of all folders that hold something are taken to be.

    Raises:
        ListError: A class folder holds no videos and no images, and is none of the classes.
    """
    if not Path(source).is_dir():
        return
    known = set(classes)
    empty = [folder.name for folder in _folders_in(Path(source)) if folder.name not in known]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise ListError(
            f"{source}: class folder {empty[0]} holds no videos or images{others}: fill it, remove it, or name the "
            f"classes in a file (classes.txt, or --data.classes)"
        )


def resolve(entries: Iterable[Entry], classes: Sequence[str]) -> list[VideoRecord]:
    """Gives every entry its class index.

    Raises:
        ListError: A label that is no class name and no index in range, with file and line.
    """
    index_of = {name: index for index, name in enumerate(classes)}
    records = []
    for place, entry in enumerate(entries):
        index = int(entry.label) if _is_index(entry.label) and not entry.is_class_name else -1
        label = index_of.get(entry.label, index)
        if not 0 <= label < len(classes):
            raise ListError(
                f"{entry.where}: label {entry.label!r} is out of range: "
                f"expected an index from 0 to {len(classes) - 1} or one of {_some(classes)}"
            )
        records.append(VideoRecord(entry.path, label, place, entry.name))
    return records


def _is_index(label: str) -> bool:
    return label.isascii() and label.isdigit()


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} classes)" if len(names) > most else "")


def _folders_in(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())


def _class_folders(folder: Path) -> list[Entry]:
    folders = _folders_in(folder)
    if not folders:
        raise ListError(f"{folder}: no class folders in it")
    found = [file for child in folders for file in read_folder(child, f"{child.name}{os.sep}")]
    media = without_thumbnails(found, where=folder)
    warn_of_mixture(media, where=folder)
    below = str(folder.absolute())
    return [
        Entry(path, sys.intern(name.partition(os.sep)[0]), path, name, is_class_name=True, was_seen=is_there)
        for name, is_there in media
        for path in [f"{below}{os.sep}{name}"]
    ]


def _file(path: Path, root: Path, split: Split) -> list[Entry]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
    if path.name.endswith(HMDB51_SUFFIXES):
        return _hmdb51([path], root, split)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if lines and "youtube_id" in [field.strip() for field in next(csv.reader([lines[0][1]], skipinitialspace=True))]:
        return _kinetics(path, text, root, split)
    if path.name.startswith(("trainlist", "testlist")) and (path.parent / "classInd.txt").is_file():
        return _ucf101(path, lines, root)
    return [
        _entry(root, *_split_line(path, number, line), f"{path}:{number}")
        for number, line in lines
        if not (number == lines[0][0] and re.fullmatch(r"path[ ,\t]+label", line, flags=re.IGNORECASE))
    ]


def _entry(root: Path, name: str, label: str, where: str, *, is_class_name: bool = False) -> Entry:
    return Entry(str(root.absolute() / name), label, where, name, is_class_name)


def _split_line(path: Path, number: int, line: str) -> tuple[str, str]:
    """Path and label of a line: cut at a tab, else behind the last file suffix, else at the last comma or space."""
    if "\t" in line:
        name, _, label = line.rpartition("\t")
    elif line.startswith('"'):
        name, label = (*next(csv.reader([line], skipinitialspace=True)), "", "")[:2]
    elif found := list(_BEHIND_FILE.finditer(line)):
        name, label = line[: found[-1].start("gap")], line[found[-1].end("gap") :]
    else:
        name, _, label = line.rpartition("," if "," in line else " ")
    if not name.strip() or not label.strip():
        raise ListError(f"{path}:{number}: expected 'path label' (space, comma or tab between), got {line!r}")
    return name.strip(), label.strip().strip('"')


def _kinetics(path: Path, text: str, root: Path, split: Split) -> list[Entry]:
    files = find_videos(root, VIDEO_SUFFIXES)
    names = {"train": {"train"}, "val": {"val", "validate", "validation"}}
    names["test"] = names["val"] | {"test"}
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    parsed = [(f"{path}:{rows.line_num}", row) for row in rows]
    # A file of one split is taken whole, whatever it calls itself; of a file of several, the rows that are asked for.
    several = len({(row.get("split") or "").strip() for _, row in parsed}) > 1
    entries = []
    for where, row in parsed:
        if several and (row.get("split") or "").strip() not in names[split]:
            continue
        label, video_id = (row.get("label") or "").strip(), (row.get("youtube_id") or "").strip()
        if not label or not video_id:
            raise ListError(f"{where}: expected columns label, youtube_id, time_start, time_end, got {dict(row)}")
        try:
            start, end = int(float(row.get("time_start") or "")), int(float(row.get("time_end") or ""))
        except ValueError:
            raise ListError(f"{where}: time_start and time_end must be seconds, got {dict(row)}") from None
        found = locate(files, video_id, start, end)
        entries.append(Entry(found, label, where, f"{video_id}_{start:06d}_{end:06d}", is_class_name=True))
    return entries


def _ucf101(path: Path, lines: list[tuple[int, str]], root: Path) -> list[Entry]:
    # The class is the folder; the number behind it, in training lists only, counts from 1 and says the same.
    entries = []
    for number, line in lines:
        name = line.rpartition(" ")[0] if line.rpartition(" ")[2].isdigit() else line
        label = Path(name).parent.name
        if not label:
            raise ListError(f"{path}:{number}: expected 'Class/video.avi' or 'Class/video.avi 1', got {line!r}")
        entries.append(_entry(root, name, label, f"{path}:{number}", is_class_name=True))
    return entries


def _hmdb51(paths: list[Path], root: Path, split: Split) -> list[Entry]:
    entries = []
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
                entries.append(_entry(root, f"{label}/{name.strip()}", label, f"{path}:{number}", is_class_name=True))
    return entries
