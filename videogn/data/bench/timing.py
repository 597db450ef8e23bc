"""Timing that survives a busy machine: everything in turn on the same work, medians, ratios round by round."""

from __future__ import annotations

import contextlib
import os
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
    def median(self) -> float:
        """Of the rounds that did not fail; NaN where all did."""
        return statistics.median([one for one in self.seconds if one is not None] or [float("nan")])

    def ratio_to(self, other: Times) -> float:
        """The median over rounds of these seconds by the other's; NaN where none succeeded in both."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median([a / b for a, b in pairs if a is not None and b is not None] or [float("nan")])


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Holds this process and its libraries to one core, where the system lets it."""
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
    on_round: Callable[[Work, Mapping[str, Any]], None] | None = None,
) -> dict[str, Times]:
    """Times ways to do the same work, in turn, each round beginning with another.

    Args:
        ways: Name -> what is timed. Any exception counts as a failure of the round.
        work: Of each round; the first round warms up and is not counted.
        seconds: When to stop, once min_rounds are done.
        min_rounds: At least.
        on_round: Gets the results of a round, untimed.
    """
    times = {name: Times() for name in ways}
    names = list(ways)
    started = time.perf_counter()
    round_number = -1
    while round_number < min_rounds or time.perf_counter() - started < seconds:
        piece = next(work)
        turn = round_number % len(names)
        results = {}
        for name in names[turn:] + names[:turn]:
            begin = time.perf_counter()
            taken: float | None = None
            try:
                results[name] = ways[name](piece)
                taken = time.perf_counter() - begin
            except Exception as error:  # a library's failure is a finding
                times[name].error = times[name].error or f"{type(error).__name__}: {error}".splitlines()[0]
            if round_number >= 0:
                times[name].seconds.append(taken)
        if on_round is not None:
            on_round(piece, results)
        round_number += 1
    return times
