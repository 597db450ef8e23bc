"""What a run says while it works, and what it writes at the end."""

from __future__ import annotations

import platform
import time
from collections import Counter, deque
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.trainer.states import TrainerFn

from videogn.code_version import code_version
from videogn.training.average_precision import average_precisions
from videogn.training.checkpoint import read_own_part
from videogn.training.checkpoint_file import damage_in
from videogn.training.device import peak_memory_bytes, precision_name
from videogn.training.log_points import at_log_point
from videogn.training.module import VideoClassifier
from videogn.training.recipe import extras_in
from videogn.training.result import (
    SCORES,
    AnyResult,
    Result,
    accuracies_of,
    chosen_text,
    write_per_class,
    write_result,
)
from videogn.training.result_of_labels import ResultOfLabels, scores_of, write_precisions, write_scored_labels
from videogn.training.video_scores import write_videos

# What a result says as the network's architecture does, and as the checkpoint's part on its training.
_OF_ARCHITECTURE = (
    *("norm", "num_groups", "channels_per_group", "weight_standardization", "input", "network"),
    *("layout", "depth", "width", "temporal_convs", "nonlocal_blocks", "num_classes"),
)
_OF_TRAINING = (
    *("norm_batch_size", "device_batch_size", "total_batch_size", "renorm", "seed", "train_fingerprint", "steps"),
    *("epochs", "train_seconds", "device", "num_devices"),
)
# In the progress bar.
SHOWN = (
    *("train/loss_step", "train/top1_step", "clips_per_second", "train/loss_epoch", "train/top1_epoch"),
    *(f"val/{score}" for score in SCORES),
)
LIBRARIES = ("videogn", "torch", "torchvision", "pytorchvideo", "lightning", "av", "decord", "numpy")


class Throughput(Callback):
    """Logs clips/s of training over the last 20 batches, summed over the devices; skipped clips count.

    At log points alone: the sum is an exchange between devices.
    """

    def __init__(self) -> None:
        self._ends: deque[tuple[float, int]] = deque(maxlen=21)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._ends.clear()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._ends.append((time.monotonic(), len(batch["labels"])))
        if len(self._ends) > 1 and at_log_point(trainer, batch_idx):
            seconds = self._ends[-1][0] - self._ends[0][0]
            clips = sum(count for _, count in list(self._ends)[1:])
            pl_module.log("clips_per_second", clips / seconds, sync_dist=True, reduce_fx="sum")


class ProgressBar(RichProgressBar):
    """Lightning's bar with new figures at log points alone: a figure is read from the device, and waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._is_due = True
        self._figures: dict[str, Any] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._is_due = at_log_point(trainer, batch_idx)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._is_due = True

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        if self._is_due:
            logged = trainer.callback_metrics
            self._figures = {name: float(logged[name]) for name in SHOWN if name in logged}
        return self._figures


class ProgressLines(Callback):
    """Lines for logs, where no terminal shows a progress bar: one an epoch, and every half minute of a test."""

    def __init__(self) -> None:
        self._started = 0.0
        self._said = 0.0
        self._validated = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = True

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = self._said = time.monotonic()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        now = time.monotonic()
        if trainer.is_global_zero and now - self._said > 30:
            self._said = now
            done, total = batch_idx + 1, int(sum(trainer.num_test_batches))
            left = (now - self._started) / done * (total - done)
            print(f"batch {done} of {total}, about {left:.0f} s left", flush=True)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.monotonic()
        self._validated = False

    on_train_start = on_train_epoch_start  # an epoch that was begun before has no start of its own

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        parts = [f"epoch {trainer.current_epoch + 1}", f"step {trainer.global_step}"]
        for title, name in {
            "loss": "train/loss_epoch",
            "top-1": "train/top1_epoch",
            "val loss": "val/loss",
            **{f"val {title}": f"val/{score}" for score, title in SCORES.items()},
        }.items():
            if name in values and (self._validated or not name.startswith("val/")):
                is_loss = "loss" in title
                parts.append(f"{title} {values[name]:.4f}" if is_loss else f"{title} {100 * values[name]:.1f} %")
        if "clips_per_second" in values:
            parts.append(f"{values['clips_per_second']:.1f} clips/s")
        parts.append(f"lr {trainer.optimizers[0].param_groups[0]['lr']:.5f}")
        parts.append(f"{time.monotonic() - self._started:.1f} s")
        if values.get("train/skipped_videos"):
            parts.append(f"{values['train/skipped_videos']:.0f} videos skipped")
        print("  ".join(parts), flush=True)


class ResultWriter(Callback):
    """Writes videos.csv, per_class.csv and result.json after a test, and says the result in a line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started = 0.0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING and trainer.ckpt_path and trainer.is_global_zero:
            assert isinstance(pl_module, VideoClassifier)
            assert pl_module.data is not None
            fingerprint = pl_module.data.catalog.fingerprint("val")
            if chosen := _chosen(pl_module.training_run, Path(str(trainer.ckpt_path)), fingerprint=fingerprint):
                print(chosen_text(chosen))

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.monotonic()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, VideoClassifier)
        if not trainer.is_global_zero:
            return
        data, run = pl_module.data, pl_module.training_run
        scored = pl_module.scored_labels if pl_module.multi_label else pl_module.scored
        assert data is not None
        videos = data.catalog.records("test")
        if not scored:
            raise ValueError(f"none of the {len(videos)} videos could be scored; the first: {pl_module.failures[0][1]}")
        fingerprint = data.catalog.fingerprint("test")
        about: dict[str, Any] = dict(
            **{name: pl_module.architecture[name] for name in _OF_ARCHITECTURE},
            **{name: run.get(name) for name in _OF_TRAINING},
            precise_bn=pl_module.precise_bn,
            num_frames=data.num_frames,
            frame_interval=data.frame_interval,
            extras=extras_in(run.get("recipe", {})) | data.test_extras,
            protocol=data.protocol,
            clip_policy=data.clip_policy,
            loss=sum(video.loss for video in scored) / len(scored),
            num_videos_expected=len(videos),
            num_videos_scored=len(scored),
            num_videos_excluded=data.catalog.num_excluded["test"],
            test_list={
                "root": str(data.catalog.root_path.absolute()),
                "list": str(Path(data.catalog.list_of("test")).absolute()),
            },
            failed_videos=[{"video": videos[index].name, "reason": reason} for index, reason in pl_module.failures],
            num_videos_decoded_in_full=len(data.known["test"].in_full),
            train_videos=run.get("train_videos"),
            dataset_fingerprint=fingerprint,
            checkpoint=str(trainer.ckpt_path),
            chosen=_chosen(run, Path(str(trainer.ckpt_path)), fingerprint=fingerprint),
            weights=pl_module.weights,
            test_seconds=time.monotonic() - self._started,
            peak_memory_bytes=run.get("peak_memory_bytes") or peak_memory_bytes(),
            precision={"train": run.get("precision"), "test": precision_name(trainer.precision, pl_module.device)},
            kernels_checked={"train": _checked(run), "test": pl_module.kernels_checked},
            parts=run.get("parts", []),
            code={"train": _code(run), "test": code_version()},
            versions=installed_versions(),
        )
        names, groups = [videos.of_line(video.index).name for video in scored], data.catalog.test_groups
        of_scored = groups and [groups[video.index] for video in scored]
        # The result comes last: a folder that has it has all. Where nothing can be written, it is seen at least.
        if pl_module.multi_label:
            precisions = average_precisions(pl_module.scored_labels).tolist()
            classes = Counter(label for video in pl_module.scored_labels for label in video.labels)
            num_scored = [classes[label] for label in range(pl_module.num_classes)]
            expected = videos.counts(pl_module.num_classes).tolist()
            result: AnyResult = ResultOfLabels(**about, **scores_of(precisions, num_scored, expected))
            print(result.summary(), flush=True)
            of_videos = write_scored_labels(pl_module.scored_labels, names, of_scored, self.folder)
            per_class = write_precisions(precisions, num_scored, pl_module.class_names, self.folder)
        else:
            result = Result(**about, **accuracies_of(pl_module.scored, pl_module.num_classes, num_expected=len(videos)))
            print(result.summary(), flush=True)
            of_videos = write_videos(pl_module.scored, names, of_scored, self.folder)
            per_class = write_per_class(pl_module.scored, pl_module.class_names, self.folder)
        path = write_result(result, self.folder)
        print(f"written: {path}, {per_class} and {of_videos}")


def _code(run: Mapping[str, Any]) -> str | None:
    """Return the code that trained: all versions, where a training went on with another one."""
    return ", then ".join(dict.fromkeys(part["code"] for part in run.get("parts", []))) or run.get("code")


def _checked(run: Mapping[str, Any]) -> bool | None:
    """Return whether the kernels of all parts of a training were checked; None where there was nothing to check."""
    parts = {part.get("kernels_checked") for part in run.get("parts", [])}
    return None if None in parts or not parts else parts == {True}


def _chosen(run: Mapping[str, Any], checkpoint: Path, *, fingerprint: str) -> dict[str, Any] | None:
    """Return how a best checkpoint was chosen; None for any other.

    Args:
        run: What the checkpoint says of its training, up to where it was saved.
        checkpoint: Its file: the last one beside it knows of the validations after that.
    """
    if not run.get("is_best") or not run.get("best"):
        return None
    last, num_validations = checkpoint.with_name("last.ckpt"), run.get("num_validations", 0)
    if last.is_file() and damage_in(last) is None:
        end = read_own_part(last)["training"]
        if end.get("best") == run["best"]:
            num_validations = end.get("num_validations", 0)
    if num_validations < 2:  # there was no choice
        return None
    by_these_videos = run["best"]["validation"].get("fingerprint") == fingerprint
    return {"num_validations": num_validations, "by_these_videos": by_these_videos}


def installed_versions() -> dict[str, str]:
    """Return versions of Python and of the libraries that a number depends on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found | {"torch": torch.__version__}  # with its build: +cu..., +cpu
