"""Which classes are taken for which.

Shapes: n videos, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from videogn.intervals import Claim
from videogn.trained.report.scores import Scores, share

# More classes have no matrix: ten thousand would fill a gigabyte with zeros.
MOST_IN_MATRIX = 1000

# How many videos of a class (first) were predicted as another or the same (second), where there is one.
Pairs = Mapping[tuple[int, int], int]


def pairs_of(scores: Scores) -> Pairs:
    """Return how many videos of each class were predicted as which."""
    return Counter(zip(scores.labels.tolist(), scores.predicted.tolist(), strict=True))


def confusion(scores: Scores) -> NDArray[np.intp] | None:
    """Return [K, K]: how many videos of a class (row) were predicted as each (column); None of too many classes."""
    size = scores.num_classes
    if size > MOST_IN_MATRIX:
        return None
    places = scores.labels * size + scores.predicted
    return np.bincount(places, minlength=size * size).reshape(size, size)


@dataclass(frozen=True)
class Confused:
    """Videos of a class that were predicted as another: how many, of how many of that class."""

    label: int
    predicted: int
    num: int
    num_of_class: int


def most_confused(pairs: Pairs, *, most: int) -> list[Confused]:
    """Return the pairs of classes with the most videos of one that were predicted as the other; most first.

    Of as many, those with the larger share of their class come first.

    Args:
        pairs: From `pairs_of`.
        most: As many at most.
    """
    totals: Counter[int] = Counter()
    for (label, _), num in pairs.items():
        totals[label] += num
    wrong = [Confused(*pair, num, totals[pair[0]]) for pair, num in pairs.items() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda one: (-one.num, one.num_of_class, one.label, one.predicted))[:most]


@dataclass(frozen=True)
class ClassRow:
    """A class in a test.

    Args:
        label: Its index.
        num: Its videos that were scored.
        num_wrong: Those of them that are wrong.
        error: In percent, with its interval; None without videos.
        num_predicted: Videos that were predicted as it.
        num_hits: Those of them that are of it.
        taken_for: The class that most of its others were predicted as, and how many; None where there is none.
    """

    label: int
    num: int
    num_wrong: int
    error: Claim | None
    num_predicted: int
    num_hits: int
    taken_for: tuple[int, int] | None

    @property
    def precision(self) -> float | None:
        """The share of the videos predicted as it that are of it, in percent; None where none is predicted so."""
        return 100 * self.num_hits / self.num_predicted if self.num_predicted else None


def class_rows(scores: Scores, pairs: Pairs) -> list[ClassRow]:
    """Return a row for each class, by error: the highest first, of as high the class with more videos; unseen last."""
    predicted = np.bincount(scores.predicted, minlength=scores.num_classes).tolist()
    taken_for: dict[int, tuple[int, int]] = {}
    for pair in most_confused(pairs, most=len(pairs)):
        taken_for.setdefault(pair.label, (pair.predicted, pair.num))
    rows = []
    for label in range(scores.num_classes):
        is_own = scores.labels == label
        is_wrong = ~scores.is_right[is_own]
        rows.append(
            ClassRow(
                label=label,
                num=int(is_own.sum()),
                num_wrong=int(is_wrong.sum()),
                error=share(is_wrong, None if scores.groups is None else scores.groups[is_own]),
                num_predicted=predicted[label],
                num_hits=pairs.get((label, label), 0),
                taken_for=taken_for.get(label),
            )
        )
    return sorted(rows, key=lambda row: (row.error is None, -(row.error.mean if row.error else 0), -row.num, row.label))


def confusion_csv(counts: NDArray[np.intp], classes: Sequence[str]) -> list[list[object]]:
    """Return the rows of confusion.csv: a row for each class, a column for each prediction."""
    return [["class", *classes], *([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))]


def classes_csv(rows: Sequence[ClassRow], classes: Sequence[str]) -> list[list[object]]:
    """Return the rows of classes.csv, in percent; empty where there is nothing to say."""
    head: list[object] = ["class", "label", "videos", "wrong", "error", "error_low", "error_high"]
    lines = [[*head, "predicted_as", "precision", "taken_for", "times"]]
    for row in rows:
        error = (
            ["", "", ""] if row.error is None else [f"{x:.2f}" for x in (row.error.mean, row.error.low, row.error.high)]
        )
        precision = "" if row.precision is None else f"{row.precision:.2f}"
        taken = ["", ""] if row.taken_for is None else [classes[row.taken_for[0]], row.taken_for[1]]
        lines.append(
            [classes[row.label], row.label, row.num, row.num_wrong, *error, row.num_predicted, precision, *taken]
        )
    return lines
