"""What a test leaves behind: result.json and per_class.csv."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScoredVideo:
    """A tested video: its place in the list, its class, the rank of its class (0: first), -log of its probability."""

    index: int
    label: int
    rank: int
    loss: float


@dataclass(frozen=True)
class Result:
    """A test, with everything that a number needs beside it. Percent, seconds, bytes; None: not known.

    The three batch sizes are the training run's: norm_batch_size (None for a norm without batch statistics),
    device_batch_size, total_batch_size. precise_bn: the total batches that re-estimated statistics
    were asked to come from, and the clips that they came from (None: running averages, or a norm without).
    renorm: brn's bounds. weights: what the training started from (None: from scratch). code: the versions of videogn
    (code_version) that trained and tested. dataset_fingerprint and train_fingerprint: of the test's videos and of the
    training's, equal for equal data sets wherever they lie. device, num_devices: what trained it.
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
    top5: float
    loss: float
    num_videos_expected: int
    num_videos_scored: int
    failed_videos: list[dict[str, str]]
    dataset_fingerprint: str
    train_fingerprint: str | None
    checkpoint: str
    weights: dict[str, str] | None
    steps: int | None
    epochs: int | None
    train_seconds: float | None
    test_seconds: float
    peak_memory_bytes: int | None
    device: str | None
    num_devices: int | None
    code: dict[str, str | None]
    versions: dict[str, str]

    def summary(self) -> str:
        """The line that a test ends with."""
        left_out = self.num_videos_expected - self.num_videos_scored
        return (
            f"{self.protocol} ({self.clip_policy}): top-1 {self.top1:.2f} %, top-5 {self.top5:.2f} %, "
            f"{self.num_videos_scored} of {self.num_videos_expected} videos scored"
            + (f" ({left_out} could not be decoded: see failed_videos)" if left_out else "")
        )


def write_result(result: Result, folder: Path) -> Path:
    """Writes result.json whole or not at all; returns its path."""
    path = folder / "result.json"
    _replace(path, json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n")
    return path


def write_per_class(videos: Sequence[ScoredVideo], classes: Sequence[str], folder: Path) -> Path:
    """Writes per_class.csv: class, videos scored, top-1 and top-5 in percent (empty where no video was scored)."""
    lines: list[list[object]] = [["class", "videos", "top1", "top5"]]
    for label, name in enumerate(classes):
        ranks = [video.rank for video in videos if video.label == label]
        shares = [f"{100 * sum(rank < k for rank in ranks) / len(ranks):.2f}" if ranks else "" for k in (1, 5)]
        lines.append([name, len(ranks), *shares])
    path = folder / "per_class.csv"
    temporary = path.with_suffix(".csv.partial")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    os.replace(temporary, path)
    return path


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".partial")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
