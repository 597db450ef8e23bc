"""Which videos make an epoch in which all classes come equally often: class-balanced sampling.

Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", 2020, section 3
("class-balanced sampling"); here without chance in how often a class, or a video of it, comes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_order(labels: NDArray[np.int32], number: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return [number] places of videos, in random order, such that each class that has videos comes equally often.

    Classes that come once more than others, where the number of classes does not divide the number of places, are drawn
    anew in each epoch. A class's videos are gone through in one shuffled order, again and again: none comes twice more
    than another of its class, and two places of a video have all others of its class between them.
    """
    classes = rng.permutation(np.resize(rng.permutation(np.unique(labels)), number))
    order = np.empty(number, np.int64)
    for each in np.unique(classes):
        mine = np.flatnonzero(classes == each)
        order[mine] = np.resize(rng.permutation(np.flatnonzero(labels == each)), len(mine))
    return order


def times_before(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each place of an order was in it before: 0 where it comes first."""
    by_place = np.argsort(order, kind="stable")
    _, first, counts = np.unique(order[by_place], return_index=True, return_counts=True)
    times = np.empty_like(order)
    times[by_place] = np.arange(len(order)) - np.repeat(first, counts)
    return times
