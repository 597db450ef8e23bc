"""What came of a run, in sentences: its accuracy or mAP, how sure that is, of which videos, and what to beware of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videogn.data.views.protocols import PROTOCOLS
from videogn.intervals import Claim, interval_text
from videogn.trained.report.gather import Gathered
from videogn.trained.report.scores import ALPHA, Scores, share_of_counts
from videogn.trained.report.scores_of_labels import ScoresOfLabels
from videogn.training.result import AnyResult, Result, chosen_text, in_full_text
from videogn.training.result_of_labels import ResultOfLabels
from videogn.wording import counted, percent_text


def answer_text(gathered: Gathered) -> str:
    """Return the one sentence: top-1 and top-5, or mAP, with intervals, denominator, protocol, failed videos."""
    result = gathered.result
    if result is None:
        return "Not tested."
    num, expected = result.num_videos_scored, result.num_videos_expected
    if isinstance(result, ResultOfLabels):
        score = _precision(result, gathered.scores)
    else:
        score = _accuracies(result, gathered.scores)
    protocol = f", protocol {result.protocol_and_policy}" if result.protocol else ""
    sentence = f"{score}{protocol}, {_checkpoint(result)}"
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
        score, value, wrong = ("top-1", result.top1_of_expected, "wrong") if isinstance(result, Result) else (
            "mAP", result.mean_average_precision_of_expected, "never found"
        )  # fmt: skip
        if value is not None:
            videos = counted(left_out, "video")
            notes.append(f"With the {videos} that failed counted as {wrong}, {score} is {value:.1f} %.")
    like_these = "videos like these"
    if isinstance(scores, ScoresOfLabels):
        notes += _notes_of_labels(scores)
        like_these = "as many videos like these"
    elif scores is not None:
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
        f"Intervals: {percent_text(ALPHA)}, of this one training for {like_these}.{groups} They say nothing of "
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


def _accuracies(result: Result, scores: Scores | ScoresOfLabels | None) -> str:
    parts = []
    for k, accuracy in ((1, result.top1), (5, result.top5)):
        if accuracy is not None:
            parts.append(f"top-{k} {accuracy:.1f} %{_interval(_claim(result, scores, k=k, accuracy=accuracy))}")
    num = result.num_videos_scored
    right = "" if num is None else f": {round(result.top1 / 100 * num):,} of {counted(num, 'test video')} right"
    return f"{', '.join(parts).capitalize()}{right}"


def _claim(result: Result, scores: Scores | ScoresOfLabels | None, *, k: int, accuracy: float) -> Claim | None:
    """Return an accuracy's interval; without the videos' own scores, that of as many independent ones."""
    if isinstance(scores, Scores):
        return scores.accuracy(k=k)
    num = result.num_videos_scored or 0
    return share_of_counts(round(accuracy / 100 * num), num) if num > 0 and accuracy <= 100 else None


def _precision(result: ResultOfLabels, scores: Scores | ScoresOfLabels | None) -> str:
    interval = _interval(scores.mean if isinstance(scores, ScoresOfLabels) else None)
    classes = (
        f"{result.num_classes_scored} of {counted(result.num_classes, 'class')}" if result.num_classes else "classes"
    )
    videos = "" if result.num_videos_scored is None else f" and {counted(result.num_videos_scored, 'test video')}"
    return f"mAP {result.mean_average_precision:.1f} %{interval} over {classes}{videos}"


def _notes_of_labels(scores: ScoresOfLabels) -> list[str]:
    num_unseen = int(np.isnan(scores.precisions).sum())
    unseen = f"{counted(num_unseen, 'class')} had no video in the test, and so no average precision."
    chance = f"By chance, with the videos in a random order, mAP would be {scores.by_chance:.1f} % on average."
    return [*([unseen] if num_unseen else []), chance]


def _interval(claim: Claim | None) -> str:
    return "" if claim is None else f" ({interval_text(claim)})"


def _checkpoint(result: AnyResult) -> str:
    name = Path(result.checkpoint or "").name
    known = {"last.ckpt": "last checkpoint", "best.ckpt": "checkpoint of the best validation"}
    return known.get(name, f"checkpoint {name}" if name else "checkpoint not known")
