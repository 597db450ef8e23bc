"""What a checkpoint must hold to be read, by types: its file may be whole, and yet another program's, or anyone's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor

from videogn.training.errors import CheckpointError
from videogn.training.kinds import first_wrong, has_odd_number


class _Position(TypedDict):
    epochs: int
    updates: int


class _Best(TypedDict):
    step: int
    validation: dict[str, Any]


class _BestByTop1(_Best):
    top1: float


class _BestByMap(_Best):
    map: float


class _Part(TypedDict):
    first_step: int
    code: str


class _Weights(TypedDict):
    file: str
    kind: str
    sha256: str


class _Known(TypedDict):
    failed: list[tuple[int, int, str]]
    in_full: list[tuple[int, int]]


class _TrainVideos(TypedDict):
    num_videos: int
    failed_videos: list[dict[str, str]]
    num_skipped_clips: int
    num_decoded_in_full: int


class _OfAll(TypedDict):
    steps: int
    epochs: int
    train_seconds: float
    validated_at_step: int | None
    norm_batch_size: int | None


class _Training(_OfAll, total=False):
    """Of a training; what earlier versions did not write may be absent."""

    recipe: dict[str, Any]
    parts: list[_Part]
    position: _Position
    epoch_figures: dict[str, list[float]]
    num_validations: int
    best: _BestByTop1 | _BestByMap | None
    is_best: bool
    ended_early: bool
    weights: _Weights | None
    precise_bn: dict[str, int] | None
    renorm: dict[str, float] | None
    train_fingerprint: str | None
    train_videos: _TrainVideos | None
    known: _Known
    total_batch_size: int
    device_batch_size: int
    num_devices: int
    device: str
    precision: str
    code: str
    peak_memory_bytes: int
    seed: int | None


class _Own(TypedDict):
    architecture: dict[str, Any]
    classes: list[str]
    training: _Training


class _Group(TypedDict, total=False):
    params: list[int]
    lr: float
    initial_lr: float
    momentum: float
    dampening: float
    weight_decay: float
    betas: tuple[float, float]
    eps: float
    nesterov: bool
    maximize: bool
    amsgrad: bool
    differentiable: bool
    foreach: bool | None
    fused: bool | None


class _Optimizer(TypedDict):
    state: dict[int, dict[str, Any]]
    param_groups: list[_Group]


class _Scheduler(TypedDict):
    base_lrs: list[float]
    last_epoch: int
    _step_count: int
    _last_lr: list[float]
    lr_lambdas: list[dict[str, Any] | None]


class _Lightning(TypedDict):
    epoch: int
    global_step: int
    state_dict: dict[str, Tensor]
    loops: dict[str, dict[str, Any]]
    callbacks: dict[str, Any]
    optimizer_states: list[_Optimizer]
    lr_schedulers: list[_Scheduler]


def check_own(own: Any) -> None:
    """Refuse videogn's part of a checkpoint where it is not of the types that are read from it.

    Raises:
        CheckpointError: It is so; the part is named.
    """
    wrong = first_wrong(own, _Own) if isinstance(own, dict) else "architecture"
    if wrong == "training" and isinstance(own.get("training"), dict):
        wrong = f"training.{first_wrong(own['training'], _Training)}"
    if wrong is None:
        try:
            json.dumps(own)
        except (TypeError, ValueError, RecursionError) as error:
            wrong = str(error)
    if wrong is not None:
        raise CheckpointError(f"what it says of its training can't be read ({wrong}): videogn did not write it so")


def check_content(checkpoint: Mapping[str, Any], *, steps: int) -> None:
    """Refuse a checkpoint whose other parts are not of the types that Lightning reads from them.

    Args:
        steps: The updates that videogn's part says.

    Raises:
        CheckpointError: It is so; the part is named.
    """
    if (wrong := first_wrong(dict(checkpoint), _Lightning)) is not None:
        raise CheckpointError(f"its part {wrong!r} is missing, or not what videogn writes")
    if checkpoint["global_step"] != steps:
        raise CheckpointError(
            f"it says that it was saved after {steps:,} updates and after {checkpoint['global_step']:,}: videogn did "
            f"not write it so"
        )
    if has_odd_number(dict(checkpoint)):
        raise CheckpointError("it holds a whole number that 64 bits can't hold: videogn did not write it so")


def check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Refuse what an optimiser has kept of its parameters where it is not of their shapes.

    Raises:
        CheckpointError: It is so.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            shape = tuple(value.shape) if isinstance(value, Tensor) else None
            if shape != (() if name == "step" else tuple(parameter.shape)):
                raise CheckpointError(
                    f"the checkpoint's {name} is of shape {shape}, and its parameter of {tuple(parameter.shape)}: "
                    f"videogn did not write it so"
                )
