"""Which part each group goes to: shares by class, whole groups, and the same answer on any machine.

Greedy, then improved while a move improves it. What is made small: for each part and class, and for each part as a
whole, the squared distance of its number of videos from its share, by that share (chi-squared); and, before that, the
number of classes that a part lacks. The order of the groups, which is all that is random, comes from hashes of the seed
and their names.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

from videogn.data.lists.entries import Split

# A group, or a part: how many videos it has of each class, and (None) of all.
Counts = Mapping[str | None, int]
# Rounds over all groups in which some are moved; seen: two or three suffice.
MOST_ROUNDS = 20


def assign(groups: Mapping[str, Mapping[str, int]], shares: Mapping[Split, float], *, seed: int) -> dict[str, Split]:
    """Return the part of each group.

    Where a class has fewer groups than there are parts, the parts that come first have it.

    Args:
        groups: Of each, how many videos it has of each class.
        shares: Of each part, above 0; they add up to 1.
        seed: Other seeds give other splits.
    """
    counts: dict[str, dict[str | None, int]] = {name: {None: sum(group.values())} for name, group in groups.items()}
    for name, group in groups.items():
        counts[name].update(group)
    # The large ones first, the others fill the gaps; but no order by size alone, which the seed could not change.
    order = sorted(counts, key=lambda name: (-counts[name][None].bit_length(), _hash(seed, name)))
    parts = _Parts(counts, shares)
    part_of: dict[str, Split] = {}
    for number in range(MOST_ROUNDS):
        parts.counts_lacks = (
            number > 0
        )  # in the first, a class's second group, however large, would go to the next part
        before = dict(part_of)
        for name in order:
            if name in part_of:
                parts.add(counts[name], part_of[name], -1)
            costs = {part: parts.cost(counts[name], part) for part in shares}
            best = min(shares, key=costs.__getitem__)
            if name not in part_of or costs[best] < costs[part_of[name]] - 1e-9:
                part_of[name] = best
            parts.add(counts[name], part_of[name], 1)
        if part_of == before:
            break
    return part_of


class _Parts:
    """What each part has, and what another group costs it.

    Attributes:
        counts_lacks: Whether a class that a part has none of costs something of its own.
    """

    counts_lacks = False

    def __init__(self, groups: Mapping[str, Counts], shares: Mapping[Split, float]) -> None:
        totals: Counter[str | None] = Counter()
        for group in groups.values():
            totals.update(group)
        self._expected = {part: {of: share * total for of, total in totals.items()} for part, share in shares.items()}
        self._found: dict[Split, Counter[str | None]] = {part: Counter() for part in shares}
        # To lack a class costs more than shares ever can, and twice as much for each part as for the one behind it.
        most = 4.0 * totals[None] / min(shares.values())
        self._lack = {part: most * 2.0**place for place, part in enumerate(reversed(list(shares)))}

    def cost(self, group: Counts, part: Split) -> float:
        """Return by how much it becomes worse, or (below 0) better, if a part gets a group."""
        cost = 0.0
        for of, number in group.items():
            found, expected = self._found[part][of], self._expected[part][of]
            cost += ((found + number - expected) ** 2 - (found - expected) ** 2) / expected
            cost -= self._lack[part] if self.counts_lacks and not found else 0
        return cost

    def add(self, group: Counts, part: Split, sign: int) -> None:
        """Give a group to a part, or (sign -1) take it away."""
        for of, number in group.items():
            self._found[part][of] += sign * number


def _hash(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
