"""What a test found of each video, as arrays, and accuracies of some of them with their intervals.

Shapes: n videos, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from videogn.intervals import Claim, Spread, binomial_error, error_over_groups
from videogn.training.video_scores import TestedVideos, numbered_groups

# Intervals leave out the truth so often.
ALPHA = 0.05


@dataclass(frozen=True)
class Scores:
    """The scored videos of a test.

    Args:
        names: [n] as the list has them.
        labels: int [n] classes.
        predicted: int [n] the most probable classes.
        ranks: int [n] how many other classes are as probable as the video's own.
        probability: [n] of the own class.
        confidence: [n] of the predicted class; None where a test of an earlier version did not write it.
        groups: [n] of which source each was cut, from 0; None: each stands for itself.
        num_classes: K.
    """

    names: Sequence[str]
    labels: NDArray[np.intp]
    predicted: NDArray[np.intp]
    ranks: NDArray[np.intp]
    probability: NDArray[np.float64]
    confidence: NDArray[np.float64] | None
    groups: NDArray[np.intp] | None
    num_classes: int

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Which are right, [n]: no other class is as probable."""
        return self.ranks < 1

    def accuracy(self, *, k: int = 1, of: NDArray[np.bool_] | None = None) -> Claim | None:
        """Return top-k in percent with its interval for videos like these.

        Args:
            k: How many classes may be as probable as the own one, or more, with itself.
            of: [n] which videos; default: all.

        Returns:
            None of no video.
        """
        chosen = np.ones(len(self.labels), bool) if of is None else of
        return share(self.ranks[chosen] < k, None if self.groups is None else self.groups[chosen])


def scores_of(tested: TestedVideos, *, num_classes: int) -> Scores:
    """Return the arrays of a test's videos.

    Raises:
        ValueError: A class that there is not.
    """
    videos = tested.videos
    labels, predicted, ranks = (
        np.array([getattr(video, name) for video in videos], np.intp) for name in ("label", "predicted", "rank")
    )
    for classes in (labels, predicted):
        if not (classes.min() >= 0 and classes.max() < num_classes):
            raise ValueError(f"videos.csv has class {classes.max()}, and there are {num_classes}")
    confidences = [video.confidence for video in videos]
    known = [each for each in confidences if each is not None]
    groups = numbered_groups(tested.groups)
    return Scores(
        names=tested.names,
        labels=labels,
        predicted=predicted,
        ranks=ranks,
        probability=np.exp([-video.loss for video in videos]),
        confidence=np.array(known) if len(known) == len(videos) else None,
        groups=None if groups is None else np.array(groups, np.intp),
        num_classes=num_classes,
    )


def share(is_so: NDArray[np.bool_], groups: NDArray[np.intp] | None = None) -> Claim | None:
    """Return the share of videos of which something is so, in percent, with its interval for videos like these.

    See `claim_of`.

    Args:
        is_so: [n].
        groups: [n], any numbers; None: each stands for itself.

    Returns:
        None of no video.
    """
    if not len(is_so):
        return None
    claim = share_of_counts(int(is_so.sum()), len(is_so))
    return claim if groups is None else claim_of(claim.mean, np.where(is_so, 100.0, 0.0), groups)


def claim_of(mean: float, values: NDArray[np.float64], groups: NDArray[np.intp] | None = None) -> Claim:
    """Return a mean in percent with its interval for videos like these.

    As a study's over videos: the error is that over videos, or over the groups that they were cut from where that is
    larger, and the interval Wilson's. A single video or group is one draw.

    Args:
        mean: Of the values.
        values: [n], one or more, of each video, in percent.
        groups: [n], any numbers; None: each stands for itself.
    """
    places = () if groups is None else (np.unique(groups, return_inverse=True)[1].tolist(),)
    spreads = []
    for of in (None, *places):
        error, num = error_over_groups(values[None, :], of)
        spreads.append(Spread(error, num - 1, num) if num > 1 else Spread(binomial_error(mean, num_videos=1), 1, 1))
    return Claim(mean, tuple(spreads), ALPHA, is_share=True)


def share_of_counts(num_so: int, num: int) -> Claim:
    """Return the share of `num` videos, one or more, each of which stands for itself; see `share`."""
    percent = 100 * num_so / num
    # The unbiased variance of n draws has n - 1 in the place of n.
    spread = Spread(binomial_error(percent, num_videos=max(1, num - 1)), max(1, num - 1), num)
    return Claim(percent, (spread,), ALPHA, is_share=True)
