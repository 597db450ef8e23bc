"""What came of a run, in sentences: its accuracy, how sure that is, of which videos, and what to beware of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videogn.data.views.protocols import PROTOCOLS
from videogn.intervals import Claim, interval_text
from videogn.trained.report.gather import Gathered
from videogn.trained.report.scores import ALPHA, share_of_counts
from videogn.training.result import Result, chosen_text, in_full_text
from videogn.wording import counted, percent_text


def answer_text(gathered: Gathered) -> str:
    """Return the one sentence: top-1 and top-5 with intervals, denominator, protocol, failed videos."""
    result = gathered.result
    if result is None:
        return "Not tested."
    num, expected = result.num_videos_scored, result.num_videos_expected
    parts = [f"Top-1 {result.top1:.1f} %{_interval(gathered, k=1, accuracy=result.top1)}"]
    if result.top5 is not None:
        parts.append(f"top-5 {result.top5:.1f} %{_interval(gathered, k=5, accuracy=result.top5)}")
    right = "" if num is None else f": {round(result.top1 / 100 * num):,} of {counted(num, 'test video')} right"
    protocol = f", protocol {result.protocol_and_policy}" if result.protocol else ""
    sentence = f"{', '.join(parts)}{right}{protocol}, {_checkpoint(result)}"
    if num is None or expected is None:
        return f"{sentence}."
    failed = expected - num
    return f"{sentence}; {counted(failed, 'more video') if failed else 'no video'} failed."


def answer_notes(gathered: Gathered) -> list[str]:
    """Return what stands below the answer, a sentence or two each."""
    result, scores = gathered.result, gathered.scores
    if result is None:
        return []
    notes = []
    if result.num_videos_scored and (result.num_videos_expected or 0) > result.num_videos_scored:
        left_out = result.num_videos_expected - result.num_videos_scored  # type: ignore[operator]
        if result.top1_of_expected is not None:
            videos = counted(left_out, "video")
            notes.append(f"With the {videos} that failed counted as wrong, top-1 is {result.top1_of_expected:.1f} %.")
    if scores is not None:
        counts = np.bincount(scores.labels, minlength=scores.num_classes)
        most = int(counts.argmax())
        always = 100 * counts[most] / len(scores.labels)
        notes.append(
            f"Naming the class with the most test videos ({gathered.classes[most]}) every time: {always:.1f} %."
        )
    protocol = PROTOCOLS.get(result.protocol or "")
    seen = "" if protocol is None or result.num_frames is None else (
        f" Each video was seen in {counted(protocol.num_clips, 'clip')} of {result.num_frames} frames, "
        f"{counted(protocol.num_crops, 'crop')} each."
    )  # fmt: skip
    groups = " Cuts of one source count as one." if scores is not None and scores.groups is not None else ""
    notes.append(
        f"Intervals: {percent_text(ALPHA)}, of this one training for videos like these.{groups} They say nothing of "
        f"what another seed would give.{seen}"
    )
    if result.num_videos_excluded:
        notes.append(f"{counted(result.num_videos_excluded, 'video')} of the list left out by data.exclude.")
    if result.num_videos_decoded_in_full:
        notes.append(f"Of the videos, {in_full_text(result.num_videos_decoded_in_full)}.")
    return notes


def warnings_of(gathered: Gathered) -> list[str]:
    """Return what must not be overlooked, a sentence each."""
    found = list(gathered.problems)
    result = gathered.result
    if result is not None and result.chosen is not None and result.chosen_among is not None:
        text = chosen_text(result.chosen)
        found.append(f"{text[0].upper()}{text[1:]}.")
    if result is not None and gathered.scores is None and not any("videos.csv" in each for each in found):
        found.append(
            "There is no videos.csv, as of a test by an earlier version: nothing is known of single videos and "
            "classes. `videogn test` writes it."
        )
    return found


def _interval(gathered: Gathered, *, k: int, accuracy: float) -> str:
    claim = _claim(gathered, k=k, accuracy=accuracy)
    return "" if claim is None else f" ({interval_text(claim)})"


def _claim(gathered: Gathered, *, k: int, accuracy: float) -> Claim | None:
    """Return an accuracy's interval; without the videos' own scores, that of as many independent ones."""
    if gathered.scores is not None:
        return gathered.scores.accuracy(k=k)
    num = (gathered.result.num_videos_scored if gathered.result is not None else None) or 0
    return share_of_counts(round(accuracy / 100 * num), num) if num > 0 and accuracy <= 100 else None


def _checkpoint(result: Result) -> str:
    name = Path(result.checkpoint or "").name
    known = {"last.ckpt": "last checkpoint", "best.ckpt": "checkpoint of the best validation"}
    return known.get(name, f"checkpoint {name}" if name else "checkpoint not known")
