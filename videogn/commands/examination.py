"""The questions of `videogn doctor`, put to a run that is built and does not begin."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch

from videogn.commands.configs import resolve_configs
from videogn.commands.measure import PlannedRun, seconds_beside, step_seconds
from videogn.commands.planned import be_quiet
from videogn.commands.run_folder import with_run_config
from videogn.commands.usage import UsageError, save_json, show_passing
from videogn.data.batch import Batch
from videogn.data.datamodule import KineticsDataModule
from videogn.machine import available_cores
from videogn.norms import NORMS
from videogn.tools.doctor.finding import Finding
from videogn.tools.doctor.learning import Clips
from videogn.tools.doctor.motion import motion, not_asked
from videogn.tools.doctor.subject import BATCH, SMALL_FRAMES, SMALL_SIZE, Subject, stacked
from videogn.tools.doctor.training import NUM_BATCHES, Rates, by_heart, learning_rate
from videogn.tools.doctor.videos import labels_and_splits

Item = TypeVar("Item")

# Updates that by_heart and learning_rate make, at most, about.
_UPDATES = 400
# The time: of what is left, what each part may take at most; motion has the rest.
_DECODING, _HEART, _RANGE, _CLIPS = 0.25, 0.25, 0.45, 0.35
# Clips that the small trainings see at most.
MOST_TRAIN, MOST_TEST, EPOCHS = 1200, 400, 3


def examine(settings: list[str], *, deadline: float, json: str | None) -> dict[str, Any]:
    """Ask all questions, print each answer as it comes, and return all in plain types.

    Args:
        deadline: Of all of it, about, by time.monotonic.
        json: A file that has all answers so far, whenever one has come; "complete" says whether these are all.

    Raises:
        UsageError: What `fit` would refuse.
        RunError: The file can't be written.
    """
    be_quiet()
    with TemporaryDirectory(prefix="videogn-doctor-") as scratch:
        run = PlannedRun(resolve_configs(with_run_config(["fit", *settings])), scratch=Path(scratch))
        for note in run.notes:
            warnings.warn(note, stacklevel=2)
        found: dict[str, Any] = {"run": run.plan.run_dir, "complete": False, "findings": []}
        for finding in _until_an_error(_findings(run, deadline=deadline)):
            show_passing("")
            found["findings"].append(asdict(finding))
            if json is not None:
                save_json(json, found)
            print(f"[{finding.verdict}] {finding.question}\n       {finding.evidence}", flush=True)
            if finding.not_tried:
                print(f"       no time for: {'; '.join(finding.not_tried)}", flush=True)
            if finding.advice:
                print(f"    -> {finding.advice}", flush=True)
    found["complete"] = True
    if json is not None:
        save_json(json, found)
    return found


def _until_an_error(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings, and what kept the next one from being made as one more."""
    try:
        yield from findings
    except UsageError:
        raise
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        yield Finding("Can the other questions be asked?", "stop", text, figures={"error": text})


def _share(of: float, *, deadline: float) -> float:
    """Return when a share of the time that is left will have passed."""
    now = time.monotonic()
    return now + of * max(0.0, deadline - now)


def _findings(run: PlannedRun, *, deadline: float) -> Iterator[Finding]:
    data, model = run.datamodule, run.model
    if data.multi_label:
        raise UsageError(
            "data.multi_label is on, and the doctor's own trainings are of one class a video: ask about a list of one "
            "label a video, or leave the doctor out (videogn data check takes lists of several)"
        )
    if NORMS[model.architecture["norm"]].needs_weights:
        norm = model.architecture["norm"]
        raise UsageError(
            f"the trainings are from scratch, where {norm} has nothing to normalise by: ask with another norm"
        )
    show_passing("comparing files ...")
    yield from labels_and_splits(data.catalog)
    rates = Rates(model.base_lr, model.momentum, model.weight_decay, model.norm_weight_decay, model.optimizer)
    show_passing("decoding training clips ...")
    decoding, batches = _train_batches(data, NUM_BATCHES * BATCH, deadline=_share(_DECODING, deadline=deadline))
    clips = stacked(batches).select(slice(NUM_BATCHES * BATCH))
    yield _decodable(batches, skips=data.skip_undecodable > 0)
    if len(clips) < BATCH:
        evidence = f"{len(clips)} training clips were decoded, and a batch of the doctor's is {BATCH}"
        yield Finding("Can the other questions be asked?", "look", evidence, "leave out what can't be decoded")
        return
    sizes = model.batch_sizes
    show_passing("measuring a step ...")
    step = step_seconds(run, batches)  # in the run's precision, by its compiler and device batch; its rate is 0 then
    yield _bottleneck(decoding, step / sizes.device, data=data, device=run.trainer.strategy.root_device)
    subject = Subject(model.architecture, run.trainer.strategy.root_device, norm_batch_size=sizes.norm)
    left = (_HEART + (1 - _HEART) * _RANGE) * (deadline - time.monotonic())
    asked = subject if step / sizes.device * BATCH * _UPDATES < left else subject.in_small()
    show_passing("learning a batch by heart, with each norm ...")
    until = _share(_HEART, deadline=deadline)
    yield by_heart(asked, clips, rates, num_classes=data.num_classes, deadline=until)
    show_passing("raising the learning rate ...")
    yield learning_rate(asked, clips, rates, deadline=_share(_RANGE, deadline=deadline))
    if data.num_frames == 1:  # images, or a 2-D network: there is no motion to ask for
        return
    if time.monotonic() > deadline:
        yield not_asked()
        return
    show_passing("learning from clips, from one frame of each, and from frames in random order ...")
    train, test = _small_clips(data, seconds=_CLIPS / 2 * (deadline - time.monotonic()))
    left = max(0.0, deadline - time.monotonic())
    yield motion(subject.in_small(), train, test, num_classes=data.num_classes, seconds=left)


def _train_batches(data: KineticsDataModule, num_clips: int, *, deadline: float) -> tuple[float, list[Batch]]:
    """Return (seconds that one process takes for a clip, the first training batches).

    After the deadline, by time.monotonic, no more than BATCH clips are decoded.
    """
    num_workers, data.num_workers = data.num_workers, 0
    try:
        for _ in range(2):  # the first time looks through the videos, which a run does once
            started, batches, have = time.perf_counter(), [], 0
            for batch in chain.from_iterable(data.train_batches(epoch) for epoch in range(num_clips)):
                batches.append(batch)
                have += len(batch["labels"])
                if have >= (num_clips if time.monotonic() < deadline else BATCH):
                    break
            seconds = (time.perf_counter() - started) / have
    finally:
        data.num_workers = num_workers
    return seconds, batches


def _decodable(batches: Sequence[Batch], *, skips: bool) -> Finding:
    failures = dict(failure for batch in batches for failure in batch["failures"])
    num_videos = len({int(place) for batch in batches for place in batch["indices"]})
    question, figures = "Can the training videos be decoded?", {"videos": num_videos, "failed": len(failures)}
    if not failures:
        return Finding(question, "fine", f"all of the {num_videos} that were tried", figures=figures)
    evidence = f"{len(failures)} of {num_videos} that were tried can't be (the first: {next(iter(failures.values()))})"
    advice = "videogn data check finds all such, and writes a list for --data.exclude"
    return Finding(question, "look" if skips and len(failures) < num_videos else "stop", evidence, advice, figures)


def _small_clips(data: KineticsDataModule, *, seconds: float) -> tuple[Clips, Clips]:
    """Return (training clips, validation clips) of a small size that cover what the run's own do.

    The datamodule is another one afterwards.

    Args:
        seconds: For each of the two, at most, about.

    Raises:
        ValueError: No validation video could be decoded.
    """
    frames = min(data.num_frames, SMALL_FRAMES)
    data.frame_interval = max(1, round(data.frame_interval * data.num_frames / frames))
    data.num_frames = frames
    data.crop_size = min(data.crop_size, SMALL_SIZE)
    data.scale_size = (data.crop_size * 17 // 16, data.crop_size * 11 // 8)
    data.test_scale_size = data.crop_size * 19 // 16
    data.test_crop_size = data.crop_size
    data.batch_size = min(data.batch_size, BATCH)
    enough = -(-MOST_TRAIN // data.batch_size)
    epochs = chain.from_iterable(data.train_batches(epoch) for epoch in range(EPOCHS))
    batches = list(_for_a_while(islice(epochs, enough), seconds=seconds))
    views, labels = [], []
    for videos in _for_a_while(data.val_batches(most=MOST_TEST), seconds=seconds):
        views += [video[0] for video in videos["views"]]
        labels.append(videos["labels"])
    if not views:
        raise ValueError("no validation video could be decoded")
    return stacked(batches), Clips(torch.stack(views), torch.cat(labels))


def _for_a_while(items: Iterable[Item], *, seconds: float) -> Iterator[Item]:
    """Yield items, and no more of them after a time."""
    deadline = time.monotonic() + seconds
    for item in items:
        yield item
        if time.monotonic() > deadline:
            return


def _bottleneck(decode: float, clip: float, *, data: KineticsDataModule, device: torch.device) -> Finding:
    """Say whether decoding or the network takes longer.

    Args:
        decode: Seconds of one process for a clip.
        clip: Seconds to learn a clip.
    """
    cores = available_cores()
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
