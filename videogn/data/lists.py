"""Lists of videos and images as people have them, each read into the same entries.

- lines `path label` (space, comma or tab between; label an index or a class name), paths relative to the data root;
- Kinetics' own CSV (label, youtube_id, time_start, time_end, split), see kinetics.py for where the files lie;
- a folder of class folders (of images too: ImageNet as torchvision's ImageFolder takes it; or of both);
- UCF101's split files (`trainlist01.txt`, `testlist01.txt` beside `classInd.txt`);
- HMDB51's split files, named by a pattern (`splits/*_test_split1.txt`).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from videogn.data.entries import Entries, ListError, Split
from videogn.data.kinetics import is_kinetics, kinetics
from videogn.data.lines import HMDB51_SUFFIXES, Lines, hmdb51, path_label, ucf101
from videogn.data.media import Media, media_below, warn_of_mixture, without_thumbnails
from videogn.data.records import Records


def read_list(source: str | Path, *, root: Path, split: Split) -> Entries:
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
        entries = hmdb51([Path(match) for match in matches], root=root, split=split)
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


def classes_of(entries: Entries) -> list[str]:
    """Class names that a training list implies: its names, sorted; or 0 ... the largest index."""
    labels = set(entries.labels)
    if not entries.are_class_names and all(map(_is_index, labels)):
        return [str(index) for index in range(max(map(int, labels)) + 1)]
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


def resolve(entries: Entries, classes: Sequence[str]) -> Records:
    """Gives every entry its class index.

    Raises:
        ListError: A label that is no class name and no index in range, with file and line.
    """
    index_of = {name: index for index, name in enumerate(classes)}
    for place, label in enumerate(entries.labels):
        if label in index_of:
            continue
        index = int(label) if _is_index(label) and not entries.are_class_names else -1
        if not 0 <= index < len(classes):
            raise ListError(
                f"{entries.where(place)}: label {label!r} is out of range: "
                f"expected an index from 0 to {len(classes) - 1} or one of {_some(classes)}"
            )
        index_of[label] = index
    labels = map(index_of.__getitem__, entries.labels)
    return Records(entries.names, labels=labels, folder=entries.folder, files=entries.files)


def _is_index(label: str) -> bool:
    return label.isascii() and label.isdigit()


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} classes)" if len(names) > most else "")


def _folders_in(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())


def _class_folders(folder: Path) -> Entries:
    folders = _folders_in(folder)
    if not folders:
        raise ListError(f"{folder}: no class folders in it")
    found = [file for child in folders for file in read_folder(child, f"{child.name}{os.sep}")]
    media = without_thumbnails(found, where=folder)
    warn_of_mixture(media, where=folder)
    names = [file.name for file in media]
    below = str(folder.absolute())
    return Entries(
        names=names,
        labels=[name.partition(os.sep)[0] for name in names],
        folder=below,
        where=partial(_file_of, below, names),
        were_seen=[file.is_there for file in media],
    )


def _file_of(folder: str, names: Sequence[str], place: int) -> str:
    return os.path.join(folder, names[place])


def _file(path: Path, root: Path, split: Split) -> Entries:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
    if path.name.endswith(HMDB51_SUFFIXES):
        return hmdb51([path], root=root, split=split)
    lines = Lines.of(text, file=path)
    if lines.texts and is_kinetics(lines.texts[0]):
        return kinetics(text, file=path, root=root, split=split)
    if path.name.startswith(("trainlist", "testlist")) and (path.parent / "classInd.txt").is_file():
        return ucf101(lines, root=root)
    return path_label(lines, root=root)
