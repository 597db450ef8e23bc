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

# probability: of its class; confidence: of the predicted class.
COLUMNS = ("index", "video", "label", "predicted", "rank", "probability", "confidence", "group")
# The least that a test tells from 0: of float32, as in scoring.
_LEAST_PROBABILITY = 2.0**-126


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


@dataclass(frozen=True)
class TestedVideos:
    """The videos that a test scored, with all that videos.csv says of them.

    Args:
        videos: [n] in the order of the list; their confidence is None in files of earlier versions.
        names: [n] as the list has them.
        groups: As of VideoScores.
    """

    videos: tuple[ScoredVideo, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...] | None

    __test__ = False  # its name looks like a test's


def write_videos(
    videos: Sequence[ScoredVideo], names: Sequence[str], groups: Sequence[str] | None, folder: Path
) -> Path:
    """Write videos.csv, a row for each scored video in the order of the list; return its path.

    Args:
        names: [n] as the list has them.
        groups: [n] what each was cut from, "" for a video by itself; None where the list does not say it.
    """
    path = folder / "videos.csv"
    columns = COLUMNS if groups is not None else COLUMNS[:-1]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors=ODD_NAMES) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for place, (video, name) in enumerate(zip(videos, names, strict=True)):
            row: list[Any] = [video.index, name, video.label, video.predicted, video.rank]
            row += [f"{math.exp(-video.loss):.6g}", "" if video.confidence is None else f"{video.confidence:.6g}"]
            writer.writerow(row if groups is None else [*row, groups[place]])
    return path


def read_tested(folder: Path, result: Result) -> TestedVideos | None:
    """Read the videos.csv beside a result.json; None where there is none, as of earlier versions.

    Raises:
        ValueError: It can't be read, or is not of that result.
    """
    path = folder / "videos.csv"
    videos, names, groups = [], [], []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                index, label, rank, predicted = (int(row[name]) for name in ("index", "label", "rank", "predicted"))
                loss = -math.log(max(_share(row["probability"]), _LEAST_PROBABILITY))
                confidence = _share(row["confidence"]) if row.get("confidence") else None
                videos.append(ScoredVideo(index, label, rank, loss, predicted, confidence))
                names.append(row["video"])
                groups.append(row.get("group"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error
    num_right = sum(video.rank < 1 for video in videos)
    if len(videos) != (result.num_videos_scored or -1) or abs(100 * num_right / len(videos) - result.top1) > 1e-3:
        raise ValueError(
            f"{path.name} is not of its result.json: it has {num_right} of {len(videos)} videos right, and that says "
            f"{result.top1:.2f} % of {result.num_videos_scored}"
        )
    known = [group for group in groups if group is not None]
    return TestedVideos(tuple(videos), tuple(names), tuple(known) if len(known) == len(videos) else None)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"got {text} as a probability, expected 0 to 1")
    return value


def read_videos(folder: Path, result: Result) -> VideoScores | None:
    """Read from the videos.csv beside a result.json what its accuracies are of; None where there is none.

    Raises:
        ValueError: As of `read_tested`.
    """
    tested = read_tested(folder, result)
    if tested is None:
        return None
    indices, ranks = (tuple(getattr(video, name) for video in tested.videos) for name in ("index", "rank"))
    return VideoScores(indices, ranks, tested.groups)


def numbered_groups(groups: Sequence[str] | None) -> list[int] | None:
    """Return the group of each video from 0, of the names of groups ("": by itself); None where none is named."""
    if groups is None or not any(groups):
        return None
    places: dict[str | int, int] = {}
    return [places.setdefault(name or place, len(places)) for place, name in enumerate(groups)]
