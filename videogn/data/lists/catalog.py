"""Which videos a data set has: its folder, its lists, its classes."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from videogn.data.lists.entries import BETWEEN, Entries, ListError, Split
from videogn.data.lists.exclude import Exclude
from videogn.data.lists.folders import refuse_empty_folders
from videogn.data.lists.formats import default_list, read_list
from videogn.data.lists.hold_out import held_out
from videogn.data.lists.labels import classes_of, read_classes, resolve, without_videos
from videogn.data.lists.names import as_on_disk, why_missing
from videogn.data.lists.presence import on_disk
from videogn.data.lists.tables import Columns
from videogn.data.media import is_image
from videogn.data.motions.synthesize import synthesize

if TYPE_CHECKING:
    from videogn.data.lists.records import Records

MOTIONS_ROOT = Path("data") / "motions"


class Catalog:
    """The videos of a data set, read when they are first asked for.

    Args:
        root: Folder that holds the data set; data/motions is made when it is missing. None is refused once videos are
            asked for.
        lists: The list of each split, relative to root or to the working folder; None: what root has.
        classes: File of class names; None: classes.txt in root, else what the training list says.
        columns: Names of the columns of path and label; None: the usual ones.
        frame_folders: Whether folders of images in class folders are videos; None: refuse such.
        exclude: File of videos to go without, relative to root or to the working folder.
        allow_outside: Whether paths in lists may lead out of root.
        hold_out: Share of the training list that does not train, and that validates and tests in place of the other
            lists, which are not read then.
        multi_label: Whether the lists have any number of labels a video.
    """

    def __init__(
        self,
        root: str | None,
        *,
        lists: Mapping[Split, str | None],
        classes: str | None,
        columns: Columns | None = None,
        frame_folders: bool | None = None,
        exclude: str | None = None,
        allow_outside: bool = False,
        hold_out: float | None = None,
        multi_label: bool = False,
    ) -> None:
        self.root = root
        self.lists = lists
        self.classes_file = classes
        self.columns = columns
        self.frame_folders = frame_folders
        self.exclude_file = exclude
        self.allow_outside = allow_outside
        self.hold_out = hold_out
        self.multi_label = multi_label
        self.num_excluded: dict[Split, int] = {}  # of the lists that were read: videos that `exclude` names
        self.read_as: dict[Split, str] = {}  # of the lists that were read: their format, in words
        self.test_groups: Sequence[str] | None = None  # of the test's list, once it was read; Entries.groups
        self._records: dict[Split, Records] = {}
        self._present: dict[Split, Records] = {}
        self._groups: dict[Split, Sequence[str] | None] = {}  # by the place in the list; Entries.groups
        self._fingerprints: dict[Split, str] = {}
        self._train_entries: Entries | None = None  # read for the classes, until they become records

    @cached_property
    def root_path(self) -> Path:
        """The data root; data/motions is made where that is what it is and it is missing.

        Raises:
            ListError: None was given, or there is no such folder.
        """
        if self.root is None:
            raise ListError(
                f"data.root is not given: name the folder that holds the videos, with --data.root DIR "
                f"({MOTIONS_ROOT} for the built-in videos, which configs of their own are for: motions.yaml)"
            )
        path = Path(self.root)
        if path == MOTIONS_ROOT and not path.exists():
            print(f"making the data set 'motions' in {path} (deterministic; once) ...", file=sys.stderr)
            synthesize(path)
        if not path.is_dir():
            raise ListError(f"data.root {self.root!r} is no folder; expected the folder that holds the videos")
        return path

    @property
    def is_built_in(self) -> bool:
        """Whether the videos are those that videogn makes itself."""
        return (self.root_path / "motions.json").is_file()

    @cached_property
    def _file_of_classes(self) -> Path | None:
        if self.classes_file is not None:
            return Path(self.classes_file)
        usual = self.root_path / "classes.txt"
        return usual if usual.is_file() else None

    @cached_property
    def _exclude(self) -> Exclude | None:
        """What to go without; names in it that no list has are said."""
        if self.exclude_file is None:
            return None
        exclude = Exclude(self._given(self.exclude_file), root=self.root_path)
        lists = []
        for split in self.lists:
            with suppress(ListError):  # a list that this run may not need
                lists.append(self.read(split))
        if unknown := exclude.unknown(*lists):
            warnings.warn(
                f"{exclude.file}: {len(unknown):,} of its names are in no list (the first is {unknown[0]!r})",
                stacklevel=2,
            )
        return exclude

    @cached_property
    def classes(self) -> list[str]:
        """Class names in the order of their indices.

        Raises:
            ListError: The file of class names can't be used, or the list that they are taken from; a training class
                folder without videos and images is refused, unless a file names the classes.
        """
        if self._file_of_classes is not None:
            return read_classes(self._file_of_classes)
        if self._train_entries is None:
            self._train_entries = self.read("train")
        names = classes_of(self._train_entries)
        refuse_empty_folders(self.list_of("train"), names)
        return names

    def records(self, split: Split) -> Records:
        """Return all videos that a split's list names, missing ones too.

        Raises:
            ListError: The list does not exist, a line of it can't be parsed, a label is out of range, a class folder is
                empty and its class unknown, or no file of it is on disk.
        """
        if split not in self._records:
            if self.hold_out is None:
                self._records[split], is_there, groups = self._listed(split)
                self._groups[split] = groups
                self._present[split] = self._records[split] if is_there.all() else self._records[split].select(is_there)
                if split == "test":
                    self.test_groups = groups
            else:
                self._part_train_list(self.hold_out)
        return self._records[split]

    def _part_train_list(self, share: float) -> None:
        """Make the records of all splits from the training list: what is held out, and the rest."""
        whole, is_there, groups = self._listed("train")
        names = [record.name for record in whole]
        try:
            labels = [record.labels if self.multi_label else (record.label,) for record in whole]
            is_held = held_out(names, labels, groups, share=share)
        except ValueError as error:
            raise ListError(f"{self.list_of('train')}: {error}") from None
        self.test_groups = groups and [group for group, held in zip(groups, is_held, strict=True) if held]
        for split in self.lists:
            wanted = ~is_held if split == "train" else is_held
            self._records[split], self._present[split] = whole.select(wanted), whole.select(wanted & is_there)
            self._groups[split] = groups
            self.num_excluded[split], self.read_as[split] = self.num_excluded["train"], self.read_as["train"]

    def _listed(self, split: Split) -> tuple[Records, NDArray[np.bool_], Sequence[str] | None]:
        """Return all videos of a split's list, which of them are on disk, bool [N], and what they were cut from.

        Raises:
            ListError: As of `records`.
        """
        source = self.list_of(split)
        classes = self.classes
        kept = self._train_entries if split == "train" else None
        entries = kept or self.read(split)
        self._train_entries = None  # of a million files they are heavy
        self.num_excluded[split] = 0
        if self._exclude is not None:
            num_named = len(entries)
            entries = self._exclude.without(entries)
            self.num_excluded[split] = num_named - len(entries)
            if self.num_excluded[split]:
                print(
                    f"{source}: {self.num_excluded[split]} of {num_named} videos are left out ({self._exclude.file})",
                    file=sys.stderr,
                )
        self.read_as[split] = entries.read_as
        is_there = on_disk(entries)
        if not is_there.all():
            files = as_on_disk(entries.paths, folder=entries.folder, is_there=is_there.tolist())
            if files != list(entries.paths):
                entries = replace(entries, files=files, were_seen=None)
                is_there = on_disk(entries)
        records = resolve(entries, classes)
        if self._file_of_classes is None:
            refuse_empty_folders(source, classes)
        if not is_there.all():
            first, num_missing = records[int(is_there.argmin())].name, int((~is_there).sum())
            reason = why_missing(first)
            if num_missing == len(records):
                raise ListError(
                    f"{source}: none of its {len(records)} videos lies below {self.root_path} "
                    f"(the first is {first!r}{reason}): is data.root right?"
                )
            print(
                f"{source}: {num_missing} of {len(records)} videos are missing on disk "
                f"(the first is {first!r}{reason})",
                file=sys.stderr,
            )
        return records, is_there, entries.groups

    def doubts(self) -> list[str]:
        """Return what a training should know of its videos, a sentence each: empty classes, videos of two splits."""
        classes, train, val = self.classes, self.present("train"), self.present("val")
        found = []
        if empty := without_videos(train, classes):
            start = ": do its labels begin with 1?" if empty == ["0"] and classes[-1].isdigit() else ""
            found.append(f"{self.list_of('train')}: no training video of {_some_classes(empty, classes)}{start}")
            without = set(without_videos(val, classes))
            if names := [name for name in empty if name not in without]:
                found.append(
                    f"{self.list_of('val')}: validation videos of {_some_classes(names, classes)}, which no training "
                    f"video shows"
                )
        if (example := self.looks_like_several()) is not None:
            found.append(
                f"{self.list_of('train')}: classes such as {example!r} look like several labels of a video: "
                f"--data.multi_label true reads them so"
            )
        if 2 * len(val) < len(classes):
            found.append(
                f"{self.list_of('val')}: {len(val):,} validation videos for {len(classes):,} classes: their accuracy "
                f"says little"
            )
        of_val = {record.path for record in val}  # the smaller one
        shared = {record.path for record in train if record.path in of_val}
        both = [record.name for record in val if record.path in shared]
        if both:
            found.append(
                f"{len(both):,} of {len(val):,} validation videos are training videos, too (the first is {both[0]!r}): "
                f"their accuracy says nothing of other videos"
            )
        return found

    def looks_like_several(self) -> str | None:
        """Return a class whose name looks like several, where most are so and the lists are read with one a video."""
        joined = [name for name in self.classes if BETWEEN in name]
        return joined[0] if not self.multi_label and 2 * len(joined) > len(self.classes) else None

    @property
    def excluded(self) -> list[str]:
        """The names that `exclude` has."""
        return self._exclude.names if self._exclude is not None else []

    def read(self, split: Split) -> Entries:
        """Return all lines of a split's list, with labels as it has them.

        Raises:
            ListError: It does not exist, a line of it can't be parsed, or a path leads out of root.
        """
        return read_list(
            self._list_of(split),
            root=self.root_path,
            split=split,
            columns=self.columns,
            frame_folders=self.frame_folders,
            allow_outside=self.allow_outside,
            several=self.multi_label,
        )

    def settings(self) -> dict[str, str | None]:
        """Return root, lists and classes such that they name the same files from any working folder."""
        lists = {f"{split}_list": given and str(self._given(given).absolute()) for split, given in self.lists.items()}
        classes = self.classes_file and str(Path(self.classes_file).absolute())
        exclude = self.exclude_file and str(self._given(self.exclude_file).absolute())
        return {"root": str(self.root_path.absolute()), **lists, "classes": classes, "exclude": exclude}

    def present(self, split: Split) -> Records:
        """Return the videos of a split that are on disk."""
        self.records(split)
        return self._present[split]

    def groups(self, split: Split) -> list[str] | None:
        """Return what each video that is on disk was cut from, as the list says; None where it does not.

        "" stands for a video by itself.
        """
        present, groups = self.present(split), self._groups[split]
        return None if groups is None else [groups[record.index] for record in present]

    def fingerprint(self, split: Split) -> str:
        """Return a hash of names, labels and file sizes of a split: equal for equal data sets, wherever they lie."""
        if split not in self._fingerprints:
            digest = hashlib.sha256()
            for record in self.records(split):
                label = BETWEEN.join(map(str, record.labels)) if self.multi_label else record.label
                digest.update(f"{record.name}\t{label}\t{_size(record.path)}\n".encode("utf-8", "surrogatepass"))
            self._fingerprints[split] = digest.hexdigest()[:16]
        return self._fingerprints[split]

    def check_test_list(self) -> None:
        """Refuse a test list that is given and not there: behind the training it is late to say so.

        Raises:
            ListError: It is not there.
        """
        given = self.lists["test"]
        if given is None or self.hold_out is not None:
            return
        source = self._given(given)
        if not source.exists() and not glob.glob(str(source)):
            advice = "remove the folder, it is then made again with test videos" if self.is_built_in else "name another"
            raise ListError(
                f"data.test_list {given}: there is no such list in {self.root_path}: {advice}, or give null to test on "
                "the validation videos"
            )

    def _given(self, name: str) -> Path:
        below = self.root_path / name
        return below if below.exists() or "*" in name else Path(name)

    def list_of(self, split: Split) -> str | Path:
        """Return the list that a split's videos are of: what was given, or what the data root has.

        Raises:
            ListError: There is none.
        """
        return self._list_of(split if self.hold_out is None else "train")

    def _list_of(self, split: Split) -> str | Path:
        given = self.lists[split]
        if given is not None:
            return self._given(given)
        if split == "test":
            return self._list_of("val")
        found = default_list(self.root_path, split)
        if found is None:
            raise ListError(
                f"{self.root_path}: no list of {split} videos (looked for {split}.csv, {split}.txt and a folder "
                f"{split}): give --data.{split}_list, or have lists made of all videos: videogn data split DIR"
            )
        return found


def _some_classes(names: list[str], classes: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} of {len(classes)} classes ({shown})"


def _size(path: str | None) -> int:
    """Return bytes of a file, or the images of a folder of frames; -1 where there is none."""
    try:
        status = os.stat(path) if path is not None else None
        if path is not None and os.path.isdir(path):
            return sum(map(is_image, os.listdir(path)))
    except (OSError, ValueError):
        return -1
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else -1
