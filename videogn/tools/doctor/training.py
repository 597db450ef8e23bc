"""Is one batch learnt by heart, with which norm, and is the learning rate in a sane range.

Both from scratch, whatever the run starts from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from videogn.models.network import VideoNetwork
from videogn.tools.doctor.finding import Finding, Verdict
from videogn.tools.doctor.learning import (
    Clips,
    RateRange,
    learnt_after,
    learnt_bound,
    losses_of,
    rate_range,
    rising,
    warmed_up,
)
from videogn.tools.doctor.subject import BATCH, SMALL_GN, Subject
from videogn.training.optimizer import OptimizerName, optimizer_of
from videogn.training.schedule import scaled_lr

HEART_UPDATES, WARMUP = 60, 10
RANGE_UPDATES = 40
NUM_BATCHES = 4
# A rate this close below the one that breaks the training is too near to it.
MARGIN = 2.0
# Where the loss begins to fall this far above it, a rate is low.
LOW = 3.0
OWN = "as configured"
MORE_TIME = "give more --minutes"


@dataclass(frozen=True)
class Rates:
    """How the run's optimiser updates.

    Attributes:
        base_lr: At 64 clips.
    """

    base_lr: float
    momentum: float
    weight_decay: float
    norm_weight_decay: float
    optimizer: OptimizerName = "sgd"

    @property
    def peak(self) -> float:
        """The learning rate of BATCH clips."""
        return scaled_lr(self.base_lr, BATCH)

    def optimizer_of(self, network: VideoNetwork) -> torch.optim.Optimizer:
        """Return one for a network."""
        return optimizer_of(
            network,
            self.optimizer,
            lr=self.peak,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            norm_weight_decay=self.norm_weight_decay,
        )


def variants(architecture: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is tried, the run's own network first: name -> settings that differ from it."""
    gn = {name: architecture[name] for name in SMALL_GN} if architecture["norm"] == "gn" else dict(SMALL_GN)
    bn = {"norm": "bn", "num_groups": None, "channels_per_group": None}
    found: dict[str, dict[str, Any]] = {OWN: {}}
    standardized = "rgb" if architecture["input"] == "standardized" else "standardized"
    for name, norm, weights, input in (
        ("bn", bn, False, architecture["input"]),
        ("gn", gn, False, architecture["input"]),
        ("gn, weight standardization", gn, True, architecture["input"]),
        (f"gn, {standardized} input", gn, False, standardized),
        (f"gn, weight standardization, {standardized} input", gn, True, standardized),
    ):
        settings = {**norm, "weight_standardization": weights, "input": input}
        if any(architecture[key] != value for key, value in settings.items()):
            found[name] = settings
    return found


def by_heart(subject: Subject, clips: Clips, rates: Rates, *, num_classes: int, deadline: float) -> Finding:
    """Train each variant on one batch, again and again.

    Args:
        clips: The first BATCH of them are learnt.
        deadline: By time.monotonic; variants that are not through by then are left out, and named.
    """
    batch = subject.fitted(clips.select(slice(BATCH)))
    bound, wanted = learnt_bound(num_classes), warmed_up(rates.peak, HEART_UPDATES, warmup=WARMUP)
    figures: dict[str, Any] = {}
    tried, not_tried = variants(subject.architecture), []
    for name, changes in tried.items():
        if figures and time.monotonic() > deadline:
            not_tried.append(name)
            continue
        network = subject.network(**changes)
        losses = losses_of(
            network,
            [batch],
            rates.optimizer_of(network),
            rates=wanted,
            until=lambda loss: loss < bound,
            deadline=deadline,
        )
        updates = learnt_after(losses, num_classes)
        if figures and updates is None and _was_cut(losses, HEART_UPDATES):
            not_tried.append(name)
        else:
            figures[name] = {"updates": updates, "losses": losses}
    own = figures[OWN]["updates"]
    others = {name: row["updates"] for name, row in figures.items() if name != OWN and row["updates"] is not None}
    words = "; ".join(f"{name}: {_learnt(row)}" for name, row in figures.items())
    question = f"Is one batch of {len(batch)} clips learnt by heart?"
    evidence = f"within {HEART_UPDATES} updates at the run's learning rate{_small(subject)}, {words}"
    if own is not None:
        return Finding(question, "fine", evidence, figures=figures, not_tried=not_tried)
    if _was_cut(figures[OWN]["losses"], HEART_UPDATES):
        done = len(figures[OWN]["losses"])
        return Finding(question, "look", f"{evidence}, in {done} updates", MORE_TIME, figures, not_tried)
    if not math.isfinite(figures[OWN]["losses"][-1]):
        advice = "the loss is not finite: the learning rate, below"
        return Finding(question, "stop", evidence, advice, figures, not_tried)
    if others:
        norm = subject.architecture["norm"]
        best = min(others, key=lambda name: (not name.startswith(norm), others[name]))  # the user's norm, if it can
        changes = {name: value for name, value in tried[best].items() if value != subject.architecture[name]}
        flags = " ".join(f"--model.{name} {_value(value)}" for name, value in changes.items())
        advice = f"{best} learns it: {flags}"
    elif not_tried:
        advice = f"there was no time to try other norms: {MORE_TIME}"
    else:
        advice = (
            "none does: look at the learning rate (below), at a few clips by eye, and whether their labels can be seen"
        )
    all_failed = not others and not not_tried
    return Finding(question, "stop" if all_failed else "look", evidence, advice, figures, not_tried)


def _was_cut(losses: Sequence[float], num_updates: int) -> bool:
    """Return whether there was no time for all updates."""
    return len(losses) < num_updates and math.isfinite(losses[-1])


def _learnt(row: Mapping[str, Any]) -> str:
    losses = row["losses"]
    if row["updates"] is not None:
        return f"after {row['updates']}"
    return f"not (loss {losses[0]:.2f} -> {losses[-1]:.2f})"


def _value(value: Any) -> str:
    return "null" if value is None else str(value).lower()


def _small(subject: Subject) -> str:
    sizes = [f"{name} {subject.architecture[name]}" for name in ("depth", "width") if subject.architecture.get(name)]
    return f", in small ({', '.join(sizes)})" if subject.is_small else ""


def learning_rate(subject: Subject, clips: Clips, rates: Rates, *, deadline: float) -> Finding:
    """Raise the learning rate over some batches, and see where the loss falls and where it breaks (Smith 2017).

    The verdict is on the run's own network; bn, gn and gn with weight standardization stand beside it.

    Args:
        clips: NUM_BATCHES of BATCH clips, if there are as many.
        deadline: By time.monotonic; what is not through by then is left out, and named.
    """
    fitted = subject.fitted(clips)
    batches = [fitted.select(slice(start, start + BATCH)) for start in range(0, len(fitted) - BATCH + 1, BATCH)]
    wanted = rising(rates.peak, RANGE_UPDATES)
    scale = rates.base_lr / rates.peak
    found: dict[str, RateRange] = {}
    figures: dict[str, Any] = {"base_lr": rates.base_lr, "rates": wanted, "norms": {}}
    not_tried = []
    own_input = subject.architecture["input"]
    for name, changes in variants(subject.architecture).items():
        if changes.get("input", own_input) != own_input:
            continue
        if name != OWN and time.monotonic() > deadline:
            not_tried.append(name)
            continue
        network = subject.network(**changes)
        losses = losses_of(network, batches, rates.optimizer_of(network), rates=wanted, deadline=deadline)
        if _was_cut(losses, RANGE_UPDATES):
            not_tried.append(name)
            continue
        found[name] = rate_range(losses, wanted).scaled(scale)
        figures["norms"][name] = {"best": found[name].best, "breaks": found[name].breaks, "losses": losses}
    question = "Is the learning rate in a sane range?"
    if OWN not in found:
        evidence = f"there was no time for a range test of {RANGE_UPDATES} updates{_small(subject)}"
        return Finding(question, "look", evidence, MORE_TIME, figures, not_tried)
    words = "; ".join(f"{name}: {_range(its)}" for name, its in found.items())
    evidence = (
        f"range tests of at most {RANGE_UPDATES} updates{_small(subject)}, lowest loss at which base_lr: {words}; the "
        f"run has {rates.base_lr:g}"
    )
    return Finding(question, *_judged(found[OWN], rates.base_lr, evidence=evidence), figures, not_tried)


def _range(found: RateRange) -> str:
    return f"{found.best:.2g}" + ("" if found.breaks is None else f", breaks at {found.breaks:.2g}")


def _judged(found: RateRange, base_lr: float, *, evidence: str) -> tuple[Verdict, str, str]:
    """Return verdict, evidence and advice."""
    if found.breaks is not None and found.breaks < MARGIN * base_lr:
        return "look", evidence, f"try --model.base_lr {found.breaks / 3:.1g}, or a longer warm-up"
    if found.begins is not None and found.begins > LOW * base_lr:
        higher = f"{found.begins:.1g}"
        return "look", evidence, f"the loss begins to fall at {higher}: try --model.base_lr {higher}"
    return "fine", evidence, ""
