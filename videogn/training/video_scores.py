"""videos.csv: what a test found of each video, so that anyone can compute accuracies and intervals again."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogn.files import ODD_NAMES, replacing
from videogn.training.result import Result, ScoredVideo

COLUMNS = ("index", "video", "label", "predicted", "rank", "probability", "group")


@dataclass(frozen=True)
class VideoScores:
    """The videos that a test scored, by their places in its list.

    Args:
        indices: [n] places in the list, from 0.
        ranks: [n] how many other classes have a probability that is at least as high: top-k are the ranks below k.
        groups: [n] what each was cut from, "" for a video by itself; None where the list does not say it.
    """

    indices: tuple[int, ...]
    ranks: tuple[int, ...]
    groups: tuple[str, ...] | None


def write_videos(
    videos: Sequence[ScoredVideo], names: Sequence[str], groups: Sequence[str] | None, folder: Path
) -> Path:
    """Write videos.csv, a row for each scored video in the order of the list; return its path.

    Args:
        videos: [n], in the order of their places.
        names: [n] as the list has them.
        groups: [n] what each was cut from, "" for a video by itself; None where the list does not say it.
        folder: The run's.
    """
    path = folder / "videos.csv"
    columns = COLUMNS if groups is not None else COLUMNS[:-1]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors=ODD_NAMES) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for place, (video, name) in enumerate(zip(videos, names, strict=True)):
            row: list[Any] = [video.index, name, video.label, video.predicted, video.rank]
            row.append(f"{math.exp(-video.loss):.6g}")
            writer.writerow(row if groups is None else [*row, groups[place]])
    return path


def read_videos(folder: Path, result: Result) -> VideoScores | None:
    """Read the videos.csv beside a result.json; None where there is none, as of earlier versions.

    Raises:
        ValueError: It can't be read, or is not of that result.
    """
    path = folder / "videos.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            indices, ranks, groups = [], [], []
            for row in reader:
                indices.append(int(row["index"]))
                ranks.append(int(row["rank"]))
                groups.append(row.get("group"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error
    num_right = sum(rank < 1 for rank in ranks)
    if len(ranks) != (result.num_videos_scored or -1) or abs(100 * num_right / len(ranks) - result.top1) > 1e-3:
        raise ValueError(
            f"{path.name} is not of its result.json: it has {num_right} of {len(ranks)} videos right, and that says "
            f"{result.top1:.2f} % of {result.num_videos_scored}"
        )
    known = [group for group in groups if group is not None]
    return VideoScores(tuple(indices), tuple(ranks), tuple(known) if len(known) == len(ranks) else None)
