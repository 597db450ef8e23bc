"""Timing that survives a busy machine: everything in turn on the same work, medians, ratios round by round."""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

Work = TypeVar("Work")


@dataclass
class Times:
    """Seconds of each round, None where the way failed; and why it failed first."""

    seconds: list[float | None] = field(default_factory=list)
    error: str | None = None

    @property
    def num_failed(self) -> int:
        return self.seconds.count(None)

    @property
    def per_second(self) -> float:
        """Rounds a second of those that did not fail, over all of them: what a loader would see."""
        done = [one for one in self.seconds if one is not None]
        return len(done) / sum(done) if done else float("nan")

    @property
    def median(self) -> float:
        """Of the rounds that did not fail; NaN where all did."""
        return statistics.median([one for one in self.seconds if one is not None] or [float("nan")])

    def ratio_to(self, other: Times) -> float:
        """Return the median over rounds of these seconds by the other's; NaN where none succeeded in both."""
        pairs = zip(self.seconds, other.seconds, strict=False)  # one that was left out has none
        return statistics.median([a / b for a, b in pairs if a is not None and b is not None] or [float("nan")])

    def more_than(self, other: Times) -> float:
        """Return the median over rounds of the seconds that this takes more than the other."""
        pairs = zip(self.seconds, other.seconds, strict=False)
        return statistics.median([a - b for a, b in pairs if a is not None and b is not None] or [float("nan")])


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Hold this process and its libraries to one core, where the system lets it."""
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    torch.set_num_threads(1)
    if cores is not None:
        os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if cores is not None:
            os.sched_setaffinity(0, cores)


def interleaved(
    ways: Mapping[str, Callable[[Work], Any]],
    work: Iterator[Work],
    *,
    seconds: float,
    min_rounds: int = 5,
    seed: int = 0,
    all_of_them: bool = False,
    on_round: Callable[[Work, Mapping[str, Any]], None] | None = None,
) -> dict[str, Times]:
    """Time ways to do the same work, in turn, in another order each round.

    Args:
        ways: Name -> what is timed. Any exception counts as a failure of the round.
        work: Of each round; the first round warms up and is not counted.
        seconds: When to stop, once min_rounds are done. A way that alone would take twice as long for that is left out.
        all_of_them: Whether none is left out, however slow.
        on_round: Gets the results of a round, untimed.
    """
    times = {name: Times() for name in ways}
    names, order = list(ways), random.Random(seed)
    started = time.perf_counter()
    round_number = -1
    while names and (round_number < min_rounds or time.perf_counter() - started < seconds):
        piece = next(work)
        order.shuffle(names)
        results = {}
        for name in tuple(names):
            begin = time.perf_counter()
            taken: float | None = None
            try:
                results[name] = ways[name](piece)
                taken = time.perf_counter() - begin
            except Exception as error:  # a library's failure is a finding
                times[name].error = times[name].error or f"{type(error).__name__}: {error}".splitlines()[0]
            if round_number >= 0:
                times[name].seconds.append(taken)
            elif taken is not None and taken * min_rounds > 2 * seconds and not all_of_them:
                times[name].error = f"left out: {taken:.1f} s a round"
                names.remove(name)
        if on_round is not None:
            on_round(piece, results)
        round_number += 1
    return times
