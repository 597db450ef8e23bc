"""What a run cost: its speed, its memory, and where the time went."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from videogn.data.views.protocols import PROTOCOLS
from videogn.training.metrics import Logged
from videogn.training.result import AnyResult, train_videos_text
from videogn.wording import counted, duration_text


def update_seconds(metrics: Mapping[str, Sequence[Logged]], *, total_batch_size: int) -> float | None:
    """Return about how long the updates took, by the speeds that were logged; None where none was.

    Args:
        metrics: What was logged, by column.
        total_batch_size: Clips of an update.
    """
    speeds = {each.step: each.value for each in metrics.get("clips_per_second", ()) if each.value > 0}
    if not speeds:
        return None
    seconds, before = 0.0, 0
    for step in sorted(speeds):
        seconds += (step - before) * total_batch_size / speeds[step]
        before = step
    last = max((each.step for logged in metrics.values() for each in logged), default=before)
    return seconds + (last - before) * total_batch_size / speeds[before]


def cost_facts(result: AnyResult | None, metrics: Mapping[str, Sequence[Logged]]) -> list[tuple[str, str]]:
    """Return what is known of a run's cost: terms, and what stands behind them."""
    facts = []
    speeds = [each.value for each in metrics.get("clips_per_second", ())]
    if speeds:
        low, high = min(speeds), max(speeds)
        facts.append(
            ("speed of training", f"{statistics.median(speeds):.1f} clips a second (from {low:.1f} to {high:.1f})")
        )
    if result is None:
        return facts
    facts += [("where the time of training went", words) for words in _training(result, metrics)]
    if result.test_seconds is not None:
        facts.append(("test", _test(result)))
    if result.peak_memory_bytes is not None:
        facts.append(("most memory in training", f"{result.peak_memory_bytes / 2**30:.2f} GiB on a device"))
    if result.device is not None:
        number = result.num_devices or 1
        facts.append(("trained on", result.device if number == 1 else f"{number} × {result.device}"))
    if precisions := [f"{stage} {name}" for stage, name in result.precision.items() if name]:
        facts.append(("precision", ", ".join(precisions)))
    if words := _train_videos(result):
        facts.append(("videos", words.removeprefix("training videos: ")))
    return facts


def _train_videos(result: AnyResult) -> str:
    try:
        return train_videos_text(result.train_videos)
    except (LookupError, TypeError):  # of another version
        return ""


def _training(result: AnyResult, metrics: Mapping[str, Sequence[Logged]]) -> list[str]:
    whole = result.train_seconds
    if whole is None:
        return []
    words = duration_text(whole)
    if result.total_batch_size is None or not whole:
        return [words]
    updates = update_seconds(metrics, total_batch_size=result.total_batch_size)
    if updates is None:
        return [words]
    rest = max(0.0, whole - updates)
    return [
        f"{words} in all; updates about {duration_text(min(updates, whole))} ({100 * (1 - rest / whole):.0f} %, by the "
        f"logged speed), the rest ({duration_text(rest)}) validation, checkpoints and the beginnings of epochs"
    ]


def _test(result: AnyResult) -> str:
    assert result.test_seconds is not None
    words = duration_text(result.test_seconds)
    number, protocol = result.num_videos_scored, PROTOCOLS.get(result.protocol or "")
    if not number or not result.test_seconds:
        return words
    views = "" if protocol is None else f", {counted(protocol.num_views, 'view')} of each"
    return f"{words} for {counted(number, 'video')}{views}: {number / result.test_seconds:.1f} videos a second"
