"""The settings that decide what a training makes of the network: said by its checkpoints, kept when it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from videogn.data.datamodule import KineticsDataModule
from videogn.training.errors import CheckpointError

if TYPE_CHECKING:
    from videogn.training.module import VideoClassifier

_OF_MODEL: dict[str, Any] = {
    "model.optimizer": "sgd",
    "model.mixup": 0.0,
    "model.cutmix": 0.0,
    "model.balance_classes": False,
    "model.ema": 0.0,
}
# Settings that the paper's run does without, by name, and what they are where they are off.
OFF = _OF_MODEL | KineticsDataModule.OFF


def recipe_of(model: VideoClassifier) -> dict[str, Any]:
    """Return the settings that decide what a training makes of the network, by name, in plain types.

    All parts of one training have the same ones. The device batch and the number of devices are not among them: an
    update is of the same clips at any. Neither is the length of the run.
    """
    data, sizes, trainer = model.data, model.batch_sizes, model.trainer
    schedule = {f"model.schedule.{name}": value for name, value in asdict(model.schedule).items()}
    del schedule["model.schedule.length"]
    renorm = {} if model.renorm is None else asdict(model.renorm)
    clip_val = trainer.gradient_clip_val
    recipe = {
        "seed_everything": data.seed if data else None,
        "total_batch_size": sizes.total,
        "normalisation batch": sizes.norm,
        **{f"model.renorm.{name}": value for name, value in renorm.items()},
        "model.dropout": model.dropout,
        "model.label_smoothing": model.label_smoothing,
        "model.base_lr": model.base_lr,
        **schedule,
        "model.momentum": model.momentum,
        "model.weight_decay": model.weight_decay,
        "model.norm_weight_decay": model.norm_weight_decay,
        **{name: getattr(model, name.removeprefix("model.")) for name in _OF_MODEL},
        "trainer.precision": trainer.precision,
        "trainer.gradient_clip_val": clip_val,
        **({} if clip_val is None else {"trainer.gradient_clip_algorithm": trainer.gradient_clip_algorithm}),
    }
    if data:
        recipe |= {**data.recipe, "updates an epoch": model.num_steps()[0]}
    return json.loads(json.dumps(recipe))  # lists for tuples, as they come back from a checkpoint


def extras_in(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training that are on and that the paper's run does without, by name."""
    return {name: recipe[name] for name, value in OFF.items() if recipe.get(name, value) != value}


def check_same_recipe(own: Mapping[str, Any], recipe: Mapping[str, Any], *, fingerprint: str | None) -> None:
    """Refuse to go on with a training under settings that its first part was not trained with.

    The optimiser's state would keep the old learning rate, momentum and weight decay, and the result would name
    settings that trained a part of it at most.

    Args:
        recipe: What the training is asked to be, by the names of settings, in plain types.
        fingerprint: Of the training videos; None where it is not known.

    Raises:
        CheckpointError: A setting or the videos differ; says what, and what to do.
    """
    theirs = own["training"].get("recipe")
    if theirs is None:
        raise CheckpointError(
            "the checkpoint does not say all the settings that it was trained with (an earlier version wrote it), so "
            "its training can't go on: begin a new run from its weights, with --model.weights"
        )
    if fingerprint is not None and fingerprint != own["training"].get("train_fingerprint"):
        raise CheckpointError(
            "the training videos are not those that the run was trained on so far (other names, labels or sizes of "
            "files): bring them back to go on, or begin a new run from its weights, with --model.weights"
        )
    theirs = {**OFF, **theirs}  # those that are off may be later than the checkpoint
    differing = [
        f"{name} {json.dumps(theirs[name])} (asked for: {json.dumps(value)})"
        for name, value in recipe.items()
        if name in theirs and theirs[name] != value
    ]
    if differing:
        raise CheckpointError(
            f"the run was trained with {', '.join(differing)}. A run goes on with its own settings: leave these out "
            f"(--run_dir without --config takes the run's own), or begin a new run from its weights, with "
            f"--model.weights and another --run_dir"
        )
