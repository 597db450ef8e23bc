"""What a test leaves behind with any number of labels a video: result.json, per_class.csv and videos.csv.

Loads no torch: pages read them, too.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videogn.files import ODD_NAMES, replacing
from videogn.training.result import AnyResult, Result, of_kind, read_fields, read_result


@dataclass(frozen=True)
class ScoredLabels:
    """A tested video that has any number of labels.

    Attributes:
        index: Its place in the list.
        labels: Its classes, rising.
        probabilities: float32 [K], of each class by itself.
        loss: Binary cross-entropy, the mean over the classes.
    """

    index: int
    labels: tuple[int, ...]
    probabilities: Sequence[float]
    loss: float


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
            " ".join(f"{share:.9g}" for share in video.probabilities),  # of float32, all of it: so are ties
            *(() if groups is None else (groups[place],)),
        )
        for place, (video, name) in enumerate(zip(videos, names, strict=True))
    )
    return _write(folder / "videos.csv", columns, rows)


@dataclass(frozen=True)
class TestedLabels:
    """The videos that a test scored, as videos.csv has them.

    Args:
        names: [n] as the list has them.
        is_labelled: bool [n, K].
        probabilities: float32 [n, K], of each class by itself.
        groups: [n] what each was cut from, "" for a video by itself; None where the list does not say it.
    """

    names: tuple[str, ...]
    is_labelled: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    groups: tuple[str, ...] | None

    __test__ = False  # its name looks like a test's


def read_tested_labels(folder: Path, result: ResultOfLabels) -> TestedLabels | None:
    """Read the videos.csv beside a result.json; None where there is none.

    Raises:
        ValueError: It can't be read, or has another number of videos or classes than that result.
    """
    path = folder / "videos.csv"
    names, groups, labels, rows = [], [], [], []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                labels.append([int(label) for label in row["labels"].split()])
                rows.append(np.array(row["probabilities"].split(), np.float32))
                names.append(row["video"])
                groups.append(row.get("group"))
        probabilities = np.array(rows, np.float32)
        if not (probabilities.min() >= 0 and probabilities.max() <= 1):
            raise ValueError("probabilities are not all from 0 to 1")
        is_labelled = np.zeros(probabilities.shape, bool)
        for place, own in enumerate(labels):
            if own and min(own) < 0:
                raise ValueError(f"label {min(own)}")
            is_labelled[place, own] = True
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error
    expected = (result.num_videos_scored, result.num_classes)
    if probabilities.shape != expected:
        raise ValueError(
            f"{path.name} is not of its result.json: it has {len(rows)} videos, and probabilities of "
            f"{probabilities.shape[1]} classes, and that says {expected[0]} and {expected[1]}"
        )
    known = [group for group in groups if group is not None]
    return TestedLabels(tuple(names), is_labelled, probabilities, tuple(known) if len(known) == len(names) else None)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors=ODD_NAMES) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path
