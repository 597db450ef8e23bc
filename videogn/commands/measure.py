"""A run that is built and does not begin, and what it would take: time and memory, from one step and one video.

Both are measured through the real data, network and precision.

The model of its time. A forward of the device batch, with its backward and update, takes `compute` seconds on the
device, and decoding its clips `decode` seconds of one process. Processes that decode work beside the device, so that
the slower of both counts; on a CPU they share its cores with the computation, and the work can't exceed all cores:

    seconds of a forward = max(compute, decode / workers, (compute x threads + decode) / cores)

with `threads` 0 on a GPU; without workers, compute + decode. A run is its start (imports, lists, network), its updates
x accumulated forwards, its validations, likewise by video, and re-estimated statistics where there are any (forwards
without a backward, a third of the computation). Left out: the first look through every video (the index), reading from
a cold or a shared disk, and the talk between processes or devices. Runs of motions.yaml, each on a core of its own,
took 1.1 to 1.25 times as long as this says.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from jsonargparse import Namespace
from lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from videogn.commands.trainer import VideoCLI
from videogn.machine import available_cores, peak_resident_bytes
from videogn.training.plan import Plan

# Steps that are shorter are repeated for about this long.
_ENOUGH_SECONDS = 1.0
_MOST_STEPS = 20
# Settings of the trainer that a step's time and memory depend on.
_TRAINER_SETTINGS = (
    "accelerator", "precision", "gradient_clip_val", "gradient_clip_algorithm", "deterministic", "benchmark",
    "detect_anomaly", "plugins",
)  # fmt: skip


class Cost(TypedDict):
    """Estimates of a run: time of training and test, their starts included; memory that one step took."""

    fit_seconds: float
    test_seconds: float
    peak_memory_bytes: int


class PlannedRun(VideoCLI):
    """`videogn fit`, up to where it would begin; it writes nothing but into `scratch`.

    Raises:
        UsageError: It would be refused.
    """

    plan: Plan
    notes: list[str]  # what to know before it

    def __init__(self, words: Sequence[str], *, scratch: Path) -> None:
        self.scratch = scratch
        super().__init__(words)

    def find_run(self, settings: Namespace) -> bool:
        """Look for none: a run that is there is in no plan's way."""
        return False

    def after_instantiate_classes(self) -> None:
        super().after_instantiate_classes()
        self.datamodule.index = str(self.scratch / "index.sqlite")

    def _run_subcommand(self, subcommand: str) -> None:
        self.plan = self.plan_of_run()
        self.notes = self.notes_on(self.plan)


def measure(run: PlannedRun, *, start_seconds: float, protocol: str | None = None, uncounted_bytes: int = 0) -> Cost:
    """Return what a run takes.

    Args:
        run: Built, and not yet on a device.
        start_seconds: What it took up to here.
        protocol: Of the test; default: the run's own.
        uncounted_bytes: What a fork has of its parent, libraries for the most part, and is not counted as its own.

    Raises:
        ValueError: A video can't be decoded, at which the run would stop.
    """
    data, model, trainer, plan = run.datamodule, run.model, run.trainer, run.plan
    data.protocol = protocol or data.protocol
    accumulate, num_devices = plan.sizes.accumulate, plan.sizes.num_devices
    num_epochs = plan.total_steps / plan.steps_per_epoch
    # One process decodes here, as one of the workers would.
    num_workers, data.num_workers = data.num_workers, 0
    of_a_decode = data.clips_per_video
    num_batches = math.ceil(4 / plan.sizes.device / of_a_decode) * of_a_decode
    clips = _Decoded(data.train_dataloader, num_batches=num_batches)
    failures = [failure for batch in clips.batches for failure in batch["failures"]]
    if failures and not data.skip_undecodable:
        raise ValueError(failures[0][1])
    seen, tested = _Decoded(data.val_dataloader), _Decoded(data.test_dataloader)

    step = step_seconds(run, clips.batches)
    device = trainer.strategy.root_device
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_resident_bytes() + uncounted_bytes
    model.to(device)

    def beside(compute: float, decode: float) -> float:
        return seconds_beside(
            compute,
            decode,
            num_workers=num_workers,
            num_threads=torch.get_num_threads() if device.type == "cpu" else 0,
            num_cores=available_cores() / num_devices,
        )

    def all_videos(decoded: _Decoded, split: str) -> float:
        num_videos = len(data.catalog.records(split)) / num_devices
        compute = _score_seconds(run, decoded.batches[0])
        return num_videos / decoded.num_videos * beside(compute, decoded.seconds)

    updates = plan.total_steps * accumulate * beside(step, clips.seconds)
    estimate = min(plan.precise_bn_batches, plan.steps_per_epoch) * accumulate * beside(step / 3, clips.seconds)
    return Cost(
        fit_seconds=start_seconds
        + updates
        + num_validations(trainer, num_epochs) * all_videos(seen, "val")
        + math.ceil(num_epochs) * estimate,
        test_seconds=start_seconds + all_videos(tested, "test"),
        peak_memory_bytes=memory,
    )


def seconds_beside(compute: float, decode: float, *, num_workers: int, num_threads: int, num_cores: float) -> float:
    """Return the seconds of a forward whose clips are decoded at the same time; the module says how."""
    if num_workers == 0:
        return compute + decode
    return max(compute, decode / num_workers, (compute * num_threads + decode) / num_cores)


def num_validations(trainer: Trainer, num_epochs: float) -> int:
    """Return how often a run validates: in or after epochs as the trainer is told, and after its last step."""
    if trainer.limit_val_batches == 0:
        return 0
    every, interval = trainer.check_val_every_n_epoch or 1, trainer.val_check_interval
    in_epoch = math.floor(1 / interval) if isinstance(interval, float) and interval else 1
    whole = math.floor(num_epochs / every)
    return whole * in_epoch + (whole * every < num_epochs)


class _Decoded:
    """Batches of a loader, and the seconds that one of them takes to decode.

    Each is decoded twice: the first time looks through its videos, which a run does once.
    """

    def __init__(self, loader: Callable[[], DataLoader[Any]], *, num_batches: int = 1) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in a worker
        try:
            for _ in range(2):
                started = time.perf_counter()
                self.batches = list(islice(loader(), num_batches))
                self.seconds = (time.perf_counter() - started) / len(self.batches)
        finally:
            torch.set_num_threads(threads)
        self.num_videos = len(self.batches[0]["labels"]) or 1


class _Timer(Callback):
    """Seconds from the end of one step to the end of the next."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last: float | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        _synchronize(pl_module.device)
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now
        trainer.should_stop = sum(self.seconds) > _ENOUGH_SECONDS


def step_seconds(run: PlannedRun, batches: list[Any]) -> float:
    """Return the time of a forward, backward and update on the device, the clips already decoded."""
    given = run.config.fit.trainer
    timer = _Timer()
    trainer = Trainer(
        **{name: given[name] for name in _TRAINER_SETTINGS if given[name] is not None},
        devices=1,
        max_epochs=1,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.scratch,
    )
    run.model.base_lr = 0.0  # the same clips again and again: nothing is to be learnt
    steps = [batches[place % len(batches)] for place in range(_MOST_STEPS)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no `val_dataloader`")
        trainer.fit(run.model, DataLoader(cast(Dataset[Any], steps), batch_size=None))
    return sorted(timer.seconds)[len(timer.seconds) // 2]


def _score_seconds(run: PlannedRun, batch: Any) -> float:
    """Return the time that the network takes to score a batch of videos, its views made on the device."""
    model, trainer = run.model, run.trainer
    model.eval()
    taken: list[float] = []
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        while len(taken) < 2 or (sum(taken) < _ENOUGH_SECONDS and len(taken) < _MOST_STEPS):
            started = time.perf_counter()
            model.probabilities([video.to(model.device) for video in batch["views"]])
            _synchronize(model.device)
            taken.append(time.perf_counter() - started)
    return min(taken[1:])


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
