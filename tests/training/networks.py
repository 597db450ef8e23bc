"""Small networks and batches that the tests of training share."""

import torch

from videogn.training.module import VideoClassifier

SMALL = {"depth": 14, "width": 8, "num_frames": 8, "crop_size": 64, "num_classes": 7, "dropout": 0.0}
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def build(norm: str = "bn", **settings) -> VideoClassifier:
    torch.manual_seed(0)
    groups = {"channels_per_group": 4} if norm == "gn" else {}
    model = VideoClassifier(norm, **{**SMALL, **groups, "device_batch_size": 4, **settings})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
    return model


def batch(n: int, seed: int = 0, *, views: int = 1, size: int = 64) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return {
        "views": torch.randint(0, 256, (n, views, 8, size, size, 3), dtype=torch.uint8, generator=generator),
        "labels": torch.randint(0, 7, (n,), generator=generator),
        "indices": torch.arange(n),
        "weights": torch.ones(n),
        "missing": [],
        "failures": [],
    }


def slices(whole: dict, size: int) -> list[dict]:
    tensors = {name: value.split(size) for name, value in whole.items() if isinstance(value, torch.Tensor)}
    return [
        {**{name: parts[k] for name, parts in tensors.items()}, "missing": [], "failures": []}
        for k in range(len(whole["labels"]) // size)
    ]
