"""What a test found of videos of any number of labels each, as arrays, and average precision with its interval.

Shapes: n videos, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from videogn.intervals import Claim
from videogn.trained.report.scores import claim_of
from videogn.trained.segments import THRESHOLD
from videogn.training.result_of_labels import ResultOfLabels, TestedLabels
from videogn.training.video_scores import numbered_groups

# The least that a test tells from 0: of float32, as in scoring.
_LEAST = 2.0**-126
# The test's own precision is of float32.
_MOST_APART = 0.01


@dataclass(frozen=True)
class ScoresOfLabels:
    """The scored videos of a test.

    Args:
        names: [n] as the list has them.
        is_labelled: bool [n, K].
        probabilities: float32 [n, K], of each class by itself.
        groups: [n] of which source each was cut, from 0; None: each stands for itself.
        precisions: [K] average precision in percent; nan for a class that no video is of.
        mean: mAP, over the others, with its interval for as many videos like these.
    """

    names: Sequence[str]
    is_labelled: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    groups: NDArray[np.intp] | None
    precisions: NDArray[np.float64]
    mean: Claim

    @property
    def num_classes(self) -> int:
        """K."""
        return self.is_labelled.shape[1]

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Binary cross-entropy of each video, the mean over the classes, [n]: as the test's loss."""
        given = np.where(self.is_labelled, self.probabilities, 1 - self.probabilities)
        return -np.log(np.maximum(given, _LEAST)).mean(axis=1, dtype=np.float64)

    @property
    def by_chance(self) -> float:
        """What mAP would be on average, in percent, if the videos were put in an order of chance for each class."""
        num = len(self.names)
        positives = self.is_labelled.sum(axis=0)
        harmonic = (1 / np.arange(1, num + 1)).sum()
        others = (positives[positives > 0] - 1) / max(1, num - 1)
        return float(100 * ((harmonic + others * (num - harmonic)) / num).mean())


def scores_of_labels(tested: TestedLabels, *, result: ResultOfLabels) -> ScoresOfLabels:
    """Return the arrays of a test's videos.

    Raises:
        ValueError: They have another mean average precision than the result.
    """
    num_classes = tested.is_labelled.shape[1]
    precisions, adds = np.full(num_classes, np.nan), np.zeros(len(tested.names))
    for label in np.flatnonzero(tested.is_labelled.any(axis=0)).tolist():
        precision, of_videos = average_precision(tested.probabilities[:, label], tested.is_labelled[:, label])
        precisions[label] = 100 * precision
        adds += 100 * of_videos
    num_known = int(np.count_nonzero(~np.isnan(precisions)))
    mean = float(precisions[~np.isnan(precisions)].mean()) if num_known else float("nan")
    if not abs(mean - result.mean_average_precision) <= _MOST_APART:
        raise ValueError(
            f"videos.csv is not of its result.json: its mean average precision is {mean:.2f} %, and that says "
            f"{result.mean_average_precision:.2f} %"
        )
    groups = numbered_groups(tested.groups)
    of_groups = None if groups is None else np.array(groups, np.intp)
    # Of a plain mean, a video's value is the mean and n times what it adds.
    claim = claim_of(mean, mean + len(adds) * adds / num_known, of_groups)
    return ScoresOfLabels(tested.names, tested.is_labelled, tested.probabilities, of_groups, precisions, claim)


def average_precision(scores: NDArray[np.float32], is_labelled: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Return a class's average precision, and what each video adds to it: its derivative by the video's weight.

    The precision at a video of the class is the share of the class among all that score at least as high. The squares
    of the derivatives add up to the variance that it has by its videos: the infinitesimal jackknife (Jaeckel 1972,
    Efron 1982), which is the bootstrap in the limit, and needs no draws.

    Args:
        scores: [n].
        is_labelled: [n], at least one.

    Returns:
        In [0, 1]; [n], of which the sum is 0.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, own = -scores[order], is_labelled[order]
    first, num_above = (np.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))  # ties together
    precision = np.cumsum(own)[num_above - 1] / num_above
    mean = float(precision[own].mean())
    # A video that scores at least as high as one of the class is in the precision there.
    share = np.where(own, 1 / num_above, 0.0)
    adds = np.empty(len(scores))
    adds[order] = own * (precision - mean + _from(share, first)) - _from(share * precision, first)
    return mean, adds / int(own.sum())


def _from(values: NDArray[np.float64], first: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the sums of values from each of the given places on."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)[first]


@dataclass(frozen=True)
class LabelRow:
    """A class in a test.

    Args:
        label: Its index.
        num: Its videos that were scored.
        average_precision: In percent; None without videos.
        num_high: Videos that it has a probability of THRESHOLD or more in.
        num_hits: Those of them that are of it.
        num_false: Videos that are not of it, and in which it is among as many most probable classes as the video has
            labels.
        in_place_of: The label that most of these have and that is not among them, and how many; None where there is
            none.
    """

    label: int
    num: int
    average_precision: float | None
    num_high: int
    num_hits: int
    num_false: int
    in_place_of: tuple[int, int] | None

    @property
    def precision(self) -> float | None:
        """The share of the videos with THRESHOLD or more that are of it, in percent; None where there is none."""
        return 100 * self.num_hits / self.num_high if self.num_high else None

    @property
    def recall(self) -> float | None:
        """The share of its videos that have THRESHOLD or more, in percent; None without videos."""
        return 100 * self.num_hits / self.num if self.num else None


def label_rows(scores: ScoresOfLabels) -> list[LabelRow]:
    """Return a row for each class, by average precision: the lowest first, of as low the class with more videos."""
    is_labelled, is_high = scores.is_labelled, scores.probabilities >= THRESHOLD
    order = np.argsort(-scores.probabilities, axis=1, kind="stable")
    num_false: Counter[int] = Counter()
    in_place_of: dict[int, Counter[int]] = {}
    for own, best, num in zip(is_labelled, order, is_labelled.sum(axis=1).tolist(), strict=True):
        false = [label for label in best[:num].tolist() if not own[label]]
        missed = [label for label in best[num:].tolist() if own[label]] if false else []
        num_false.update(false)
        for label in false:
            in_place_of.setdefault(label, Counter()).update(missed)
    columns = (of.sum(axis=0).tolist() for of in (is_labelled, is_high, is_labelled & is_high))
    rows = []
    for label, (num, num_high, num_hits) in enumerate(zip(*columns, strict=True)):
        others = in_place_of.get(label, Counter())
        most = min(others.items(), key=lambda pair: (-pair[1], pair[0]), default=None)
        precision = float(scores.precisions[label]) if num else None
        rows.append(LabelRow(label, num, precision, num_high, num_hits, num_false[label], most))
    return sorted(
        rows, key=lambda row: (row.average_precision is None, row.average_precision or 0.0, -row.num, row.label)
    )


def labels_csv(rows: Sequence[LabelRow], classes: Sequence[str]) -> list[list[object]]:
    """Return the rows of classes.csv, in percent; empty where there is nothing to say."""
    head: list[object] = ["class", "label", "videos", "average_precision", "predicted_as", "precision", "recall"]
    lines = [[*head, "taken_for_a_label", "in_place_of", "times"]]
    for row in rows:
        average, precision, recall = (
            "" if share is None else f"{share:.2f}" for share in (row.average_precision, row.precision, row.recall)
        )
        most = ["", ""] if row.in_place_of is None else [classes[row.in_place_of[0]], row.in_place_of[1]]
        name = classes[row.label]
        lines.append([name, row.label, row.num, average, row.num_high, precision, recall, row.num_false, *most])
    return lines
