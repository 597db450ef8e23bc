"""What a checkpoint says of its training, in plain types: how it came about, how far it is, and by which code."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from videogn.code_version import code_version
from videogn.training.device import device_name, peak_memory_bytes, precision_name
from videogn.training.recipe import recipe_of

if TYPE_CHECKING:
    from videogn.training.module import VideoClassifier

# What it says of its last part where it speaks of the whole training, too.
_OF_LAST_PART = ("device_batch_size", "num_devices", "device", "precision", "code")


def record_of(model: VideoClassifier) -> dict[str, Any]:
    """Return videogn's part of a checkpoint of a training: architecture, classes, training.

    All devices must ask: they exchange the most memory that any of them had in use.
    """
    data, sizes, trainer, before = model.data, model.batch_sizes, model.trainer, model.training_run
    part = {
        "planned_steps": model.planned_steps,
        "device_batch_size": sizes.device,
        "num_devices": sizes.num_devices,
        "skip_undecodable": data.skip_undecodable if data else None,
        "device": device_name(model.device),
        "precision": precision_name(trainer.precision, model.device),
        "compiled": model.compiled is not None,
        "kernels_checked": model.kernels_checked,
        "code": code_version(),
    }
    parts = list(before.get("parts", []))
    if not parts or part.items() - parts[-1].items():
        parts.append({"first_step": before.get("steps", 0), **part})
    peak = torch.tensor(peak_memory_bytes(), device=model.device)
    return {
        "architecture": dict(model.architecture),
        "classes": list(model.class_names),
        "training": {
            "recipe": recipe_of(model),
            "parts": parts,
            "norm_batch_size": sizes.norm,
            "total_batch_size": sizes.total,
            "steps": int(model.global_step),
            "position": asdict(model.position),
            "epoch_figures": model.epoch_figures.to_go_on(),
            "ended_early": model.ended_early,
            # Begun; current_epoch is one on when training has ended.
            "epochs": trainer.fit_loop.epoch_progress.current.ready,
            "train_seconds": model.train_seconds,
            "peak_memory_bytes": int(trainer.strategy.reduce(peak, reduce_op="max")),
            "seed": data.seed if data else None,
            "train_fingerprint": fingerprint_of(model),
            "train_videos": train_videos_of(model),
            "known": data.known["train"].to_plain() if data else {"failed": [], "in_full": []},
            "validated_at_step": model.validated_at_step,
            "num_validations": model.num_validations,
            "best": model.best,
            "is_best": model.is_best,
            "weights": model.weights,
            "precise_bn": model.precise_bn,
            "renorm": model.renorm and asdict(model.renorm),
            **{name: part[name] for name in _OF_LAST_PART},
        },
    }


def fingerprint_of(model: VideoClassifier) -> str | None:
    """Return the training videos' fingerprint, on the first device alone: it asks for every file's size."""
    return model.data.catalog.fingerprint("train") if model.data and model.trainer.is_global_zero else None


def train_videos_of(model: VideoClassifier) -> dict[str, Any] | None:
    """Return what a result says of the training's videos: how many, which failed, and the clips that updates lacked."""
    if model.data is None:
        return None
    videos, known = model.data.catalog.records("train"), model.data.known["train"]
    return {
        "num_videos": len(model.data.catalog.present("train")),
        "failed_videos": [
            {"video": videos.of_line(place).name, "reason": known.failed[place][1]} for place in sorted(known.failed)
        ],
        "num_skipped_clips": int(model.skipped_clips),
        "num_decoded_in_full": len(known.in_full),
    }
