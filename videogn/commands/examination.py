"""The questions of `videogn doctor`, put to a run that is built and does not begin."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from videogn.commands.configs import resolve_configs
from videogn.commands.measure import PlannedRun, seconds_beside
from videogn.commands.planned import be_quiet
from videogn.commands.run_folder import with_run_config
from videogn.commands.usage import RunError
from videogn.data.datamodule import KineticsDataModule
from videogn.machine import available_cores
from videogn.tools.doctor.finding import Finding
from videogn.tools.doctor.learning import Clips
from videogn.tools.doctor.motion import motion
from videogn.tools.doctor.subject import SMALL_FRAMES, SMALL_SIZE, Subject, stacked
from videogn.tools.doctor.training import BATCH, NUM_BATCHES, Rates, by_heart, learning_rate, seconds_of_update
from videogn.tools.doctor.videos import labels_and_splits

# Updates that by_heart and learning_rate make, at most, about.
_UPDATES = 400
# Of the time: what those may take, and what motion may.
_SHARES = (0.5, 0.4)
# Clips that the small trainings see at most.
MOST_TRAIN, MOST_TEST, EPOCHS = 1200, 400, 3


def examine(settings: list[str], *, minutes: float) -> dict[str, Any]:
    """Ask all questions, print each answer as it comes, and return all in plain types.

    Args:
        settings: The words of `videogn fit`, behind that.
        minutes: For all of it, about.

    Raises:
        UsageError: What `fit` would refuse.
        RunError: A training could not be made.
    """
    be_quiet()
    with TemporaryDirectory(prefix="videogn-doctor-") as scratch:
        run = PlannedRun(with_run_config(resolve_configs(["fit", *settings])), scratch=Path(scratch))
        for note in run.notes:
            warnings.warn(note, stacklevel=2)
        findings = []
        try:
            for finding in _findings(run, seconds=60 * minutes):
                findings.append(asdict(finding))
                print(f"[{finding.verdict}] {finding.question}\n       {finding.evidence}", flush=True)
                if finding.advice:
                    print(f"    -> {finding.advice}", flush=True)
        except (ValueError, OSError, RuntimeError) as error:
            raise RunError(str(error)) from error
    return {"run": run.plan.run_dir, "findings": findings}


def _findings(run: PlannedRun, *, seconds: float) -> Iterator[Finding]:
    data, model = run.datamodule, run.model
    yield from labels_and_splits(data.catalog)
    subject = Subject(model.architecture, run.trainer.strategy.root_device)
    rates = Rates(model.base_lr, model.momentum, model.weight_decay, model.norm_weight_decay, model.optimizer)
    decoding, clips = _train_clips(data, NUM_BATCHES * BATCH)
    if len(clips) < BATCH:
        raise ValueError(f"{len(clips)} of the first training clips could be decoded; expected {BATCH}")
    update = seconds_of_update(subject, subject.fitted(clips), rates)
    yield _bottleneck(decoding, update, data=data, device=subject.device)
    asked = subject if update * _UPDATES < _SHARES[0] * seconds else subject.in_small()
    deadline = time.monotonic() + _SHARES[0] * seconds
    yield by_heart(asked, clips, rates, num_classes=data.num_classes, deadline=deadline)
    yield learning_rate(asked, clips, rates)
    train, test = _small_clips(data)
    yield motion(subject.in_small(), train, test, num_classes=data.num_classes, seconds=_SHARES[1] * seconds)


def _train_clips(data: KineticsDataModule, num_clips: int) -> tuple[float, Clips]:
    """Return (seconds that one process takes for a clip, the first training clips)."""
    num_workers, data.num_workers = data.num_workers, 0
    for _ in range(2):  # the first time looks through the videos, which a run does once
        started, batches, have = time.perf_counter(), [], 0
        for batch in chain.from_iterable(data.train_batches(epoch) for epoch in range(num_clips)):
            batches.append(batch)
            have += len(batch["labels"])
            if have >= num_clips:
                break
        seconds = (time.perf_counter() - started) / have
    data.num_workers = num_workers
    return seconds, stacked(batches).select(slice(num_clips))


def _small_clips(data: KineticsDataModule) -> tuple[Clips, Clips]:
    """Return (training clips, validation clips) of a small size that cover what the run's own do."""
    frames = min(data.num_frames, SMALL_FRAMES)
    data.frame_interval = max(1, round(data.frame_interval * data.num_frames / frames))
    data.num_frames = frames
    data.crop_size = min(data.crop_size, SMALL_SIZE)
    data.scale_size = (data.crop_size * 17 // 16, data.crop_size * 11 // 8)
    data.test_scale_size = data.crop_size * 19 // 16
    data.test_crop_size = data.crop_size
    data.batch_size = min(data.batch_size, BATCH)
    enough = -(-MOST_TRAIN // data.batch_size)
    batches = list(islice(chain.from_iterable(data.train_batches(epoch) for epoch in range(EPOCHS)), enough))
    views, labels = [], []
    for videos in data.val_dataloader():
        views += [video[0] for video in videos["views"]]
        labels.append(videos["labels"])
        if len(views) >= MOST_TEST:
            break
    return stacked(batches), Clips(torch.stack(views), torch.cat(labels))


def _bottleneck(decode: float, update: float, *, data: KineticsDataModule, device: torch.device) -> Finding:
    """Say whether decoding or the network takes longer.

    Args:
        decode: Seconds of one process for a clip.
        update: Seconds for an update of BATCH clips.
        data: Says how many processes decode.
        device: Where the network computes.
    """
    clip, cores = update / BATCH, available_cores()
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    together = seconds_beside(clip, decode, num_workers=data.num_workers, num_threads=threads, num_cores=cores)
    evidence = (
        f"a clip takes {1000 * decode:.1f} ms of one process to decode ({data.num_workers} decode) and "
        f"{1000 * clip:.1f} ms of {'the processor' if threads else 'the GPU'} to learn: {1 / together:.1f} clips/s"
    )
    question, figures = "Is decoding the bottleneck?", {"decode_seconds": decode, "compute_seconds": clip}
    if decode / max(data.num_workers, 1) < clip:
        return Finding(question, "fine", evidence, figures=figures)
    needed = -(-decode // clip)
    advice = (
        f"the network waits: about {needed:.0f} processes (--data.num_workers) would keep up, or files that are "
        f"cheaper to read (videogn data prepare)"
    )
    return Finding(question, "look", evidence, advice, figures)
