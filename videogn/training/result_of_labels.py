"""What a test leaves behind with any number of labels a video: result.json, per_class.csv and videos.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogn.files import ODD_NAMES, replacing
from videogn.training.average_precision import ScoredLabels
from videogn.training.result import AnyResult, Result, of_kind, read_fields, read_result


@dataclass(frozen=True, kw_only=True)
class ResultOfLabels(AnyResult):
    """A test of videos of any number of classes each: see AnyResult.

    mean_average_precision is of the videos that could be scored, and the mean over the num_classes_scored classes that
    one of them is of. mean_average_precision_of_expected is over all classes of the test's list, and counts a video
    that could not be scored as never found.
    """

    mean_average_precision: float
    mean_average_precision_of_expected: float | None = None
    num_classes_scored: int | None = None

    @property
    def score_text(self) -> str:
        """The score in words, with the classes that it is of."""
        return f"mAP {self.mean_average_precision:.2f} % over {self.num_classes_scored} of {self.num_classes} classes"

    @property
    def of_expected_text(self) -> str | None:
        """The score that counts videos that were not scored as never found."""
        expected = self.mean_average_precision_of_expected
        return None if expected is None else f"mAP {expected:.2f} %"


def scores_of(precisions: Sequence[float], scored: Sequence[int], expected: Sequence[int]) -> dict[str, Any]:
    """Return the scores of a result.

    Args:
        precisions: [K] average precision of each class, in [0, 1]; nan for one that no scored video is of.
        scored: [K] videos of each class that were scored.
        expected: [K] videos of each class in the list.

    Raises:
        ValueError: No scored video has a label.
    """
    known = [100 * precision for precision in precisions if not math.isnan(precision)]
    if not known:
        raise ValueError("none of the videos that were scored has a label, so that there is no average precision")
    # The precision at each video of a class adds 1/videos of its own; at one that was not scored, nothing.
    found = [
        100 * (precision * have / all_videos if have else 0.0)
        for precision, have, all_videos in zip(precisions, scored, expected, strict=True)
        if all_videos
    ]
    return {
        "mean_average_precision": sum(known) / len(known),
        "mean_average_precision_of_expected": sum(found) / len(found),
        "num_classes_scored": len(known),
    }


def read_any_result(path: Path) -> Result | ResultOfLabels:
    """Read a result.json of either kind; see `read_result`.

    Raises:
        ResultError: It is no JSON object, or holds no score from 0 to 100.
    """
    found = read_fields(path)
    if "mean_average_precision" not in found:
        return read_result(path)
    return of_kind(ResultOfLabels, found, "mean_average_precision", path=path)


def write_precisions(precisions: Sequence[float], scored: Sequence[int], classes: Sequence[str], folder: Path) -> Path:
    """Write per_class.csv: class, videos of it that were scored, average precision in percent (empty without them)."""
    rows = (
        (name, videos, "" if math.isnan(precision) else f"{100 * precision:.2f}")
        for name, videos, precision in zip(classes, scored, precisions, strict=True)
    )
    return _write(folder / "per_class.csv", ("class", "videos", "average_precision"), rows)


def write_scored_labels(
    videos: Sequence[ScoredLabels], names: Sequence[str], groups: Sequence[str] | None, folder: Path
) -> Path:
    """Write videos.csv, a row for each scored video in the order of the list; return its path.

    Labels are class indices, probabilities those of all classes in the order of their indices, with spaces between.

    Args:
        videos: [n], in the order of their places.
        names: [n] as the list has them.
        groups: [n] what each was cut from, "" for a video by itself; None where the list does not say it.
        folder: The run's.
    """
    columns = ("index", "video", "labels", "probabilities", *(("group",) if groups is not None else ()))
    rows = (
        (
            video.index,
            name,
            " ".join(map(str, video.labels)),
            " ".join(f"{share:.6g}" for share in video.probabilities),
            *(() if groups is None else (groups[place],)),
        )
        for place, (video, name) in enumerate(zip(videos, names, strict=True))
    )
    return _write(folder / "videos.csv", columns, rows)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors=ODD_NAMES) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path
