"""What a run has found out about the videos of a list: which failed, and which it can't read by their packets.

Both hold from an epoch on. Within the epoch in which a video first fails, each of its readings goes by itself: where it
comes several times, another clip of it may be read. So which clips a training sees depends on the seed, the epoch and
the list alone, whenever and wherever a video's failure became known, and a training that goes on knows the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Files that an error names.
_SHOWN = 3


class TooManyFailed(ValueError):
    """More videos of a list failed than may."""


@dataclass
class Known:
    """Videos of a list, by their places in it.

    Attributes:
        failed: (the first epoch that goes without it, why) of each video that could not be decoded.
        in_full: The first epoch that decodes it in full at once, of each whose packets were not as promised.
        lost: Why a reading ended its process: by epoch, place, and how often the video came in the epoch before. It is
            not read again.
        is_new: Whether something was added since this was last set to false.
    """

    failed: dict[int, tuple[int, str]] = field(default_factory=dict)
    in_full: dict[int, int] = field(default_factory=dict)
    lost: dict[tuple[int, int, int], str] = field(default_factory=dict)
    is_new: bool = False

    @property
    def size(self) -> int:
        """How much is known."""
        return len(self.failed) + len(self.in_full)

    def reason(self, place: int, *, epoch: int, times_before: int = 0) -> str | None:
        """Return why a video is not read, for an epoch in which it came so often before; None where it is."""
        first, reason = self.failed.get(place, (math.inf, None))
        return reason if epoch >= first else self.lost.get((epoch, place, times_before))

    def reads_in_full(self, place: int, *, epoch: int) -> bool:
        """Return whether an epoch decodes a video in full at once."""
        return epoch >= self.in_full.get(place, math.inf)

    def add_failed(self, place: int, reason: str, *, first_epoch: int) -> None:
        """Add a video that failed."""
        if place not in self.failed or first_epoch < self.failed[place][0]:
            self.failed[place] = first_epoch, reason
            self.is_new = True

    def add_in_full(self, place: int, *, first_epoch: int) -> None:
        """Add a video that had to be decoded in full."""
        if first_epoch < self.in_full.get(place, math.inf):
            self.in_full[place] = first_epoch
            self.is_new = True

    def to_plain(self) -> dict[str, Any]:
        """Return all of it in plain types, in the order of the list."""
        failed = [[place, *self.failed[place]] for place in sorted(self.failed)]
        return {"failed": failed, "in_full": [[place, self.in_full[place]] for place in sorted(self.in_full)]}

    def add(self, plain: Mapping[str, Any]) -> None:
        """Add what another device, or the training up to here, found out, from its `to_plain`."""
        for place, first_epoch, reason in plain["failed"]:
            self.add_failed(place, reason, first_epoch=first_epoch)
        for place, first_epoch in plain["in_full"]:
            self.add_in_full(place, first_epoch=first_epoch)

    def check(self, *, share: float, num_videos: int, name: str) -> None:
        """Refuse to go on where more videos failed than may.

        Args:
            share: Of the list's videos that may fail.

        Raises:
            TooManyFailed: More did; says how many, names the first, and says what can be done.
        """
        count = len(self.failed)
        if not count or count / num_videos <= share:
            return
        reasons = [self.failed[place][1] for place in sorted(self.failed)]
        more = "; ..." if count > _SHOWN else ""
        raise TooManyFailed(
            f"{count:,} of {num_videos:,} {name} videos failed so far, more than --data.skip_undecodable {share:g} "
            f"allows: {'; '.join(reasons[:_SHOWN])}{more}. Leave them out (`videogn data check` writes a list for "
            f"--data.exclude), or say which share may fail: --data.skip_undecodable "
            f"{math.ceil(100 * count / num_videos) / 100:g} lets as many fail"
        )
