"""A trained network with all that it takes to ask it about a video.

Shapes: V views, C channels, T frames, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from videogn.data.batch import VideoViews
from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding import Video
from videogn.data.lists.records import Records
from videogn.data.views.protocols import PROTOCOLS
from videogn.models.features import meant
from videogn.trained.grad_cam import heat_of
from videogn.trained.names import Per
from videogn.trained.sliding import TimeWindow, frames_of, in_batches
from videogn.training.module import VideoClassifier

# Decoded frames are uint8 [N, H, W, 3], RGB: all frames of a video.
AnyVideo = str | Path | Tensor | NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """What the network says of a video.

    Attributes:
        probabilities: Of each class by its name, the most probable one first; empty where there is an error.
        error: Why the video could not be decoded; None where it could.
    """

    path: str
    probabilities: dict[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Features:
    """What a layer says of a video.

    Attributes:
        values: float32 [rows, C], a row for each view, clip or video; without rows where there is an error.
        clip: Which clip each row is of; None where it is of all of them.
        crop: Which crop each row is of; None where it is of all of them.
        frames: The first and the last frame that each row is of. The last clips of a test may run past the end of a
            video and go on at its beginning: their last frame then comes before the first.
        rate: Frames of the video a second, by its header; None: not known.
        error: Why the video could not be decoded; None where it could.
    """

    path: str
    values: Tensor
    clip: list[int | None]
    crop: list[int | None]
    frames: list[tuple[int, int]]
    rate: float | None
    error: str | None = None


class TrainedModel:
    """A trained network that takes videos, and sees them as a test does: its clips, crops and normalisation.

    Args:
        module: The network; it moves to the device. With ema, the average of its weights is what is asked.
        data: How a video is seen: its frames, sizes, decoder and `protocol`.
        classes: Names, by class index.
        device: Where it computes.
        autocast: Dtype of half precision; None: float32.
        allow_tf32: Whether an NVIDIA GPU multiplies float32 numbers in TF32.
    """

    def __init__(
        self,
        module: VideoClassifier,
        data: KineticsDataModule,
        *,
        classes: Sequence[str],
        device: torch.device | str = "cpu",
        autocast: torch.dtype | None = None,
        allow_tf32: bool = True,
    ) -> None:
        if len(classes) != module.num_classes:
            raise ValueError(f"got {len(classes)} names of classes; expected {module.num_classes}, as the network has")
        module.model.check_size(data.num_frames, data.test_crop_size, data.test_crop_size)
        self.module = module.to(device).eval()
        self.data = data
        self.classes = list(classes)
        self.autocast = autocast
        self.allow_tf32 = allow_tf32

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.module.device

    def __call__(self, video: AnyVideo | VideoViews, *, fps: float | None = None) -> dict[str, float]:
        """Return the probability of each class, by its name, the most probable one first.

        Args:
            video: A video file, an image, a folder of frames; or decoded frames, uint8 [N, H, W, 3], RGB: all of them;
                or the views that `data.views_of` made of one.
            fps: Frames a second of decoded frames or a folder of them; needed by runs with data.target_fps alone.

        Raises:
            DecodeError: It can't be decoded, or is no uint8 [N, H, W, 3].
        """
        with self._computing():
            return self._named(self.module.probabilities([self._views(video, fps)])[0])

    def videos(self, paths: Sequence[str | Path]) -> Records:
        """Return the videos among files and in folders, as `videogn predict` takes them.

        Raises:
            ListError: A path does not exist, or a folder holds no videos.
        """
        self.data.predict_paths = list(map(str, paths))
        return self.data.predict_records()

    def predict(self, paths: Sequence[str | Path]) -> Iterator[Answer]:
        """Yield what `__call__` returns of many video files and folders of them, decoded by data.num_workers processes.

        What can't be decoded comes with its error.

        Raises:
            ListError: A path does not exist, or a folder holds no videos.
        """
        for names, views, failed in self._batches(self.videos(paths)):
            with self._computing():
                found: Iterable[Tensor] = self.module.probabilities(views) if views else ()
            answers = {index: Answer(path, {}, error) for index, (path, error) in failed.items()}
            for (index, path), row in zip(names.items(), found, strict=True):
                answers[index] = Answer(path, self._named(row))
            yield from (answers[index] for index in sorted(answers))

    def slide(
        self, video: AnyVideo | Video, *, every_seconds: float, fps: float | None = None, at_once: int | None = None
    ) -> Iterator[TimeWindow]:
        """Yield what the network says of each clip of a window that slides over a video of any length.

        Each clip is what a test would show of that place: its frames, scale, normalisation and the crops of
        data.protocol. Frames are decoded once, and those of a few clips are in memory at a time. All clips are whole;
        a video that is shorter than one goes on at its beginning.

        Args:
            video: As in `__call__`; or an open one, such as a camera, which is read until it ends.
            every_seconds: From the start of one clip to that of the next.
            fps: Frames a second of decoded frames or a folder of them, which do not say.
            at_once: Clips that are forwarded together; default: as many as the run's batch holds with all crops.

        Raises:
            DecodeError: It can't be decoded; at a place where that shows, after all clips before it.
            ValueError: every_seconds is not above 0, or the frames have no times.
        """
        clips = self.data.slide(video, every_seconds=every_seconds, fps=fps)
        at_once = at_once or max(1, self.module.device_batch_size // PROTOCOLS[self.data.protocol].num_crops)
        for some, views in in_batches(clips, at_once=at_once, crop_size=self.data.test_crop_size, device=self.device):
            with self._computing():
                found = self.module.probabilities(views)
            for clip, row in zip(some, found, strict=True):
                yield TimeWindow(float(clip.start), float(clip.end), frames_of(clip), self._named(row))

    def features(
        self, video: AnyVideo | VideoViews, *, layer: str | None = None, per: Per = "video", fps: float | None = None
    ) -> Tensor:
        """Return float32 [rows, C]: what a layer says of a video, averaged over time and space, on the CPU.

        Args:
            video: As in `__call__`.
            layer: Its name, as `module.model.named_modules()` has it. Default: what goes into the last layer.
            per: A row for each view, for each clip (the mean of its crops), or for the video (the mean of all).
            fps: As in `__call__`.

        Raises:
            DecodeError: It can't be decoded.
            ValueError: The network has no such layer; says which it has.
        """
        views = self._views(video, fps)
        with self._computing():
            return _rows(self.module.features([views], layer=layer)[0], views, per=per)

    def features_of(
        self, paths: Sequence[str | Path] | Records, *, layer: str | None = None, per: Per = "video"
    ) -> Iterator[Features]:
        """Yield what `features` returns of many video files and folders of them, with the frames that it is of.

        Raises:
            ListError: A path does not exist, or a folder holds no videos.
            ValueError: The network has no such layer; says which it has.
        """
        for names, views, failed in self._batches(paths if isinstance(paths, Records) else self.videos(paths)):
            with self._computing():
                found = self.module.features(views, layer=layer) if views else []
            of = {
                index: Features(path, torch.empty(0, 0), [], [], [], None, error)
                for index, (path, error) in failed.items()
            }
            for (index, path), values, seen in zip(names.items(), found, views, strict=True):
                of[index] = _features(path, values, seen, per=per)
            yield from (of[index] for index in sorted(of))

    def grad_cam(
        self,
        video: AnyVideo | VideoViews,
        *,
        class_name: str | None = None,
        layer: str | None = None,
        fps: float | None = None,
    ) -> Tensor:
        """Return float32 [V, T, H, W], 0 to 1: how much each place of a video's views speaks for a class (Grad-CAM).

        1 is the largest value of all views; where nothing speaks for the class, all are 0. On the CPU, in float32.

        Args:
            video: As in `__call__`.
            class_name: Which class. Default: the most probable one.
            layer: Its name, as `module.model.named_modules()` has it. Default: what goes into the head. Earlier layers
                say it at finer places, of simpler things.
            fps: As in `__call__`.

        Raises:
            DecodeError: It can't be decoded.
            ValueError: There is no such class or layer; says which there are.
        """
        index = None if class_name is None else self.class_index(class_name)
        views = self._views(video, fps)
        with self._computing():
            return heat_of(
                self.module.model,
                views,
                class_index=int(self.module.probabilities([views])[0].argmax()) if index is None else index,
                layer=layer,
                batch_size=self.module.device_batch_size,
            )

    def class_index(self, name: str) -> int:
        """Return the index of a class.

        Raises:
            ValueError: There is none; says which are like it, or where none is, all.
        """
        if name in self.classes:
            return self.classes.index(name)
        raise ValueError(f"{name} is no class of this run{meant(name, self.classes, kind='classes')}")

    def _views(self, video: AnyVideo | VideoViews, fps: float | None) -> VideoViews:
        views = video if isinstance(video, VideoViews) else self.data.views_of(video, fps=fps)
        return views.to(self.device)

    def _batches(
        self, records: Records
    ) -> Iterator[tuple[dict[int, str], list[VideoViews], dict[int, tuple[str, str]]]]:
        """Yield the paths of some videos by their places, their views, and paths and errors of those without."""
        for batch in self.data.predict_dataloader(records):
            names = {index: records[index].path for index in batch["indices"].tolist()}
            failed = {index: (records[index].path, error) for index, error in batch["failures"]}
            yield names, [views.to(self.device) for views in batch["views"]], failed

    def _named(self, probabilities: Tensor) -> dict[str, float]:
        best = probabilities.sort(descending=True, stable=True)
        return {self.classes[k]: share for k, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)}

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute as the trainer does in a test."""
        switches: tuple[Any, ...] = (
            (torch.backends.cudnn, torch.backends.cuda.matmul) if self.device.type == "cuda" else ()
        )
        before = [switch.allow_tf32 for switch in switches]
        try:
            for switch in switches:
                switch.allow_tf32 = self.allow_tf32
            half = torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None)
            with self.module.averaged(), torch.no_grad(), half:
                yield
        finally:
            for switch, was in zip(switches, before, strict=True):
                switch.allow_tf32 = was


def _rows(values: Tensor, views: VideoViews, *, per: Per) -> Tensor:
    """Return [rows, C], on the CPU, of [V, C]."""
    if per not in get_args(Per):
        raise ValueError(f"per is {per!r}; expected one of {', '.join(get_args(Per))}")
    if per == "clip":
        values = values.unflatten(0, (len(views.clips), len(views.corners))).mean(dim=1)
    elif per == "video":
        values = values.mean(dim=0, keepdim=True)
    return values.cpu()


def _features(path: str, values: Tensor, views: VideoViews, *, per: Per) -> Features:
    clips, crops = len(views.clips), len(views.corners)
    of: dict[Per, list[tuple[int | None, int | None]]] = {
        "view": [(clip, crop) for clip in range(clips) for crop in range(crops)],
        "clip": [(clip, None) for clip in range(clips)],
        "video": [(None, None)],
    }
    rows = of[per]
    whole = (min(map(min, views.spans)), max(map(max, views.spans)))
    return Features(
        path,
        _rows(values, views, per=per),
        clip=[clip for clip, _ in rows],
        crop=[crop for _, crop in rows],
        frames=[whole if clip is None else views.spans[clip] for clip, _ in rows],
        rate=views.rate,
    )
