"""Which folders of images are videos: those whose images are numbered as frames are."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from videogn.data.decoding.frames import numbered
from videogn.data.media import Media


def with_frame_folders(media: Sequence[Media], *, depth: int, where: str | Path) -> list[Media]:
    """Return files of a folder, the images of a folder of frames replaced by that folder, which is one video.

    A folder of frames holds at least two images and no video; their names differ in one number alone, and at least half
    of the numbers from the first to the last are there. Gaps, and how many such folders were found, a warning says.

    Args:
        media: Files by their paths below a folder, in order.
        depth: How many folders must lie above an image, for it to be a frame.
        where: The folder, for the warning.
    """
    inside: dict[str, list[Media]] = defaultdict(list)
    for file in media:
        inside[os.path.dirname(file.name)].append(file)
    videos: dict[str, tuple[int, int]] = {}  # folder of frames -> its images, and those that are missing
    for folder, files in inside.items():
        deep = folder.count(os.sep) + 1 if folder else 0
        if deep < depth or len(files) < 2 or not all(file.is_image for file in files):
            continue
        try:
            numbers = [number for number, _ in numbered([os.path.basename(file.name) for file in files])]
        except ValueError:
            continue
        missing = numbers[-1] - numbers[0] + 1 - len(numbers)
        if missing <= len(numbers):
            videos[folder] = (len(files), missing)
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
