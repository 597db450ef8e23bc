"""A run's folder as a model to ask: its settings, its classes, its checkpoint."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import torch

from videogn.data.datamodule import KineticsDataModule
from videogn.data.views.protocols import ProtocolName
from videogn.models.kernels import cases_of, check_kernels
from videogn.trained.folder import CLASSES, classes_file, settings_of
from videogn.trained.model import TrainedModel
from videogn.training.checkpoint import own_part
from videogn.training.checkpoint_file import checkpoint_of, read_checkpoint
from videogn.training.device import dtype_of
from videogn.training.errors import CheckpointError
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import precise_norms


def load(
    run_dir: str | Path,
    *,
    ckpt_path: str = "last",
    protocol: ProtocolName | None = None,
    num_workers: int | None = 0,
    device: str | None = None,
) -> TrainedModel:
    """Return the model of a run, to be asked about videos: what `videogn predict` says of a file, it says.

    It takes the run's config.yaml, classes.json and a checkpoint. The videos that it was trained on need not be there.

    Args:
        run_dir: The run's folder.
        ckpt_path: "last", "best", or a checkpoint's file.
        protocol: How many clips and crops of a video it sees: 10x3, 10x1 or 1x1; default: the run's.
        num_workers: Processes that decode where it is given many files; 0: this one decodes; None: as many as the run.
        device: Such as "cpu" or "cuda:1"; default: the run's kind, a GPU where there is one. On a CPU it computes in
            float32, on a GPU in the run's precision.

    Raises:
        ValueError: No run in this folder, settings that this version does not have, a protocol that there is not.
        CheckpointError: No such checkpoint, a damaged one, or one of other classes.
        KernelError: In half precision, a layer computes wrongly on this device.
    """
    run_dir = Path(run_dir)
    settings = settings_of(run_dir)
    path = checkpoint_of(run_dir, ckpt_path)
    checkpoint = read_checkpoint(path)
    own = own_part(checkpoint)
    file = classes_file(Path(path).parent.parent) or classes_file(run_dir)
    data = _datamodule(settings, file, protocol=protocol, num_workers=num_workers)
    architecture = own["architecture"]
    if unknown := architecture.keys() - inspect.signature(VideoClassifier).parameters.keys():
        raise CheckpointError(f"{path}: its network has {min(unknown)}, which this version of videogn does not know")
    compiled = settings["model"].get("compile", False)
    module = VideoClassifier(**architecture, device_batch_size=data.batch_size, compile=compiled)
    module.class_names = data.classes if file else own["classes"]
    if not module.class_names:
        raise ValueError(f"{run_dir} does not say the names of its classes (no {CLASSES[0]}): put that file there")
    try:
        module.on_load_checkpoint(checkpoint)  # refuses other classes
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    module.load_state_dict(checkpoint["state_dict"])
    _warn_of_statistics(settings, own, module)
    where = torch.device(device) if device else _device(settings)
    autocast = None if where.type == "cpu" else dtype_of(settings["trainer"].get("precision"))
    if autocast is not None and not settings.get("trust_kernels", False):
        sizes = (min(8, data.batch_size), 3, data.num_frames, data.test_crop_size, data.test_crop_size)
        check_kernels(cases_of(module.model, sizes, training=False), device=where, dtype=autocast)
    return TrainedModel(
        module,
        data,
        classes=module.class_names,
        device=where,
        autocast=autocast,
        allow_tf32=settings.get("allow_tf32", True),
    )


def _datamodule(settings: dict[str, Any], classes: str | None, **asked: Any) -> KineticsDataModule:
    # What a prediction does not ask for, it does not refuse, either.
    given = {**settings["data"], "index": None, "predict_paths": None, "skip_undecodable": 0.0}
    if classes is not None:
        given["classes"] = classes
    given |= {name: value for name, value in asked.items() if value is not None}
    if unknown := given.keys() - inspect.signature(KineticsDataModule).parameters.keys():
        raise ValueError(f"config.yaml has data.{min(unknown)}, which this version of videogn does not have")
    return KineticsDataModule(**given)


def _device(settings: dict[str, Any]) -> torch.device:
    """Return what the trainer would take on this machine."""
    if settings["trainer"].get("accelerator") != "cpu":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
    return torch.device("cpu")


def _warn_of_statistics(settings: dict[str, Any], own: dict[str, Any], module: VideoClassifier) -> None:
    """Say where `videogn predict` would re-estimate running statistics, which takes the training videos."""
    wanted = settings.get("precise_bn_batches", 0)
    has = (own["training"].get("precise_bn") or {}).get("batches", 0)
    if wanted and wanted != has and precise_norms(module.model):
        warnings.warn(
            f"the run re-estimates its running statistics from {wanted} batches, and this checkpoint has them from "
            f"{has or 'training'}: they are taken as they are (the checkpoint of an epoch's end has its own)",
            stacklevel=3,
        )
