"""What a run is going to do, said before it begins: its batch sizes, learning rate and length, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videogn.models.batch_renorm import RenormBounds
from videogn.training.schedule import REFERENCE_BATCH_SIZE, Schedule, in_steps, scaled_lr, stretch


@dataclass(frozen=True)
class Plan:
    """What is known of a run before it begins.

    Args:
        run_dir: Its folder.
        architecture: The model's: layout, depth, norm and, where they apply, num_groups, channels_per_group,
            weight_standardization, temporal_convs, nonlocal_blocks.
        num_parameters: Of the network.
        start: What the network starts from, in words.
        num_videos: For training.
        num_classes: K.
        num_frames: Frames of a clip.
        frame_interval: Source frames from one frame of a clip to the next.
        crop_size: Height and width of a training clip in px.
        norm_batch: Clips that share batch statistics; None where none do.
        renorm: brn: how far it corrects when.
        precise_bn_batches: Total batches that running statistics are re-estimated from; 0 for none.
        device_batch_size: Clips in one forward.
        num_devices: All of them.
        accumulate: Forwards of each device per optimiser step.
        base_lr: Learning rate at a total batch of 64 clips.
        schedule: How it falls.
        weight_decay: On convolutions and the last layer.
        norm_weight_decay: On gamma and beta of the norms.
        steps_per_epoch: Optimiser steps ("updates") in an epoch.
        total_steps: Those of the run.
        steps_before: Those that the checkpoint has behind it which the run goes on from.
        before: The last part of the training so far (result.py, `parts`); None for a new run.
    """

    run_dir: str
    architecture: Mapping[str, Any]
    num_parameters: int
    start: str
    num_videos: int
    num_classes: int
    num_frames: int
    frame_interval: int
    crop_size: int
    norm_batch: int | None
    renorm: RenormBounds | None
    precise_bn_batches: int
    device_batch_size: int
    num_devices: int
    accumulate: int
    base_lr: float
    schedule: Schedule
    weight_decay: float
    norm_weight_decay: float
    steps_per_epoch: int
    total_steps: int
    steps_before: int = 0
    before: Mapping[str, Any] | None = None

    @property
    def total_batch_size(self) -> int:
        """Clips per optimiser step."""
        return self.device_batch_size * self.num_devices * self.accumulate


def summary(plan: Plan) -> str:
    """The plan as aligned lines for people and logs; no line break at the end."""
    lines = {
        "run": plan.run_dir,
        "network": _network(plan),
        "start": plan.start,
        "data": f"{_count(plan.num_videos, 'video')}, {_count(plan.num_classes, 'class', 'classes')}; {_clip(plan)}",
        "normalisation batch": _norm_batch(plan),
        **_renorm(plan),
        "device batch": _device_batch(plan),
        "total batch": f"{_count(plan.total_batch_size, 'clip')} = {plan.device_batch_size:,} x "
        f"{_count(plan.num_devices, 'device')} x {plan.accumulate:,} accumulated",
        "learning rate": _learning_rate(plan),
        **_scaling(plan),
        "weight decay": f"{plan.weight_decay:g}; norms {plan.norm_weight_decay:g}",
        "length": _length(plan),
    }
    width = max(map(len, lines)) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())


def _clip(plan: Plan) -> str:
    if plan.num_frames == 1:
        return f"single frames or images of {plan.crop_size} px"
    return f"clips of {plan.num_frames} frames x interval {plan.frame_interval}, {plan.crop_size} px"


def _network(plan: Plan) -> str:
    own = plan.architecture
    name = "resnet" if own["layout"] == "image" else "i3d" if own.get("temporal_convs", True) else "c2d"
    if own.get("nonlocal_blocks"):
        name += " with non-local blocks"
    norm = own["norm"]
    if own.get("channels_per_group"):
        norm += f" with {_count(own['channels_per_group'], 'channel')} a group"
    elif own.get("num_groups"):
        norm += f" with {_count(own['num_groups'], 'group')}"
    if own.get("weight_standardization"):
        norm += " and weight standardization"
    return f"{name}, depth {own['depth']}, layout {own['layout']}, {norm}; {_count(plan.num_parameters, 'parameter')}"


def _norm_batch(plan: Plan) -> str:
    if plan.norm_batch is None:
        return "none: clips share no statistics"
    text = f"{_count(plan.norm_batch, 'clip')} share batch statistics"
    batches = plan.precise_bn_batches
    return f"{text}; running ones re-estimated from {_count(batches, 'batch', 'batches')}" if batches else text


def _device_batch(plan: Plan) -> str:
    text = _count(plan.device_batch_size, "clip")
    if plan.before is None:
        return text
    places = ("device_batch_size", "num_devices")
    if [plan.before[name] for name in places] == [plan.device_batch_size, plan.num_devices]:
        return text
    before = f"{plan.before['device_batch_size']:,} on {_count(plan.before['num_devices'], 'device')}"
    return f"{text} (before: {before}; the clips of an update are the same, the masks of dropout are others)"


def _renorm(plan: Plan) -> dict[str, str]:
    """A line of its own for brn."""
    if plan.renorm is None:
        return {}
    bounds = plan.renorm
    text = (
        f"r up to {bounds.r_max:g}, d up to {bounds.d_max:g}; none before update {bounds.start:,}, "
        f"in full from {bounds.r_end:,} and {bounds.d_end:,}"
    )
    return {"correction": text}


def _learning_rate(plan: Plan) -> str:
    schedule, last = plan.schedule, plan.total_steps
    peak = scaled_lr(plan.base_lr, plan.total_batch_size)
    parts = [f"{peak:g} ({plan.base_lr:g} at {REFERENCE_BATCH_SIZE} clips)"]
    if warmup := _in_steps(plan, schedule.warmup):
        parts.append(f"linear warm-up over {_count(warmup, 'update')}")
    if schedule.shape == "cosine":
        parts.append(f"half a cosine to 0 at {_count(last, 'update')}")
    else:
        places = [_in_steps(plan, milestone) for milestone in schedule.milestones]
        for where, chosen in {
            "at": [place for place in places if place < last],
            "beyond the end, at": [place for place in places if place >= last],
        }.items():
            if chosen:
                unit = "update" if chosen == [1] else "updates"
                parts.append(f"x{schedule.factor:g} {where} {' and '.join(f'{place:,}' for place in chosen)} {unit}")
    return ", ".join(parts)


def _scaling(plan: Plan) -> dict[str, str]:
    """A line of its own, where the recipe's iterations are not the run's."""
    schedule, total = plan.schedule, plan.total_batch_size
    if schedule.unit == "epochs" or total == REFERENCE_BATCH_SIZE:
        return {}
    factor = f"{stretch(schedule.scaling, total):.4g}"
    return {"scaling": f"{schedule.scaling}: the schedule's iterations ({REFERENCE_BATCH_SIZE} clips) x{factor}"}


def _length(plan: Plan) -> str:
    epochs = f"{plan.total_steps / plan.steps_per_epoch:,.2f}".rstrip("0").rstrip(".")
    text = (
        f"{_count(plan.total_steps, 'update')} = {epochs} epoch{'' if epochs == '1' else 's'} of "
        f"{_count(plan.steps_per_epoch, 'update')}"
    )
    return f"{text}; goes on after update {plan.steps_before:,}" if plan.steps_before else text


def _in_steps(plan: Plan, amount: float) -> int:
    return in_steps(amount, plan.schedule, total_batch_size=plan.total_batch_size, steps_per_epoch=plan.steps_per_epoch)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
