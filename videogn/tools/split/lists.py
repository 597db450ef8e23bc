"""A folder of class folders, or a list, split into lists: what is read, what is written, what there is to say of it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from videogn.data.lists.assign import assign
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import BETWEEN, ListError, Split
from videogn.data.lists.formats import default_list
from videogn.data.lists.groups import by_pattern, by_table, joined, same_bytes, sources_of
from videogn.data.lists.labels import resolve
from videogn.data.lists.lines import Lines, is_index
from videogn.data.lists.records import NO_CLASS, Records
from videogn.data.lists.tables import GROUP_COLUMN, Columns, table
from videogn.files import csv_text, replacing
from videogn.wording import counted

PARTS: tuple[Split, ...] = ("train", "val", "test")
# A name of its own can't be that of a group: what a pattern gives holds no line break.
_OF_GROUP = "group\n"
NO_GROUPS = "none"  # as --groups: each video by itself
FEWER = "--shares 0.8 0.2 0"
EACH_ALONE = "--groups none, and then accuracies are of scenes that training has seen"
Row = tuple[str, str, str]  # path, class, group: "" for a video by itself


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a part got: videos, groups, its share of the videos, the classes that it has none of, and its list."""

    num_videos: int
    num_groups: int
    share: float
    lacks: list[str]
    file: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was split, into lists in which folder, and how; `notes` are what to know of it, a sentence each.

    `leads_out`: whether the lists name videos outside of that folder. `grouped_by`: what says which videos stay
    together, where nobody asked for it; "" otherwise.
    """

    folder: str
    leads_out: bool
    num_videos: int
    num_groups: int
    num_classes: int
    grouped_by: str
    parts: dict[Split, Part]
    notes: list[str]


@dataclass(frozen=True)
class _Videos:
    """The videos to split, [N]; names are relative to the root, with slashes. A label may be several, or none.

    `classes` are those of all videos that have one.
    """

    names: list[str]
    paths: list[str]
    labels: list[str]
    classes: list[str]
    groups: list[str] | None  # the list's own
    several: bool

    def classes_of(self, label: str) -> list[str]:
        """Return the classes that a label names; of none, one without a name."""
        return label.split(BETWEEN) if self.several else [label]


def split(
    source: str | Path,
    *,
    root: str | Path | None = None,
    out: str | Path | None = None,
    shares: Sequence[float] = (0.7, 0.15, 0.15),
    groups: str | None = None,
    seed: int = 0,
    columns: Columns | None = None,
    frame_folders: bool | None = None,
    allow_outside: bool = False,
    multi_label: bool = False,
) -> Summary:
    """Write lists of the training, validation and test videos of a folder or a list; no video is touched.

    Args:
        source: A folder of class folders, or a list in any format that `fit` reads.
        root: What paths in a list are relative to; default: its folder.
        out: Where the lists go; default: root.
        shares: Of training, validation and test; they add up to 1. 0: no such part.
        groups: A regular expression over names, or a table of paths and groups; "none": each video by itself. Default:
            those of the list, else by names that look like those of numbered cuts of sources.
        seed: Other seeds give other splits.
        columns: Of path and label, in a table whose own are not known.
        frame_folders: Whether folders of images in class folders are videos.
        allow_outside: Whether paths in a list may lead out of the root.
        multi_label: Whether a list has any number of labels a video.

    Raises:
        ValueError: Something that can't be asked for, or videos that can't be split; nothing is written then.
        OSError: A list can't be written.
    """
    if (
        len(shares) != len(PARTS)
        or not all(0 <= share <= 1 for share in shares)
        or not all(shares[:2])
        or abs(sum(shares) - 1) > 1e-6
    ):
        got = " ".join(f"{share:g}" for share in shares)
        raise ValueError(
            f"shares are {got}; expected those of train, val and test: they add up to 1, only test may be 0"
        )
    wanted = {part: share for part, share in zip(PARTS, shares, strict=True) if share}
    source = Path(source)
    root = Path(root) if root is not None else source if source.is_dir() else source.parent
    out = Path(out) if out is not None else root
    _refuse_lists_in(source, out)
    catalog = Catalog(
        str(root),
        lists=dict.fromkeys(PARTS, str(source.absolute())),
        classes=None,
        columns=columns,
        frame_folders=frame_folders,
        allow_outside=allow_outside,
        multi_label=multi_label,
    )
    videos = _read(source, catalog)
    group_of, grouped_by, notes = _groups(videos, root, groups)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(group_of, videos.labels, strict=True):
        counts[group].update(videos.classes_of(label))
    sizes = Counter(group_of)
    part_of = assign(counts, wanted, seed=seed)
    rows: dict[Split, list[Row]] = {part: [] for part in wanted}
    above = os.path.relpath(root.resolve(), out.resolve()).replace(os.sep, "/")
    prefix = "" if above == os.curdir else f"{above}/"
    for name, label, group in zip(videos.names, videos.labels, group_of, strict=True):
        shown = group.removeprefix(_OF_GROUP).strip() if sizes[group] > 1 else ""
        rows[part_of[group]].append((prefix + name, label, shown))
    if empty := [part for part in wanted if not rows[part]]:
        raise ValueError(
            f"{source}: {len(counts)} groups for {len(wanted)} parts: {empty[0]} would get no video; expected smaller "
            f"groups, fewer parts ({FEWER}){f', or {EACH_ALONE}' if grouped_by else ''}"
        )
    _write(out, rows, videos, has_classes=not prefix and (root / "classes.txt").is_file())
    there = {name for label in videos.labels for name in videos.classes_of(label) if name}
    parts: dict[Split, Part] = {}
    for part, own in rows.items():
        parts[part] = Part(
            num_videos=len(own),
            num_groups=sum(found == part for found in part_of.values()),
            share=len(own) / len(videos.names),
            lacks=sorted(there.difference(*(videos.classes_of(label) for _, label, _ in own))),
            file=str(out / f"{part}.csv"),
        )
    return Summary(
        folder=str(out),
        leads_out=any(name.startswith("../") for own in rows.values() for name, _, _ in own),
        num_videos=len(videos.names),
        num_groups=len(counts),
        num_classes=len(there),
        grouped_by=grouped_by,
        parts=parts,
        notes=[*notes, *_far_off(parts, wanted, counts, largest=max(sizes.values()), grouped_by=grouped_by)],
    )


def _refuse_lists_in(source: Path, out: Path) -> None:
    """Refuse to write beside lists, all of which are named, and to take a folder that holds parts for a class."""
    found = [default_list(folder, part) for folder in {source: 0, out: 0} if folder.is_dir() for part in PARTS]
    there = [str(path) for path in found if path is not None and (path.is_dir() or path.parent == out)]
    if there:
        raise ListError(
            f"lists are there already, and nothing is overwritten ({' '.join(dict.fromkeys(there))}): move them away, "
            f"or give another --out; to split one of them, name it in place of the folder, and another --out"
        )


def _read(source: Path, catalog: Catalog) -> _Videos:
    """Return all videos that are on disk, by the catalog that a run reads.

    Raises:
        ListError: A run could not read them, or the list says of each video what part it is.
    """
    videos, classes = catalog.present("train"), catalog.classes
    if not source.is_dir() and not _is_whole(catalog):
        raise ListError(f"{source} says itself which videos are for training: give it to `videogn fit` as it is")
    if (example := catalog.looks_like_several()) is not None:
        raise ListError(
            f"{source}: classes such as {example!r} look like several labels of a video, and a split goes by the one "
            f"class of each: --multi_label true splits by each of them"
        )
    paths = [str(record.path) for record in videos]
    root = catalog.root_path.absolute()
    names = [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
    labels = _labels_of(videos, classes)
    return _Videos(names, paths, labels, classes, catalog.groups("train"), catalog.multi_label)


def _labels_of(videos: Records, classes: list[str]) -> list[str]:
    """Return the label of each video, several with BETWEEN between."""
    sets = ((record.label,) if record.label != NO_CLASS else record.labels for record in videos)
    return [BETWEEN.join(classes[label] for label in own) for own in sets]


def _is_whole(catalog: Catalog) -> bool:
    """Return whether a list names the same videos for training as for testing, which a part for validation is, too."""
    try:
        return catalog.records("train") == catalog.records("test")
    except ListError:
        return False


def _groups(videos: _Videos, root: Path, given: str | None) -> tuple[list[str], str, list[str]]:
    """Return the group of each video [N], what says so where nobody asked, and what to know of the groups."""
    notes = []
    grouped_by = ""
    found: Sequence[str | None] = [None] * len(videos.names)
    if given is None:
        found, by = sources_of(videos.names, videos.labels, videos.groups)
        if by != "nothing":
            place, group = next((place, group) for place, group in enumerate(found) if group is not None)
            what = "the list's column of groups" if by == "list" else "numbered names of cuts"
            grouped_by = f"{what}, as {videos.names[place]} of {group}"
    elif given != NO_GROUPS:
        is_table = os.path.isfile(given)
        found = by_table(videos.names, Path(given), root=root) if is_table else by_pattern(videos.names, given)
        alone = [name for name, group in zip(videos.names, found, strict=True) if group is None]
        if len(alone) == len(videos.names):
            what = "names none of the videos" if is_table else "matches no name"
            raise ValueError(f"--groups {given} {what} (the first is {alone[0]!r})")
        if alone:
            notes.append(
                f"{counted(len(alone), 'video')} of no group by --groups, each one of its own (the first: {alone[0]})"
            )
    groups = [name if group is None else _OF_GROUP + group for name, group in zip(videos.names, found, strict=True)]
    same = same_bytes(videos.paths)
    if same:
        copies = ", ".join(videos.names[place] for place in same[0][:2])
        notes.append(
            f"{sum(map(len, same)):,} videos have the same bytes as others, and stay with them (first: {copies})"
        )
    return joined(groups, same), grouped_by, notes


def _write(out: Path, rows: dict[Split, list[Row]], videos: _Videos, *, has_classes: bool) -> None:
    """Write the lists, and a file of classes where these are names: all of them whole before any gets its name.

    Raises:
        ListError: A name can't stand in a list.
    """
    texts, classes = {f"{part}.csv": _list_text(own, videos) for part, own in rows.items()}, videos.classes
    if not has_classes and not all(map(is_index, classes)):
        texts["classes.txt"] = "".join(f"{name}\n" for name in classes)
        if (out / "classes.txt").exists():
            raise ListError(f"{out / 'classes.txt'} is there already, and nothing is overwritten: move it away")
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:  # train.csv, the first here, is the last to get its name
        for name, text in texts.items():
            files.enter_context(replacing(out / name)).write_text(text, encoding="utf-8", newline="\n")


def _list_text(rows: list[Row], videos: _Videos) -> str:
    """Return a list that reads back as what it was made of; with a column of groups where there are some."""
    width = 3 if any(group for _, _, group in rows) else 2
    header = ("path", "labels" if videos.several else "label", GROUP_COLUMN)
    made = csv_text(row[:width] for row in (header, *rows))
    try:
        made.encode()
        lines = Lines.of(made, file=Path("list"))
        read = table(lines, root=Path(), split="train", given=None, several=videos.several)
        labels = _labels_of(resolve(read, videos.classes), videos.classes)
        back = zip(read.names, labels, read.groups or [""] * len(rows), strict=True)
        odd = next((row for row, other in zip(rows, back, strict=True) if row != other), None)
    except ValueError:  # one alone can be read, or can't
        odd = next((row for row in rows if len(rows) > 1 and not _can_stand(row, videos)), rows[0])
    if odd is not None:
        raise ListError(f"{odd[0]!r} of class {odd[1]!r} can't stand in a list (a text in UTF-8): rename it first")
    return made


def _can_stand(row: Row, videos: _Videos) -> bool:
    try:
        _list_text([row], videos)
    except ListError:
        return False
    return True


def _far_off(
    parts: dict[Split, Part],
    wanted: dict[Split, float],
    counts: dict[str, Counter[str]],
    *,
    largest: int,
    grouped_by: str,
) -> list[str]:
    """Return where the split is not what was asked for: classes that a part lacks, shares that groups do not allow.

    Args:
        counts: Of each group, how many videos it has of each class.
        largest: Videos of the largest group.
        grouped_by: What says the groups where nobody asked.
    """
    notes = []
    num_groups = Counter(label for group in counts.values() for label in group)
    for part, got in parts.items():
        if got.lacks:
            named = ", ".join(f"{name} ({counted(num_groups[name], 'group')})" for name in got.lacks[:5])
            more = ", ..." if len(got.lacks) > 5 else ""
            notes.append(f"{part} has no video of {counted(len(got.lacks), 'class')}: {named}{more}")
    lacking = {name for part in parts.values() for name in part.lacks}
    if "test" in parts and lacking:
        ways = [f"fewer parts ({FEWER})"] if any(num_groups[name] > 1 for name in lacking) else []
        ways += [EACH_ALONE] if grouped_by else []
        ways += ["more videos of these classes, of other sources"]
        notes.append(f"an accuracy says nothing of classes that its part lacks: {'; or '.join(ways)}")
    total = sum(part.num_videos for part in parts.values())
    if largest > 1 and any(abs(parts[part].share - share) > 0.02 for part, share in wanted.items()):
        notes.append(
            f"shares are not what was asked for: groups stay whole, and the largest has {largest:,} of {total:,} videos"
        )
    return notes
