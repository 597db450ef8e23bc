"""What a run is going to do, said before it begins: its batch sizes, learning rate and length, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videogn.models.batch_renorm import RenormBounds
from videogn.norms import NORMS
from videogn.training.batch_sizes import BatchSizes
from videogn.training.ema import decay_at
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import precise_norms
from videogn.training.recipe import extras_in, recipe_of
from videogn.training.schedule import REFERENCE_BATCH_SIZE, Schedule, in_steps, scaled_lr, stretch

FROM_SCRATCH = "from scratch"


_INPUTS = {"rgb": "", "standardized": ", each standardised by itself", "motion": ", as grey and motion"}


@dataclass(frozen=True)
class Plan:
    """What is known of a run before it begins, by the names of its settings."""

    run_dir: str
    architecture: Mapping[str, Any]  # of the model: layout, depth, norm and what else it is built by
    num_parameters: int
    start: str  # what the network starts from, in words
    read_as: str  # how the training list was understood
    num_videos: int
    num_classes: int
    num_frames: int
    frame_interval: int
    crop_size: int
    sizes: BatchSizes
    renorm: RenormBounds | None
    precise_bn_batches: int  # total batches that running statistics are re-estimated from; 0 for none
    base_lr: float
    schedule: Schedule
    weight_decay: float
    norm_weight_decay: float
    steps_per_epoch: int  # optimiser steps ("updates")
    total_steps: int
    compiled: bool = False
    activation_checkpointing: Sequence[str] = ()  # parts of the network
    extras: Mapping[str, Any] = field(default_factory=dict)  # settings that the paper's run does without, by name
    steps_before: int = 0  # those of the checkpoint that the run goes on from
    num_excluded: int = 0  # videos of the training list that data.exclude names
    num_held_out: int = 0  # videos of the training list that validate and test, by data.hold_out
    before: Mapping[str, Any] | None = None  # the last part of the training so far (result.py, `parts`)

    @property
    def learning_rate(self) -> float:
        """The peak learning rate."""
        return scaled_lr(self.base_lr, self.sizes.total)


def plan_of(model: VideoClassifier, *, run_dir: str, start: str, precise_bn_batches: int) -> Plan:
    """Return the plan of a run whose model has its trainer, and the trainer its datamodule."""
    data = model.data
    assert data is not None
    steps_per_epoch, total_steps = model.num_steps()
    return Plan(
        run_dir=run_dir,
        architecture=model.architecture,
        num_parameters=sum(parameter.numel() for parameter in model.model.parameters()),
        start=start,
        num_videos=len(data.catalog.records("train")),
        num_excluded=data.catalog.num_excluded["train"],
        num_held_out=0 if data.catalog.hold_out is None else len(data.catalog.records("val")),
        read_as=data.catalog.read_as["train"],
        num_classes=data.num_classes,
        num_frames=data.num_frames,
        frame_interval=data.frame_interval,
        extras=extras_in(recipe_of(model)),
        crop_size=data.crop_size,
        sizes=model.batch_sizes,
        renorm=model.renorm,
        precise_bn_batches=precise_bn_batches if precise_norms(model.model) else 0,
        base_lr=model.base_lr,
        schedule=model.schedule,
        weight_decay=model.weight_decay,
        norm_weight_decay=model.norm_weight_decay,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        compiled=model.compiled is not None,
        activation_checkpointing=model.activation_checkpointing,
        steps_before=model.training_run.get("steps", 0),
        before=model.training_run["parts"][-1] if model.training_run else None,
    )


def without_effect(plan: Plan, *, precise_bn_batches: int) -> list[str]:
    """Return what is asked for and does not do what it says, a sentence each."""
    norm, bounds = plan.architecture["norm"], plan.renorm
    found = []
    if NORMS[norm].needs_weights and plan.start == FROM_SCRATCH:
        found.append(f"{norm} from scratch has nothing to normalise by: give --model.weights")
    if NORMS[norm].shares_statistics and plan.precise_bn_batches != precise_bn_batches:
        found.append(f"precise_bn_batches has no effect: {norm} trains by its running statistics")
    planned = plan.before and plan.before["planned_steps"]
    if plan.schedule.shape == "cosine" and planned not in (None, plan.total_steps):
        found.append(
            f"the learning rate is a cosine to the end of the run, which was {planned:,} updates away and is now "
            f"{plan.total_steps:,}: from update {plan.steps_before:,} on it follows another curve, and the result "
            f"is not that of a run of {plan.total_steps:,} updates in one piece"
        )
    if bounds is not None and bounds.start >= plan.total_steps:
        found.append(
            f"{norm} is bn in this run: renorm.start is {bounds.start:,} and the run ends after "
            f"{plan.total_steps:,} updates; set --model.renorm.start, r_end and d_end"
        )
    if (warmup := _in_steps(plan, plan.schedule.warmup)) > plan.total_steps:
        found.append(
            f"the warm-up takes {_count(warmup, 'update')} and the run ends after {plan.total_steps:,}: the learning "
            f"rate is never reached; set --model.schedule.warmup"
        )
    decay, reached = plan.extras.get("model.ema", 0), decay_at(plan.total_steps - 1, 1)
    if decay > reached:
        found.append(
            f"ema {decay:g} is never reached: its warm-up ends at {reached:.4g}, with the run, after "
            f"{plan.total_steps:,} updates; the average is of about the last ninth of them"
        )
    if plan.extras.get("model.optimizer") == "adamw" and plan.base_lr >= 0.01:
        found.append(f"base_lr {plan.base_lr:g} is sgd's: adamw usually takes 0.0001 to 0.001")
    return found


def summary(plan: Plan) -> str:
    """Return the plan as aligned lines for people and logs; no line break at the end."""
    lines = {
        "run": plan.run_dir,
        "network": _network(plan),
        "start": plan.start,
        "data": f"{_videos(plan)}, {_count(plan.num_classes, 'class', 'classes')}; {_clip(plan)}",
        "list read as": plan.read_as,
        **({"with": ", ".join(f"{name} {value}" for name, value in plan.extras.items())} if plan.extras else {}),
        "normalisation batch": _norm_batch(plan),
        **_renorm(plan),
        "device batch": _device_batch(plan),
        **_kernels(plan),
        "total batch": f"{_count(plan.sizes.total, 'clip')} = {plan.sizes.device:,} x "
        f"{_count(plan.sizes.num_devices, 'device')} x {plan.sizes.accumulate:,} accumulated",
        "learning rate": _learning_rate(plan),
        **_scaling(plan),
        "weight decay": f"{plan.weight_decay:g}; norms {plan.norm_weight_decay:g}",
        "length": _length(plan),
    }
    width = max(map(len, lines)) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())


def _videos(plan: Plan) -> str:
    left_out = f" ({plan.num_excluded:,} more left out by data.exclude)" if plan.num_excluded else ""
    held_out = f" ({plan.num_held_out:,} more held out by data.hold_out)" if plan.num_held_out else ""
    return _count(plan.num_videos, "video") + left_out + held_out


def _clip(plan: Plan) -> str:
    own = _INPUTS[plan.architecture.get("input", "rgb")]
    if plan.num_frames == 1:
        return f"single frames or images of {plan.crop_size} px{own}"
    return f"clips of {plan.num_frames} frames x interval {plan.frame_interval}, {plan.crop_size} px{own}"


def _network(plan: Plan) -> str:
    own = plan.architecture
    if own.get("network", "i3d") == "i3d":
        name = "resnet" if own["layout"] == "image" else "i3d" if own.get("temporal_convs", True) else "c2d"
        name += " with non-local blocks" if own.get("nonlocal_blocks") else ""
        name += f", depth {own['depth']}, layout {own['layout']}"
    else:
        name = f"{own['network']}, width {own['width']}"
    norm = own["norm"]
    if own.get("channels_per_group"):
        norm += f" with {_count(own['channels_per_group'], 'channel')} a group"
    elif own.get("num_groups"):
        norm += f" with {_count(own['num_groups'], 'group')}"
    if own.get("weight_standardization"):
        norm += " and weight standardization"
    return f"{name}, {norm}; {_count(plan.num_parameters, 'parameter')}"


def _norm_batch(plan: Plan) -> str:
    if plan.sizes.norm is None:
        return "none: clips share no statistics"
    text = f"{_count(plan.sizes.norm, 'clip')} share batch statistics"
    batches = plan.precise_bn_batches
    return f"{text}; running ones re-estimated from {_count(batches, 'batch', 'batches')}" if batches else text


def _device_batch(plan: Plan) -> str:
    text = _count(plan.sizes.device, "clip")
    if plan.before is None:
        return text
    places = ("device_batch_size", "num_devices")
    if [plan.before[name] for name in places] == [plan.sizes.device, plan.sizes.num_devices]:
        return text
    before = f"{plan.before['device_batch_size']:,} on {_count(plan.before['num_devices'], 'device')}"
    return f"{text} (before: {before}; the clips of an update are the same, the masks of dropout are others)"


def _kernels(plan: Plan) -> dict[str, str]:
    """Return a line of its own, where the network does not run as it comes."""
    if plan.compiled:
        return {"compiled": "by torch.compile, which takes minutes before the first update and the first evaluation"}
    if plan.activation_checkpointing:
        return {"activations": f"of {' and '.join(plan.activation_checkpointing)}: computed again, not kept"}
    return {}


def _renorm(plan: Plan) -> dict[str, str]:
    """Return a line of its own for brn."""
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
    parts = [f"{plan.learning_rate:g} ({plan.base_lr:g} at {REFERENCE_BATCH_SIZE} clips)"]
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
    """Return a line of its own, where the recipe's iterations are not the run's."""
    schedule, total = plan.schedule, plan.sizes.total
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
    return in_steps(amount, plan.schedule, total_batch_size=plan.sizes.total, steps_per_epoch=plan.steps_per_epoch)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
