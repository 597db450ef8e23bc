"""What accuracy costs: which settings of a study no other one beats at their cost or below."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from videogn.ablation.report.points import Point, device_seconds
from videogn.ablation.report.text import point_words
from videogn.training.result import Result
from videogn.wording import duration_text, listed, megabytes_text

# Costs that are no further apart than this are the same, even where the seeds agree to the second.
_LEAST_NOISE = 1.1


@dataclass(frozen=True)
class Cost:
    """A cost of a training: its name, what a result says of it, and a value of it in words."""

    name: str
    of: Callable[[Result], float | None]
    text: Callable[[float], str]


TIME = Cost("training time", lambda result: device_seconds(result, "train_seconds"), duration_text)
MEMORY = Cost(
    "peak memory", lambda result: result.peak_memory_bytes, lambda value: f"{megabytes_text(round(value))} MiB"
)


@dataclass(frozen=True)
class Priced:
    """A point with its cost, the median over seeds, and its top-1, the mean over them in percent."""

    point: Point
    cost: float
    top1: float


@dataclass(frozen=True)
class Panel:
    """Settings by one cost.

    Args:
        priced: Every computation once, the cheapest first.
        noise: The factor up to which two costs count as the same.
    """

    cost: Cost
    priced: tuple[Priced, ...]
    noise: float

    @property
    def frontier(self) -> list[Priced]:
        """Those that no other setting beats: none has a higher mean and costs no more, or the same and costs less."""
        return [one for one in self.priced if not any(self._beats(other, one) for other in self.priced)]

    def _beats(self, one: Priced, other: Priced) -> bool:
        if one.top1 == other.top1:
            return one.cost * self.noise < other.cost
        return one.top1 > other.top1 and one.cost <= other.cost * self.noise


def panels_of(points: Sequence[Point]) -> list[Panel]:
    """Return a panel for each cost by which the settings of a study differ; none where devices differ.

    They differ by a cost where the dearest and the cheapest are further apart than the seeds of one setting usually
    are, and than a tenth.
    """
    own = [point for point in points if point.same_as is None and point.top1 is not None]
    if len({(result.device, result.num_devices) for point in own for result in point.results.values()}) > 1:
        return []
    panels = []
    for cost in (TIME, MEMORY):
        priced, spreads = [], []
        for point in own:
            values = [value for value in map(cost.of, point.results.values()) if value]
            if values and point.top1 is not None:
                priced.append(Priced(point, statistics.median(values), point.top1.mean))
                spreads.append(max(values) / min(values))
        if len(priced) < 2 or len(priced) < len(own):
            continue
        priced.sort(key=lambda each: each.cost)
        noise = max(_LEAST_NOISE, statistics.median(spreads))
        if priced[-1].cost > noise * priced[0].cost:
            panels.append(Panel(cost, tuple(priced), noise))
    return panels


def frontier_text(panel: Panel) -> str:
    """Return a sentence that names the frontier: of means, which says nothing on how sure a difference is."""
    on_it = [f"{point_words(e.point.labels)} ({e.top1:.1f} %, {panel.cost.text(e.cost)})" for e in panel.frontier]
    return (
        f"By {panel.cost.name} and mean top-1, the frontier is {listed(on_it)}: for every other setting there is one "
        f"with a higher mean that costs no more, or with the same mean that costs less."
    )
