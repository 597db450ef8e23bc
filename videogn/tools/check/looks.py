"""How a video looks, in 104 bytes: equal enough for copies under other encodings, different for other videos.

Of five frames, in grey: whether each of 8 x 8 places is brighter than its neighbour to the left (a difference hash),
and whether it became brighter or darker from one of these frames to the next. The second part tells apart clips that a
standing camera took of one scene. Differences below some levels count as none: encoders change them.

Shapes: P = 5 frames, n videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

NUM_FRAMES = 5
SIDE = 32  # of a frame, made square
_EDGE, _CHANGE = 3.0, 2.0  # in levels of 255: the least difference that counts, across a frame and from one to another
# Of 40 copies of very dark clips (320x240, by x264) 37 were found at crf 28, 21 at crf 35, and 26 of 160x120 at crf 30;
# of the 30,135 pairs of all 246 originals, of few scenes and persons, one looked alike.
MOST_EDGES, LEAST_CHANGES = 0.10, 0.4
MOST_EDGES_STILL = 0.03  # where nothing moves
_LEAST_BITS = 16  # of the edges: fewer are those of a black picture
_LEAST_BITS_OF_KEY = 4
_WORDS = NUM_FRAMES, 2 * (NUM_FRAMES - 1)  # of 64 bits
_MOST_NEIGHBOURS = 500


def places(num_frames: int) -> list[int]:
    """Return indices of the frames that are looked at, the middles of P equal parts."""
    return [num_frames * (2 * part + 1) // (2 * NUM_FRAMES) for part in range(NUM_FRAMES)]


def looks_of(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Return how a video looks, by its P frames [SIDE, SIDE], in grey."""
    grey = np.stack(frames).astype(np.float32)
    rows = grey.reshape(NUM_FRAMES, 8, 4, SIDE).mean(2)
    blocks = rows[:, :, 2:29].reshape(NUM_FRAMES, 8, 9, 3).mean(3)
    changes = np.diff(blocks[:, :, :8], axis=0)
    bits = [np.diff(blocks, axis=2) > _EDGE, changes > _CHANGE, changes < -_CHANGE]
    return b"".join(np.packbits(each).tobytes() for each in bits)


def alike(looks: Sequence[bytes], parts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of places of videos that look the same: of each video, one in each part that has some.

    Compared are those that have the edges of one quarter in common in two of the frames, to the bit.

    Args:
        looks: [n]; b"": not known, like no other.
        parts: [n], from 0: where each is.
    """
    known = np.array([place for place, each in enumerate(looks) if each], dtype=np.int64)
    if len(known) < 2:
        return
    words = np.frombuffer(b"".join(looks[place] for place in known), np.uint64).reshape(len(known), sum(_WORDS))
    edges, changes = words[:, : _WORDS[0]], words[:, _WORDS[0] :]
    tells = np.bitwise_count(edges).sum(1) >= _LEAST_BITS
    part = np.array(parts, dtype=np.int64)[known]
    is_matched = np.zeros((len(known), max(parts) + 1), bool)
    quarters = np.ascontiguousarray(edges).view(np.uint16).reshape(len(known), NUM_FRAMES, 4)
    for (early, late), quarter in product(combinations(range(NUM_FRAMES), 2), range(4)):
        column = quarters[:, early, quarter].astype(np.uint32) << 16 | quarters[:, late, quarter]
        rows = np.flatnonzero(tells & (np.bitwise_count(column) >= _LEAST_BITS_OF_KEY))
        rows = rows[np.lexsort((*edges[rows].T, column[rows]))]  # nearly equal ones lie side by side
        for step in range(1, _MOST_NEIGHBOURS):
            one, other = rows[:-step], rows[step:]
            same = column[one] == column[other]
            if not same.any():
                break
            same &= ~(is_matched[one, part[other]] & is_matched[other, part[one]])
            one, other = one[same], other[same]
            found = _are_alike(edges[one], edges[other], changes[one], changes[other])
            for first, second in zip(one[found].tolist(), other[found].tolist(), strict=True):
                if not (is_matched[first, part[second]] and is_matched[second, part[first]]):
                    is_matched[first, part[second]] = is_matched[second, part[first]] = True
                    yield tuple(sorted((int(known[first]), int(known[second]))))  # type: ignore[misc]


def _are_alike(
    edges: NDArray[np.uint64],
    other_edges: NDArray[np.uint64],
    changes: NDArray[np.uint64],
    other_changes: NDArray[np.uint64],
) -> NDArray[np.bool_]:
    """Return bool [pairs] of words [pairs, ...]."""
    differing = np.bitwise_count(edges ^ other_edges).sum(1) / (64 * NUM_FRAMES)
    either = np.bitwise_count(changes | other_changes).sum(1)
    both = np.bitwise_count(changes & other_changes).sum(1)
    moves = (differing <= MOST_EDGES) & (both >= LEAST_CHANGES * either)
    return np.where(either > 0, moves, differing <= MOST_EDGES_STILL)
