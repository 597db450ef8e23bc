"""Folders of runs as a training and a test leave them, made without either."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from videogn.training.result import Result, ScoredVideo, write_result
from videogn.training.result_of_labels import ResultOfLabels, ScoredLabels, write_scored_labels
from videogn.training.video_scores import write_videos

# Of a test of any kind.
TESTED = {
    "num_frames": 8,
    "protocol": "1x1",
    "clip_policy": "nonlocal",
    "checkpoint": "checkpoints/last.ckpt",
    "steps": 40,
    "epochs": 2,
    "total_batch_size": 4,
    "train_seconds": 20.0,
    "test_seconds": 2.0,
    "peak_memory_bytes": 3 << 30,
    "dataset_fingerprint": "0123456789abcdef",
    "train_fingerprint": "fedcba9876543210",
}


def draw_scores(num: int, num_classes: int, *, seed: int = 0, seen: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Classes [num] of videos and probabilities [num, K] that lean to them; `seen`: of so many classes alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, seen or num_classes, num)
    logits = rng.normal(size=(num, num_classes)) + 2.0 * np.eye(num_classes)[labels]
    shares = np.exp(logits)
    return labels, shares / shares.sum(1, keepdims=True)


def write_run(
    folder: Path,
    *,
    root: Path | str = "/gone",
    names: Sequence[str] = (),
    labels: Sequence[int] | None = None,
    probabilities: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
    failed: Sequence[str] = (),
    data: dict[str, Any] | None = None,
    **result: Any,
) -> Path:
    """Write the folder of a run; without `probabilities` [n, K] it is not tested."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "seed_everything": 0,
        "model": {"norm": "gn", "network": "i3d", "weights": None},
        "data": {
            "root": str(root),
            "num_frames": 8,
            "frame_interval": 2,
            "protocol": "1x1",
            "test_list": None,
            **(data or {}),
        },
        "trainer": {},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "metrics.csv").write_text(
        "clips_per_second,epoch,lr,step,train/loss_epoch,train/loss_step,train/top1_epoch,val/loss,val/top1\n"
        "10,0,0.1,9,,1.5,,,\n20,0,0.1,19,,1.0,,,\n,0,,19,,,,0.9,0.5\n,0,,19,1.25,,0.25,,\n"
        "20,1,0.05,29,,0.5,,,\n20,1,0.01,39,,0.4,,,\n,1,,39,,,,0.8,0.75\n,1,,39,0.45,,0.5,,\n"
    )
    if labels is None or probabilities is None:
        return folder
    num, num_classes = probabilities.shape
    (folder / "classes.json").write_text(json.dumps([f"class {k}" for k in range(num_classes)]))
    own = probabilities[np.arange(num), labels]
    ranks = (probabilities >= own[:, None]).sum(1) - 1
    videos = [
        ScoredVideo(
            place, int(labels[place]), int(ranks[place]), float(-np.log(own[place])), int(row.argmax()), row.max()
        )
        for place, row in enumerate(probabilities)
    ]
    write_videos(videos, names or [f"{place:04d}.mp4" for place in range(num)], groups, folder)
    right = {k: 100 * float((ranks < k).mean()) for k in (1, 5)}
    known = {
        "top1": right[1],
        "top5": right[5] if num_classes >= 5 else None,
        "top1_of_expected": right[1] * num / (num + len(failed)),
        "num_videos_scored": num,
        "num_videos_expected": num + len(failed),
        "failed_videos": [{"video": name, "reason": "no frame in it"} for name in failed],
        "num_classes": num_classes,
    }
    write_result(Result(**{**TESTED, **known, **result}), folder)
    return folder


def write_run_of_labels(
    folder: Path,
    *,
    mean: float,
    is_labelled: np.ndarray,
    probabilities: np.ndarray,
    root: Path | str = "/gone",
    names: Sequence[str] = (),
    groups: Sequence[str] | None = None,
    failed: Sequence[str] = (),
    data: dict[str, Any] | None = None,
) -> Path:
    """Write the folder of a tested run of several labels a video, of mAP `mean`, bool and float [n, K]."""
    write_run(folder, root=root, data={"multi_label": True, **(data or {})})
    (folder / "metrics.csv").write_text(
        "epoch,step,train/loss_epoch,val/loss,val/map\n0,19,,0.9,0.5\n0,19,1.25,,\n1,39,,0.8,0.625\n"
    )
    num, num_classes = probabilities.shape
    (folder / "classes.json").write_text(json.dumps([f"class {k}" for k in range(num_classes)]))
    videos = [
        ScoredLabels(place, tuple(np.flatnonzero(own).tolist()), row.astype(np.float32).tolist(), 0.0)
        for place, (own, row) in enumerate(zip(is_labelled, probabilities, strict=True))
    ]
    write_scored_labels(videos, names or [f"{place:04d}.mp4" for place in range(num)], groups, folder)
    known = {
        "num_videos_scored": num,
        "num_videos_expected": num + len(failed),
        "failed_videos": [{"video": name, "reason": "no frame in it"} for name in failed],
        "num_classes": num_classes,
        "num_classes_scored": int(is_labelled.any(axis=0).sum()),
        "mean_average_precision": mean,
        "mean_average_precision_of_expected": mean / 2,
    }
    write_result(ResultOfLabels(**TESTED, **known), folder)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
