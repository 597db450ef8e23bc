"""What a test leaves behind, with one label a video: result.json and per_class.csv; what both kinds of result share.

Loads no torch: studies read results, too.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from videogn.files import ODD_NAMES, read_json, replacing, write_json
from videogn.training.kinds import is_of

KS = (1, 5)
# What a validation is judged by, as metrics.csv has it behind val/, and in words.
ScoreName = Literal["top1", "map"]
SCORES: dict[ScoreName, str] = {"top1": "top-1", "map": "mAP"}


def ks_of(num_classes: int) -> tuple[int, ...]:
    """Return the k of the top-k accuracies that there are among K classes: no top-5 among fewer than five."""
    return tuple(k for k in KS if k <= num_classes)


@dataclass(frozen=True)
class ScoredVideo:
    """A tested video: its place in the list, its class, the rank of its class, -log of its probability.

    The rank is accuracy.ranks': 0 where no other class has a probability as high. Top-k is the share of ranks below k.
    predicted: the most probable class, of several the first; confidence: its probability, None where it is not known.
    """

    index: int
    label: int
    rank: int
    loss: float
    predicted: int
    confidence: float | None = None


def top_k(videos: Sequence[ScoredVideo], k: int) -> float:
    """Return the share of videos, in [0, 1], whose class is among the k most probable."""
    return sum(video.rank < k for video in videos) / len(videos)


Kind = TypeVar("Kind", bound="AnyResult")


class ResultError(ValueError):
    """A result.json that does not hold a result."""


@dataclass(frozen=True, kw_only=True)
class AnyResult:
    """A test without its score, with everything that a number needs beside it. Percent, seconds, bytes.

    None: it does not apply, or a result of an earlier version does not say it.

    The three batch sizes are the training run's: norm_batch_size (None for a norm without batch statistics),
    device_batch_size, total_batch_size. precise_bn: the total batches that re-estimated statistics
    were asked to come from, and the clips that they came from (None: running averages, or a norm without).
    renorm: brn's bounds. weights: what the training started from (None: from scratch). code: the versions of videogn
    (code_version) that trained and tested. dataset_fingerprint and train_fingerprint: of the test's videos and of the
    training's, equal for equal data sets wherever they lie. num_videos_excluded: that the test's list has and
    data.exclude names, and are not expected. num_videos_decoded_in_full: whose packets were not as promised.
    test_list: the data root and the list that the test's videos were of, absolute paths.
    train_videos: how many the training had, which of them failed while it was under way, how many clips its updates
    lacked by that, and how many had to be decoded in full. device, num_devices: what trained it. precision: of the
    training and of the test; kernels_checked: whether their layers were held against float32 before (None: in float32
    there is nothing to hold, or it is not known). extras: settings that were on and that the paper's run does without,
    by name. parts: one for each time that the training went on differently, with its first update, the updates planned
    then, device batch, devices and code; one for a training in one piece. chosen: None for the last checkpoint, or one
    that nothing chose; of the best one, among how many validations it was chosen, and whether the list of videos that
    chose it is the one of this test, which makes the accuracy too high.
    """

    norm: str | None = None
    num_groups: int | None = None
    channels_per_group: int | None = None
    weight_standardization: bool | None = None
    input: str | None = None
    norm_batch_size: int | None = None
    device_batch_size: int | None = None
    total_batch_size: int | None = None
    precise_bn: dict[str, int] | None = None
    renorm: dict[str, float] | None = None
    network: str | None = None
    layout: str | None = None
    depth: int | None = None
    width: int | None = None
    temporal_convs: bool | None = None
    nonlocal_blocks: bool | None = None
    num_classes: int | None = None
    num_frames: int | None = None
    frame_interval: int | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    protocol: str | None = None
    clip_policy: str | None = None
    loss: float | None = None
    num_videos_expected: int | None = None
    num_videos_scored: int | None = None
    num_videos_excluded: int | None = None
    test_list: dict[str, str] | None = None
    failed_videos: list[dict[str, str]] = field(default_factory=list)
    num_videos_decoded_in_full: int | None = None
    train_videos: dict[str, Any] | None = None
    dataset_fingerprint: str | None = None
    train_fingerprint: str | None = None
    checkpoint: str | None = None
    chosen: dict[str, Any] | None = None
    weights: dict[str, str] | None = None
    steps: int | None = None
    epochs: int | None = None
    train_seconds: float | None = None
    test_seconds: float | None = None
    peak_memory_bytes: int | None = None
    precision: dict[str, str | None] = field(default_factory=dict)
    kernels_checked: dict[str, bool | None] = field(default_factory=dict)
    device: str | None = None
    num_devices: int | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    code: dict[str, str | None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def protocol_and_policy(self) -> str | None:
        """How the videos were seen, such as "10x3 (nonlocal)"."""
        return f"{self.protocol} ({self.clip_policy})" if self.protocol and self.clip_policy else self.protocol

    @property
    def code_pair(self) -> tuple[str, str] | None:
        """The versions of videogn that trained and tested; None where one of them is not known."""
        trained, tested = self.code.get("train"), self.code.get("test")
        return (trained, tested) if trained and tested else None

    @property
    def weights_file(self) -> str | None:
        """The file that the training started from; None from scratch."""
        return (self.weights or {}).get("file")

    @property
    def weights_sha256(self) -> str | None:
        """That file's SHA-256."""
        return (self.weights or {}).get("sha256")

    @property
    def chosen_among(self) -> int | None:
        """Among how many validations on the tested videos the checkpoint is the best; None where they chose nothing."""
        chosen = self.chosen or {}
        return chosen.get("num_validations") if chosen.get("by_these_videos") else None

    @property
    def score_text(self) -> str:
        """The score in words, and its percentage."""
        raise NotImplementedError

    @property
    def of_expected_text(self) -> str | None:
        """The score that counts videos without one as wrong; None where it is not known."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return the line that a test ends with."""
        assert self.num_videos_expected is not None
        assert self.num_videos_scored is not None
        left_out = self.num_videos_expected - self.num_videos_scored
        line = (
            f"{self.protocol_and_policy}: {self.score_text}, "
            f"{self.num_videos_scored} of {self.num_videos_expected} videos scored"
        )
        if left_out:
            line += f" ({left_out} could not be decoded: see failed_videos"
            line += ")" if self.of_expected_text is None else f"; as wrong ones, {self.of_expected_text})"
        if self.num_videos_excluded:
            line += f"; {self.num_videos_excluded} more left out by data.exclude"
        if self.num_videos_decoded_in_full:
            line += f"; {in_full_text(self.num_videos_decoded_in_full)}"
        return line if self.chosen is None else f"{line}; {chosen_text(self.chosen)}"


@dataclass(frozen=True, kw_only=True)
class Result(AnyResult):
    """A test of videos of one class each: see AnyResult.

    top1 and top5 are of the videos that could be scored; top1_of_expected and top5_of_expected count all others as
    wrong. top5 is None among fewer than five classes.
    """

    top1: float
    top5: float | None = None
    top1_of_expected: float | None = None
    top5_of_expected: float | None = None

    @property
    def score_text(self) -> str:
        """The accuracies in words."""
        return f"top-1 {self.top1:.2f} %" + ("" if self.top5 is None else f", top-5 {self.top5:.2f} %")

    @property
    def of_expected_text(self) -> str | None:
        """The accuracy that counts videos that were not scored as wrong; None where it is not known."""
        return None if self.top1_of_expected is None else f"top-1 {self.top1_of_expected:.2f} %"


def accuracies_of(videos: Sequence[ScoredVideo], num_classes: int, *, num_expected: int) -> dict[str, Any]:
    """Return the accuracies of a result, in percent: of the videos that were scored, and of all that were expected."""
    top = {k: 100 * top_k(videos, k) for k in ks_of(num_classes)}
    of_expected = {k: share * len(videos) / num_expected for k, share in top.items()}
    return {
        "top1": top[1],
        "top5": top.get(5),
        "top1_of_expected": of_expected[1],
        "top5_of_expected": of_expected.get(5),
    }


def in_full_text(number: int) -> str:
    """Return in words how many videos had to be decoded in full."""
    return f"{number} had to be decoded in full, since their packets were not as promised"


def train_videos_text(found: dict[str, Any] | None) -> str:
    """Return in words what came of a training's videos (Result.train_videos); nothing where all were as they should."""
    if found is None:
        return ""
    said, failed = [], found["failed_videos"]
    if failed:
        clips = f"{found['num_skipped_clips']} clips in all"
        said.append(
            f"{len(failed)} of {found['num_videos']} failed and were left out, {clips} (the first: "
            f"{failed[0]['reason']})"
        )
    if found["num_decoded_in_full"]:
        said.append(in_full_text(found["num_decoded_in_full"]))
    return f"training videos: {'; '.join(said)}" if said else ""


def chosen_text(chosen: dict[str, Any]) -> str:
    """Return in words by what a best checkpoint was chosen (Result.chosen)."""
    among = f"among {chosen['num_validations']} validations"
    if chosen["by_these_videos"]:
        return f"the checkpoint was chosen by these videos {among}, so the accuracy is too high"
    return f"the checkpoint was chosen by another list of videos {among}"


def write_result(result: AnyResult, folder: Path) -> Path:
    """Write result.json whole or not at all; return its path."""
    path = folder / "result.json"
    write_json(path, asdict(result))
    return path


def read_result(path: Path) -> Result:
    """Read a result.json of this version or an earlier one.

    A field that is absent, or holds something that it can't, is as if it were not known.

    Raises:
        ResultError: It is no JSON object, or holds no top-1 accuracy from 0 to 100.
    """
    return of_kind(Result, read_fields(path), "top1", path=path)


def read_fields(path: Path) -> dict[str, Any]:
    """Return what a result.json says.

    Raises:
        ResultError: It is no JSON object.
    """
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise ResultError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ResultError(f"{path.name}: got {type(found).__name__}, expected an object")
    return found


def of_kind(kind: type[Kind], found: dict[str, Any], score: str, *, path: Path) -> Kind:
    """Return what a result.json says as a result of a kind; see `read_result`.

    Raises:
        ResultError: It has no such score from 0 to 100.
    """
    types = get_type_hints(kind)
    names = [one.name for one in fields(kind)]
    known = {name: found[name] for name in names if name in found and is_of(found[name], types[name])}
    if not 0 <= known.get(score, -1) <= 100:
        raise ResultError(f"{path.name}: got {score} {found.get(score)!r}, expected a percentage")
    return kind(**known)


def write_per_class(videos: Sequence[ScoredVideo], classes: Sequence[str], folder: Path) -> Path:
    """Write per_class.csv: class, videos scored, top-1 and top-5 in percent (empty where there is none)."""
    lines: list[list[object]] = [["class", "videos", *(f"top{k}" for k in KS)]]
    for label, name in enumerate(classes):
        own = [video for video in videos if video.label == label]
        known = ks_of(len(classes)) if own else ()
        lines.append([name, len(own), *(f"{100 * top_k(own, k):.2f}" if k in known else "" for k in KS)])
    path = folder / "per_class.csv"
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8", errors=ODD_NAMES) as file:
        csv.writer(file).writerows(lines)
    return path
