"""What a test leaves behind: result.json and per_class.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videogn.files import replacing, write_json
from videogn.training.accuracy import KS, ks_of


@dataclass(frozen=True)
class ScoredVideo:
    """A tested video: its place in the list, its class, the rank of its class, -log of its probability.

    The rank is accuracy.ranks': 0 where no other class has a probability as high. Top-k is the share of ranks below k.
    """

    index: int
    label: int
    rank: int
    loss: float


def chosen_text(chosen: dict[str, Any]) -> str:
    """By what a best checkpoint was chosen (Result.chosen), in words."""
    among = f"among {chosen['num_validations']} validations"
    if chosen["by_these_videos"]:
        return f"the checkpoint was chosen by these videos {among}, so the accuracy is too high"
    return f"the checkpoint was chosen by another list of videos {among}"


def top_k(videos: Sequence[ScoredVideo], k: int) -> float:
    """The share of videos, in [0, 1], whose class is among the k most probable."""
    return sum(video.rank < k for video in videos) / len(videos)


@dataclass(frozen=True)
class Result:
    """A test, with everything that a number needs beside it. Percent, seconds, bytes; None: not known.

    The three batch sizes are the training run's: norm_batch_size (None for a norm without batch statistics),
    device_batch_size, total_batch_size. precise_bn: the total batches that re-estimated statistics
    were asked to come from, and the clips that they came from (None: running averages, or a norm without).
    renorm: brn's bounds. weights: what the training started from (None: from scratch). code: the versions of videogn
    (code_version) that trained and tested. dataset_fingerprint and train_fingerprint: of the test's videos and of the
    training's, equal for equal data sets wherever they lie. device, num_devices: what trained it. top5 is None among
    fewer than five classes. parts: one for each time that the training went on differently, with its first update, the
    updates planned then, device batch, devices and code; one for a training in one piece. chosen: None for the last
    checkpoint, or one that nothing chose; of the best one, among how many validations it was chosen, and whether the
    list of videos that chose it is the one of this test, which makes the accuracy too high.
    """

    norm: str
    num_groups: int | None
    channels_per_group: int | None
    weight_standardization: bool
    norm_batch_size: int | None
    device_batch_size: int | None
    total_batch_size: int | None
    precise_bn: dict[str, int] | None
    renorm: dict[str, float] | None
    layout: str
    depth: int
    width: int
    temporal_convs: bool
    nonlocal_blocks: bool
    num_classes: int
    num_frames: int
    frame_interval: int
    seed: int | None
    protocol: str
    clip_policy: str
    top1: float
    top5: float | None
    loss: float
    num_videos_expected: int
    num_videos_scored: int
    failed_videos: list[dict[str, str]]
    dataset_fingerprint: str
    train_fingerprint: str | None
    checkpoint: str
    chosen: dict[str, Any] | None
    weights: dict[str, str] | None
    steps: int | None
    epochs: int | None
    train_seconds: float | None
    test_seconds: float
    peak_memory_bytes: int | None
    device: str | None
    num_devices: int | None
    parts: list[dict[str, Any]]
    code: dict[str, str | None]
    versions: dict[str, str]

    def summary(self) -> str:
        """The line that a test ends with."""
        left_out = self.num_videos_expected - self.num_videos_scored
        top5 = "" if self.top5 is None else f"top-5 {self.top5:.2f} %, "
        line = (
            f"{self.protocol} ({self.clip_policy}): top-1 {self.top1:.2f} %, {top5}"
            f"{self.num_videos_scored} of {self.num_videos_expected} videos scored"
        )
        if left_out:
            line += f" ({left_out} could not be decoded: see failed_videos)"
        return line if self.chosen is None else f"{line}; {chosen_text(self.chosen)}"


def write_result(result: Result, folder: Path) -> Path:
    """Writes result.json whole or not at all; returns its path."""
    path = folder / "result.json"
    write_json(path, asdict(result))
    return path


def write_per_class(videos: Sequence[ScoredVideo], classes: Sequence[str], folder: Path) -> Path:
    """Writes per_class.csv: class, videos scored, top-1 and top-5 in percent (empty where there is none)."""
    lines: list[list[object]] = [["class", "videos", *(f"top{k}" for k in KS)]]
    for label, name in enumerate(classes):
        own = [video for video in videos if video.label == label]
        known = ks_of(len(classes)) if own else ()
        lines.append([name, len(own), *(f"{100 * top_k(own, k):.2f}" if k in known else "" for k in KS)])
    path = folder / "per_class.csv"
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path
