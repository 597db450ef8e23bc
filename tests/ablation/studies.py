"""Folders of studies whose runs were never made: results, metrics and failures as runs leave them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cell_folder, cells_of
from videogn.ablation.study import Study
from videogn.training.result import ScoredVideo
from videogn.training.video_scores import write_videos

BASE = b"""
model: {norm: gn, schedule: {scaling: equal_epochs}}
data: {num_frames: 8, frame_interval: 2, batch_size: 16}
total_batch_size: 16
"""
# Three seeds a setting. BN at 2: mean 69, deviations 1, -5, 4, variance 42 / 2 = 21.
TOP1 = {
    ("gn", "16"): [88.0, 87.0, 89.5],
    ("bn", "16"): [90.0, 89.0, 89.5],
    ("bn", "2"): [70.0, 64.0, 73.0],
}
STUDY = Study(base="motions.yaml", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2]}, seeds=[0, 1, 2])


def top1_of(cell: Cell) -> float:
    return TOP1[cell.norm, cell.labels["norm_batch_size"]][cell.seed]


def cells(study: Study) -> list[Cell]:
    return cells_of(study, base_settings(BASE, name="base"))


def make_study(
    out: Path,
    study: Study = STUDY,
    *,
    top1: Callable[[Cell], float] = top1_of,
    ranks: Callable[[Cell], Sequence[int]] | None = None,
    groups: Sequence[str] | None = None,
    **changes: Any,
) -> Path:
    """Make OUT as a study leaves it that is done, fields of every result.json changed.

    `ranks` are those of each cell's videos, which make its videos.csv and its accuracies.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "study.json").write_text(json.dumps(asdict(study)))
    (out / "base.yaml").write_bytes(BASE)
    for cell in cells(study):
        if cell.same_as is None:
            folder = cell_folder(cell, out=out)
            folder.mkdir(parents=True)
            (folder / "cell.json").write_text(json.dumps({"cell": cell.identity}))
            (folder / "config.yaml").write_text("seed_everything: 0\n")
            own = result(cell, top1(cell)) if ranks is None else scored(cell, ranks(cell), groups, folder)
            (folder / "result.json").write_text(json.dumps({**own, **changes}))
            (folder / "metrics.csv").write_text(metrics(own["top1"]))
    return out


def scored(cell: Cell, ranks: Sequence[int], groups: Sequence[str] | None, folder: Path) -> dict[str, Any]:
    """Write a cell's videos.csv and return the fields of its result.json."""
    num = len(ranks)
    videos = [ScoredVideo(place, 0, rank, 0.5, min(rank, 1)) for place, rank in enumerate(ranks)]
    write_videos(videos, [f"{place}.mp4" for place in range(num)], groups, folder)
    own = result(cell, 100 * sum(rank < 1 for rank in ranks) / num)
    own["top5"] = 100 * sum(rank < 5 for rank in ranks) / num
    return own | {"num_videos_expected": num, "num_videos_scored": num}


def result(cell: Cell, top1: float) -> dict[str, Any]:
    return {
        "norm": cell.norm, "norm_batch_size": cell.batches.norm, "device_batch_size": cell.batches.device,
        "total_batch_size": cell.batches.total, "seed": cell.seed, "protocol": "1x1", "clip_policy": "nonlocal",
        "top1": top1, "top5": 99.0, "loss": 0.5, "num_videos_expected": 400, "num_videos_scored": 400,
        "dataset_fingerprint": "abc", "train_fingerprint": "def", "checkpoint": "run/checkpoints/last.ckpt",
        "steps": 500, "epochs": 2, "train_seconds": 61.25, "test_seconds": 4.0,
        "peak_memory_bytes": 3 * 2**30, "weights": None, "code": {"train": "0.1+aa", "test": "0.1+aa"},
        "versions": {"python": "3.11.7", "torch": "2.15"},
    }  # fmt: skip


def metrics(top1: float) -> str:
    """Return a metrics.csv of two epochs, the first without a validation."""
    return (
        "clips_per_second,epoch,step,train/top1_epoch,val/top1\n"
        "100.0,0,9,,\n,0,9,0.25,\n120.0,1,19,,\n"
        f",1,19,,{top1 / 100}\n,1,19,0.5,\n"
    )


def change(out: Path, cell: str, **fields: Any) -> None:
    """Change fields of one cell's result.json."""
    path = out / "cells" / cell / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def fail(out: Path, cell: str, *, reason: str = "the loss is not finite", log_tail: tuple[str, ...] = ()) -> None:
    """Leave what a failed training leaves."""
    folder = out / "cells" / cell
    (folder / "result.json").unlink()
    failure = {"kind": "not finite", "stage": "fit", "exit_status": 4, "reason": reason, "log_tail": list(log_tail)}
    (folder / "failure.json").write_text(json.dumps(failure))
