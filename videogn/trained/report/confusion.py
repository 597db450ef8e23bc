"""Which classes are taken for which.

Shapes: n videos, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from videogn.intervals import Claim
from videogn.trained.report.scores import Scores, share


def confusion(scores: Scores) -> NDArray[np.intp]:
    """Return [K, K]: how many videos of a class (row) were predicted as each (column)."""
    size = scores.num_classes
    places = scores.labels * size + scores.predicted
    return np.bincount(places, minlength=size * size).reshape(size, size)


@dataclass(frozen=True)
class Confused:
    """Videos of a class that were predicted as another: how many, of how many of that class."""

    label: int
    predicted: int
    num: int
    num_of_class: int


def most_confused(counts: NDArray[np.intp], *, most: int) -> list[Confused]:
    """Return the pairs of classes with the most videos of one that were predicted as the other; most first.

    Of as many, those with the larger share of their class come first.

    Args:
        counts: [K, K], from `confusion`.
        most: As many pairs at most.
    """
    totals = counts.sum(axis=1)
    labels, predicted = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
    pairs = [
        Confused(label, other, int(counts[label, other]), int(totals[label]))
        for label, other in zip(labels.tolist(), predicted.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-pair.num, pair.num_of_class, pair.label, pair.predicted))[:most]


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


def class_rows(scores: Scores, counts: NDArray[np.intp]) -> list[ClassRow]:
    """Return a row for each class, by error: the highest first, of as high the class with more videos; unseen last."""
    rows = []
    for label in range(scores.num_classes):
        is_own = scores.labels == label
        is_wrong = ~scores.is_right[is_own]
        others = counts[label].copy()
        others[label] = 0
        most = int(others.argmax())
        rows.append(
            ClassRow(
                label=label,
                num=int(is_own.sum()),
                num_wrong=int(is_wrong.sum()),
                error=share(is_wrong, None if scores.groups is None else scores.groups[is_own]),
                num_predicted=int(counts[:, label].sum()),
                num_hits=int(counts[label, label]),
                taken_for=(most, int(others[most])) if others[most] else None,
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
