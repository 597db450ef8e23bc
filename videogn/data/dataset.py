"""One item is one video with its views, all from one decode, written where the batch lies.

Shapes: B videos, V views, T frames, H, W, C = 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from videogn.data.decoding import DecodeError, DecoderName, Frames, TooFewFrames, Video, WindowOf, open_video
from videogn.data.records import VideoRecord

# What a sampler asks for: (epoch, place in the records). The epoch travels with the key, so that workers that outlive
# an epoch need not be told.
Key = tuple[int, int]
# The place that stands for no video: it keeps the number of batches equal on all devices of a test.
NO_VIDEO = -1
GREY = 115  # about the mean of the network's input


class Views(Protocol):
    """How views are made of a video: TrainViews, RegionViews or TestViews."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(clips, crops of each, T, H, W); clips and crops are the V views."""

    def indices(self, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """[clips, T] frame indices in a video of `total` frames."""

    def window(self, rng: np.random.Generator) -> WindowOf:
        """The part of each frame that is wanted, and its size.

        What is random about it is drawn here, once for all frames of the video.
        """

    def crops(self, frame: Frames) -> Sequence[Frames]:
        """Each crop [H, W, C] of what the window gave of a frame."""


class Batch(TypedDict):
    """Videos as the device gets them.

    Attributes:
        views: uint8 [B, V, T, H, W, C].
        labels: int64 [B].
        indices: int64 [B], places in the list.
        weights: float32 [B]; 0 for a video that was skipped in training, else 1.
        failures: (place in the list, reason) of videos that could not be decoded.
    """

    views: Tensor
    labels: Tensor
    indices: Tensor
    weights: Tensor
    failures: list[tuple[int, str]]


class VideoDataset(Dataset[Batch]):
    """Videos, decoded when asked for.

    Everything random in a sample derives from (seed, epoch, video index): the same views come at any batch size, number
    of workers and number of devices.

    Args:
        records: The videos.
        views: How views are made of each.
        seed: Of the run.
        decoder: Which decoder reads the files.
        exact_count: Whether a clip's place is computed from the exact number of frames, if need be by decoding to the
            end (tests), or, where only a full decode could tell, from the number of packets (training). That is larger
            for a few files, and corrected only where a clip hits the difference.
    """

    def __init__(
        self,
        records: Sequence[VideoRecord],
        *,
        views: Views,
        seed: int = 0,
        decoder: DecoderName = "pyav",
        exact_count: bool = False,
    ) -> None:
        self.records = records
        self.views = views
        self.seed = seed
        self.decoder: DecoderName = decoder
        self.exact_count = exact_count

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: Key) -> Batch:
        """A batch of one; see `__getitems__`."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """The videos of (epoch, place), each decoded straight into its part of the batch; NO_VIDEO is left out.

        A video that can't be decoded has weight 0 and grey views.
        """
        keys = [key for key in keys if key[1] != NO_VIDEO]
        records = [self.records[place] for _, place in keys]
        num_clips, num_crops, *clip = self.views.shape
        views = _empty([len(keys), num_clips * num_crops, *clip, 3])
        errors = [
            self._fill(views[row].numpy(), epoch, record)
            for row, ((epoch, _), record) in enumerate(zip(keys, records, strict=True))
        ]
        return Batch(
            views=views,
            labels=torch.tensor([record.label for record in records], dtype=torch.int64),
            indices=torch.tensor([record.index for record in records], dtype=torch.int64),
            weights=torch.tensor([float(error is None) for error in errors]),
            failures=[(r.index, error) for r, error in zip(records, errors, strict=True) if error is not None],
        )

    def _fill(self, views: NDArray[np.uint8], epoch: int, record: VideoRecord) -> str | None:
        """Writes the views [V, T, H, W, C] of a video; returns why it could not be decoded."""
        if record.path is None:
            error = f"{record.name}: no file of this name below the data root"
        else:
            try:
                with open_video(record.path, backend=self.decoder) as video:
                    self._decode(video, views, (self.seed, epoch, record.index))
                return None
            except DecodeError as reason:
                error = str(reason)
        views[:] = GREY
        return error

    def _decode(self, video: Video, views: NDArray[np.uint8], entropy: tuple[int, int, int]) -> None:
        total = video.num_frames
        try:
            self._decode_of(total, video, views, np.random.default_rng(entropy))
        except TooFewFrames as error:
            if not 0 < error.num_frames < total:
                raise
        else:
            if not self.exact_count or video.num_frames == total:
                return
        # The packets had promised another number of frames: once more, by the exact one.
        self._decode_of(video.num_frames, video, views, np.random.default_rng(entropy))

    def _decode_of(self, total: int, video: Video, views: NDArray[np.uint8], rng: np.random.Generator) -> None:
        clips = self.views.indices(total, rng)
        by_clip = views.reshape(*self.views.shape, 3)
        window = self.views.window(rng)
        for index, frame in video.read(clips.ravel().tolist(), window=window, exact_count=self.exact_count):
            crops = self.views.crops(frame)
            for clip, place in np.argwhere(clips == index).tolist():
                for view, crop in zip(by_clip[clip], crops, strict=True):
                    view[place] = crop


def keep_places(batch: Batch) -> Batch:
    """A training batch, of constant size: a video that could not be decoded keeps its place, with weight 0.

    The size is what batch statistics, accumulation and several devices rely on. Its place is filled with the first
    clip of the batch, which has no weight in the loss there; where none could be decoded, the views stay grey.
    """
    is_decoded = (batch["weights"] > 0).tolist()
    if any(is_decoded):
        good = batch["views"][is_decoded.index(True)]
        for row, decoded in enumerate(is_decoded):
            if not decoded:
                batch["views"][row] = good
    return batch


def leave_out(batch: Batch) -> Batch:
    """A test batch: videos that could not be decoded are left out and named; B may be 0."""
    if not batch["failures"]:
        return batch
    decoded = batch["weights"] > 0
    views, labels, indices, weights = (batch[name][decoded] for name in ("views", "labels", "indices", "weights"))
    return Batch(views=views, labels=labels, indices=indices, weights=weights, failures=batch["failures"])


def _empty(shape: list[int]) -> Tensor:
    """Memory for a batch: in a worker, memory that the main process sees too, so that nothing is copied on the way."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.uint8)
    storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(math.prod(shape))
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)
