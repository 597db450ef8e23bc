"""What a loader hands over: training clips as one tensor, test videos as frames of which views are made on the device.

Shapes: B videos, V views, F distinct frames, T frames of a clip, H, W, C = 3.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import TypedDict

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import get_worker_info

GREY = 115  # about the mean of the network's input


class Batch(TypedDict):
    """Training clips.

    Attributes:
        views: uint8 [B, V, T, H, W, C].
        labels: int64 [B]; with several labels a video float32 [B, K], 1 for each, else 0.
        indices: int64 [B], places in the list.
        weights: float32 [B]; 0 for a video that was skipped, else 1.
        missing: Rows of videos that could not be decoded: they are grey.
        failures: (place in the list, reason) of these videos.
        in_full: Places in the list of videos that had to be decoded in full: their packets were not as promised.
    """

    views: Tensor
    labels: Tensor
    indices: Tensor
    weights: Tensor
    missing: list[int]
    failures: list[tuple[int, str]]
    in_full: list[int]


class VideoBatch(TypedDict):
    """Videos under a test protocol; those that could not be decoded are left out and named.

    Attributes:
        views: Of each of B videos.
        labels: As of a Batch.
        indices: int64 [B], places in the list.
        failures: (place in the list, reason) of videos that could not be decoded.
        in_full: As of a Batch.
    """

    views: list[VideoViews]
    labels: Tensor
    indices: Tensor
    failures: list[tuple[int, str]]
    in_full: list[int]


class VideoViews:
    """The V views [T, H, W, C] of a video, made when they are asked for.

    Clips overlap and crops do: the frames under them are a fraction of the views, and all that a worker decodes, a
    queue carries and a device holds.

    Args:
        frames: uint8 [F, height, width, C], each once.
        clips: int64 [clips, T], places in `frames`.
        corners: (top, left) of each crop.
        crop_size: (H, W) of a view.
        spans: Of each clip: which frames of the video are its first and its last.
        rate: Frames of the video a second; None: not known.
    """

    def __init__(
        self,
        frames: Tensor,
        *,
        clips: Tensor,
        corners: Sequence[tuple[int, int]],
        crop_size: tuple[int, int],
        spans: Sequence[tuple[int, int]],
        rate: float | None,
    ) -> None:
        self.frames = frames
        self.clips = clips
        self.corners = list(corners)
        self.crop_size = crop_size
        self.spans = list(spans)
        self.rate = rate

    def __len__(self) -> int:
        return len(self.clips) * len(self.corners)

    def __getitem__(self, view: int) -> Tensor:
        """Return view `view`: the crops of the first clip, then those of the second, ..."""
        if not 0 <= view < len(self):
            raise IndexError(f"view {view} of {len(self)}")
        clip, crop = divmod(view, len(self.corners))
        (top, left), (height, width) = self.corners[crop], self.crop_size
        return self.frames[self.clips[clip], top : top + height, left : left + width]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[view] for view in range(len(self)))

    def _of(self, frames: Tensor, clips: Tensor) -> VideoViews:
        return VideoViews(
            frames,
            clips=clips,
            corners=self.corners,
            crop_size=self.crop_size,
            spans=self.spans,
            rate=self.rate,
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> VideoViews:
        """Return the same views on a device."""
        return self._of(
            self.frames.to(device, non_blocking=non_blocking), self.clips.to(device, non_blocking=non_blocking)
        )

    def pin_memory(self) -> VideoViews:
        """Return the same views in memory that a GPU can read."""
        return self._of(self.frames.pin_memory(), self.clips.pin_memory())


def empty(*shape: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Return memory for a part of a batch; in a worker, memory that the main process sees too, so that none is copied.

    It is none of /dev/shm, where torch would take it: containers have 64 MB there, which is a batch or two.

    Returns:
        Of any values.

    Raises:
        MemoryError: The machine has no more.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    if get_worker_info() is None or num_bytes == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.empty(0, dtype=dtype).set_(_shared(num_bytes)).view(shape)


def _shared(num_bytes: int) -> torch.UntypedStorage:
    if not hasattr(os, "memfd_create"):  # not Linux
        return torch.UntypedStorage._new_shared(num_bytes)
    handle = os.memfd_create("videogn")
    try:
        os.posix_fallocate(handle, 0, num_bytes)
        return torch.UntypedStorage._new_shared_fd_cpu(handle, num_bytes)  # type: ignore[attr-defined]
    except OSError as error:
        raise MemoryError(f"no memory for a batch's part of {num_bytes:,} bytes: {error.strerror}") from error
    finally:
        os.close(handle)


def shared(values: ArrayLike, dtype: torch.dtype) -> Tensor:
    """Return a tensor of values in memory of `empty`.

    A tensor that a worker hands over in other memory is copied to /dev/shm on the way. Where that is full, it is lost,
    and the loader waits for it forever.
    """
    given = torch.as_tensor(values, dtype=dtype)
    return empty(*given.shape, dtype=dtype).copy_(given)
