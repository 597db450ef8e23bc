"""Which folders of images are videos: those whose images are numbered as frames are."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from videogn.data.decoding.frames import numbered
from videogn.data.media import Media


def with_frame_folders(media: Sequence[Media], *, depth: int, where: str | Path) -> list[Media]:
    """Return files of a folder, the images of a folder of frames replaced by that folder, which is one video.

    A folder of frames holds at least two images and no video; their names differ in one number alone, and at least half
    of the numbers from the first to the last are there. Gaps, how many such folders were found, and which folders are
    none and why, a warning says. Where no class has more than one of them, they are the images of the classes.

    Args:
        media: Files by their paths below a folder, in order.
        depth: How many folders must lie above an image, for it to be a frame.
        where: The folder, for the warning.
    """
    inside: dict[str, list[Media]] = defaultdict(list)
    for file in media:
        inside[os.path.dirname(file.name)].append(file)
    videos: dict[str, tuple[int, int]] = {}  # folder of frames -> its images, and those that are missing
    others: dict[str, str] = {}  # folder of images that is none -> why
    for folder, files in inside.items():
        deep = folder.count(os.sep) + 1 if folder else 0
        if deep < depth or sum(file.is_image for file in files) < 2:
            continue
        try:
            numbers = [number for number, _ in numbered([os.path.basename(file.name) for file in files])]
        except ValueError as error:
            others[folder] = str(error)
            continue
        missing = numbers[-1] - numbers[0] + 1 - len(numbers)
        if not all(file.is_image for file in files):
            others[folder] = "it holds videos, too"
        elif missing > len(numbers):
            others[folder] = f"{missing:,} numbers are missing"
        else:
            videos[folder] = (len(files), missing)
    if others and depth:
        first, reason = next(iter(others.items()))
        warnings.warn(
            f"{where}: {len(others):,} folders of images below the classes are not read as frames of a video, their "
            f"images are taken one by one (the first is {first!r}: {reason})",
            stacklevel=2,
        )
    of_classes = Counter(folder.partition(os.sep)[0] for folder in videos)
    if depth == 2 and videos and max(of_classes.values()) == 1:
        warnings.warn(
            f"{where}: one folder of images in a class ({next(iter(videos))!r}): they are taken one by one; to have "
            f"each folder read as the frames of a video, name it in a list (path label)",
            stacklevel=2,
        )
        return list(media)
    if not videos:
        return list(media)
    counts = [count for count, _ in videos.values()]
    gaps = [folder for folder, (_, missing) in videos.items() if missing]
    with_gaps = f"; {len(gaps)} with gaps in the numbers (the first is {gaps[0]!r})" if gaps else ""
    length = f"{min(counts):,}" + (f" to {max(counts):,}" if max(counts) > min(counts) else "")
    noun = "video" if len(videos) == 1 else "videos"
    warnings.warn(
        f"{where}: read as folders of frames: {len(videos):,} {noun} of {length} frames{with_gaps}", stacklevel=2
    )
    found: dict[str, Media] = {}
    for file in media:
        folder = os.path.dirname(file.name)
        one = Media(folder, True, False) if folder in videos else file
        found.setdefault(one.name, one)
    return list(found.values())
