"""What a folder holds: the videos to prepare, where each of them goes, and the lists to copy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from videogn.data.media import VIDEO_SUFFIXES, LeftOut, below, is_image, is_media

LIST_SUFFIXES = (".csv", ".txt", ".tsv", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class Originals:
    """What lies below a folder; all paths relative to it, with "/" between, in order.

    Attributes:
        targets: Of every video, the prepared one's path.
        lists: Files that may name videos, or classes.
        num_images: Images, which are left where they are.
    """

    targets: dict[str, str]
    lists: list[str]
    num_images: int


def find_originals(root: Path) -> Originals:
    """Return everything below a folder that is whole and not hidden; see `walk`.

    Raises:
        ValueError: There is no video, or two of them would get the same name.
        OSError: A folder can't be read.
    """
    left_out = LeftOut()
    names = [name.replace(os.sep, "/") for name, _ in below(root, left_out=left_out)]
    others = [name for name in names if not is_media(name) and not name.lower().endswith(LIST_SUFFIXES)]
    left_out.others.update(os.path.splitext(name)[1].lower() for name in others)
    targets: dict[str, str] = {}
    source_of: dict[str, str] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in VIDEO_SUFFIXES:
            continue
        target = targets[name] = f"{stem}.mp4"
        if target in source_of:
            raise ValueError(
                f"{root}: {source_of[target]} and {name} would both become {target}: rename one of them, or move "
                f"it away"
            )
        source_of[target] = name
    if not targets:
        raise ValueError(
            f"{root} holds no videos ({sum(map(is_image, names))} images, which are read as they are); expected files "
            f"that end in one of {', '.join(sorted(VIDEO_SUFFIXES))}"
        )
    left_out.warn(root)
    return Originals(
        targets=targets,
        lists=[name for name in names if os.path.splitext(name)[1].lower() in LIST_SUFFIXES],
        num_images=sum(map(is_image, names)),
    )
