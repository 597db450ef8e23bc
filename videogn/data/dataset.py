"""One item is one video with its views, all from one decode, each frame written where it will lie.

Everything random in a sample derives from (seed, epoch, video index), and for the clips of a video after the first from
their number in the epoch: the same views come at any batch size, number of workers and number of devices.

Shapes: B videos, V views, F distinct frames, T frames of a clip, H, W, C = 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeGuard, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from videogn.data.at_work import AtWork
from videogn.data.batch import GREY, Batch, VideoBatch, VideoViews, empty, shared
from videogn.data.decoding import (
    DecodeError,
    DecoderName,
    Frame,
    PacketIndex,
    TooFewFrames,
    Video,
    Watch,
    open_video,
)
from videogn.data.decoding.video import window_on
from videogn.data.decoding.window import cut
from videogn.data.heap import Heap
from videogn.data.known import Known
from videogn.data.lists.records import VideoRecord
from videogn.data.views.sampling import interval_at
from videogn.data.views.testing import TestViews
from videogn.data.views.training import RegionViews, TrainViews

# What a sampler asks for: (epoch, place in the records). The epoch travels with the key, so that workers that outlive
# an epoch need not be told. In training, places count on behind the last video: place + len(records) is the same video
# for the second time in an epoch, with another clip.
Key = tuple[int, int]
# The place that stands for no video: it keeps the number of batches equal on all devices of a test.
NO_VIDEO = -1
DECODE_SECONDS = 60.0  # that a reading of one video may take
LEAST_FPS, MOST_FPS = 0.01, 1000  # what a header says beyond these is no rate of frames
PixelsOf = Callable[[NDArray[np.uint8], Sequence[int]], None]


@dataclass(eq=False, repr=False)
class _Videos(Dataset[Any]):
    """Videos that are read by their keys.

    Args:
        records: The videos.
        views: How views are made of each.
        decoder: Which decoder reads the files.
        index: Where what the packets of files tell is kept.
        target_fps: Frames a second that the views' interval is meant at; default: each video's own.
        frames_per_second: Of folders of frames, which do not say.
        known: What the run has found out about the videos.
        decode_seconds: After which reading a video fails.
        multi_hot: K, of records with several labels each; None: they have one.
    """

    records: Sequence[VideoRecord]
    _: KW_ONLY
    views: TrainViews | RegionViews | TestViews
    decoder: DecoderName = "pyav"
    index: PacketIndex | None = None
    target_fps: float | None = None
    frames_per_second: float | None = None
    known: Known = field(default_factory=Known)
    decode_seconds: float = DECODE_SECONDS
    multi_hot: int | None = None

    def __post_init__(self) -> None:
        self.at_work: AtWork | None = None  # of a loader with workers
        self._heap = Heap()
        self._in_full: list[int] = []  # places in the list, of the batch that is being made

    def __len__(self) -> int:
        return len(self.records)

    def _open(self, path: str, *, watch: Watch) -> AbstractContextManager[Video]:
        rate = self.frames_per_second
        return open_video(path, backend=self.decoder, index=self.index, frames_per_second=rate, watch=watch)

    def record_of(self, key: Key) -> VideoRecord:
        """Return the video of a key."""
        return self.records[key[1] % len(self.records)]

    def lost(self, key: Key, reason: str) -> None:
        """Take note that reading the video of a key ends its process: it is not read again for this key."""
        self.known.lost[key[0], self.record_of(key).index, key[1] // len(self.records)] = reason

    def _labels(self, records: Sequence[VideoRecord]) -> Tensor:
        """Return labels [B], or [B, K]."""
        if self.multi_hot is None:
            return _int64(record.label for record in records)
        hot = np.zeros((len(records), self.multi_hot), np.float32)
        for row, record in zip(hot, records, strict=True):
            row[list(record.labels)] = 1
        return shared(hot, torch.float32)

    def _read(
        self,
        record: VideoRecord,
        key: Key,
        entropies: Sequence[tuple[int, ...]],
        *,
        exact_count: bool,
        open_file: Callable[..., AbstractContextManager[Video]] | None = None,
    ) -> Iterator[ReadFrame]:
        """Yield the frames of a video as `_frames` does, seen from outside by what dies or hangs with it.

        Raises:
            DecodeError: It can't be decoded, or takes too long.
        """
        watch = Watch(self.decode_seconds, in_full=self.known.reads_in_full(record.index, epoch=key[0]))
        noted = nullcontext() if self.at_work is None else self.at_work.on(key, most_seconds=self.decode_seconds)
        with noted:
            yield from _frames(
                record,
                partial(open_file or self._open, watch=watch),
                self.views,
                entropies,
                exact_count=exact_count,
                target_fps=self.target_fps,
                watch=watch,
            )
        if watch.broke_promise:
            self._in_full.append(record.index)


@dataclass(eq=False, repr=False)
class TrainDataset(_Videos):
    """One random view of each video, or several from one decode.

    A clip's place goes by the number of frames that the packets tell. For the few files for which only a full decode
    tells, that may be too large, and is corrected where a clip hits the difference.

    Args:
        seed: Of the run.
        pixels: Changes a clip [T, H, W, C] in place, by its entropy; default: nothing does.
        clips_per_video: Views of each video: a batch holds the first of all its videos, then the second, ...
    """

    _: KW_ONLY
    views: TrainViews | RegionViews
    seed: int = 0
    pixels: PixelsOf | None = None
    clips_per_video: int = 1

    def __getitem__(self, key: Key) -> Batch:
        """Return a batch of one; see `__getitems__`."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the videos of (epoch, place), each decoded straight into its part of the batch.

        A batch is of constant size: batch statistics, accumulation and several devices rely on it. A video that can't
        be decoded keeps its place, grey and with weight 0.
        """
        self._in_full = []
        turns = [divmod(place, len(self.records)) for _, place in keys]
        records = [self.records[place] for _, place in turns]
        size = self.views.crop_size
        views = empty(self.clips_per_video * len(keys), 1, self.views.num_frames, size, size, 3)
        clips = views[:, 0].unflatten(0, (self.clips_per_video, len(keys))).numpy()
        errors = [
            self._fill(clips[:, row], key, times_before=times)
            for row, (key, (times, _)) in enumerate(zip(keys, turns, strict=True))
        ] * self.clips_per_video
        records *= self.clips_per_video
        self._heap.count(len(keys))
        return Batch(
            views=views,
            labels=self._labels(records),
            indices=_int64(record.index for record in records),
            weights=shared([error is None for error in errors], torch.float32),
            missing=[row for row, error in enumerate(errors) if error is not None],
            failures=[(r.index, error) for r, error in zip(records, errors, strict=True) if error is not None],
            in_full=self._in_full,
        )

    def _fill(self, clips: NDArray[np.uint8], key: Key, *, times_before: int) -> str | None:
        """Write the views [clips, T, H, W, C] of a video, or grey; return why it could not be decoded."""
        epoch, record = key[0], self.record_of(key)
        place = (self.seed, epoch, record.index)
        numbers = range(times_before * len(clips), (times_before + 1) * len(clips))  # of these clips in the epoch
        # The first clip's stream is that of the only one: more clips leave it as it is.
        entropies = [(*place, number) if number else place for number in numbers]
        failure = self.known.reason(record.index, epoch=epoch, times_before=times_before)
        if failure is None:
            try:
                for index, clip, frame, indices in self._read(record, key, entropies, exact_count=False):
                    clips[clip, indices[clip] == index] = frame
            except DecodeError as error:
                failure = str(error)
        if failure is not None:
            clips[:] = GREY  # also where some of its frames could be decoded
            return failure
        if self.pixels is not None:
            for number, clip in zip(numbers, clips, strict=True):
                self.pixels(clip, (*place, number))
        return None


@dataclass(eq=False, repr=False)
class TestDataset(_Videos):
    """All views of each video under a test protocol. Clips' places go by the exact number of frames."""

    _: KW_ONLY
    views: TestViews

    __test__ = False  # its name looks like a test's

    def __getitem__(self, key: Key) -> VideoBatch:
        """Return a batch of one; see `__getitems__`."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> VideoBatch:
        """Return the videos of (epoch, place), without NO_VIDEO; those that can't be decoded are left out and named."""
        self._in_full = []
        batch = VideoBatch(views=[], labels=torch.empty(0), indices=torch.empty(0), failures=[], in_full=self._in_full)
        scored = []
        for key in keys:
            if key[1] == NO_VIDEO:
                continue
            record = self.record_of(key)
            failure = self.known.reason(record.index, epoch=key[0])
            if failure is None:
                try:
                    batch["views"].append(self.views_of(record, key=key))
                    scored.append(record)
                    continue
                except DecodeError as error:
                    failure = str(error)
            batch["failures"].append((record.index, failure))
        self._heap.count(len(keys))
        batch["labels"] = self._labels(scored)
        batch["indices"] = _int64(record.index for record in scored)
        return batch

    def views_of(self, record: VideoRecord, video: Video | None = None, *, key: Key = (0, 0)) -> VideoViews:
        """Return the views of a video.

        Args:
            video: Its frames, where they are not to be read from its file.

        Raises:
            DecodeError: It can't be decoded.
        """
        frames, clips = torch.empty(0), torch.empty(0)
        planned, wanted = None, np.empty(0, np.int64)
        corners: list[tuple[int, int]] = []
        spans: list[tuple[int, int]] = []
        rate: Fraction | None = None

        @contextmanager
        def open_file(path: str, watch: Watch) -> Iterator[Video]:
            nonlocal rate
            with self._open(path, watch=watch) if video is None else nullcontext(video) as opened:
                rate = opened.rate
                yield opened

        found = self._read(record, key, [(0, 0, 0)], exact_count=True, open_file=open_file)
        for index, _, frame, indices in found:
            part, corners = self.views.crops(frame)
            if indices is not planned:  # the first frame, or the first by another number of frames
                planned, wanted = indices, np.unique(indices)
                clips = shared(np.searchsorted(wanted, indices), torch.int64)
                spans = [(int(clip[0]), int(clip[-1])) for clip in indices]
            if frames.shape != (len(wanted), *part.shape):
                frames = empty(len(wanted), *part.shape)
            frames[int(np.searchsorted(wanted, index))] = torch.from_numpy(part)
        size = self.views.crop_size
        return VideoViews(
            frames,
            clips=clips,
            corners=corners,
            crop_size=(size, size),
            spans=spans,
            rate=float(rate) if is_rate(rate) else None,
        )


# The index of a frame, the draw that it is for, the frame as that one shows it, and the indices [V, T] of all clips.
ReadFrame = tuple[int, int, Frame, NDArray[np.int64]]
Views = TypeVar("Views", bound=TrainViews | RegionViews | TestViews)


def is_rate(rate: Fraction | None) -> TypeGuard[Fraction]:
    """Return whether what a header says can be frames a second."""
    return rate is not None and LEAST_FPS <= rate <= MOST_FPS


def at_rate(views: Views, video: Video, *, target_fps: float | None) -> Views:
    """Return views of a video whose interval is meant at target_fps, in the video's own frames; None: it counts those.

    Raises:
        DecodeError: The video says no frame rate.
    """
    if target_fps is None:
        return views
    if not is_rate(video.rate):
        raise DecodeError(video.path, f"target_fps needs its frame rate, and the file says {video.rate}")
    return replace(views, frame_interval=interval_at(video.rate, views.frame_interval, target_fps=target_fps))


def _frames(
    record: VideoRecord,
    open_file: Callable[[str], AbstractContextManager[Video]],
    views: TrainViews | RegionViews | TestViews,
    entropies: Sequence[tuple[int, ...]],
    *,
    exact_count: bool,
    target_fps: float | None,
    watch: Watch,
) -> Iterator[ReadFrame]:
    """Yield each frame that a video's views need.

    Where the packets promised another number of frames than there are, all are read again, for the clips that the
    exact number gives: the `indices` of a frame are another array then, and what came before is to be forgotten.

    Args:
        entropies: What is random about them, for each draw of views.
        exact_count: Whether clips must go by the exact number of frames.
        target_fps: Frames a second that the views' interval is meant at; None: the video's own.

    Raises:
        DecodeError: The file is missing, can't be decoded, takes too long, or has no frame rate where one is needed.
    """
    if record.path is None:
        raise DecodeError(record.name, "no file of this name below the data root")
    with open_file(record.path) as video:
        views = at_rate(views, video, target_fps=target_fps)
        promised = video.num_frames
        try:
            yield from _by_count(promised, video, views, entropies, exact_count=exact_count, watch=watch)
        except TooFewFrames as error:
            if not 0 < error.num_frames < promised:
                raise
        else:
            if not exact_count or video.num_frames == promised:
                return
        yield from _by_count(video.num_frames, video, views, entropies, exact_count=exact_count, watch=watch)


def _by_count(
    total: int,
    video: Video,
    views: TrainViews | RegionViews | TestViews,
    entropies: Sequence[tuple[int, ...]],
    *,
    exact_count: bool,
    watch: Watch,
) -> Iterator[ReadFrame]:
    """Yield the frames of the clips that a video of `total` frames has."""
    rngs = [np.random.default_rng(entropy) for entropy in entropies]
    indices = views.indices(total, rngs[0])
    if len(rngs) > 1:
        assert not isinstance(views, TestViews)
        start = int(indices[0, 0])
        indices = np.concatenate([indices, *(views.indices(total, rng, beside=start) for rng in rngs[1:])])
    windows = [views.window(rng) for rng in rngs]
    # Several draws show several parts of a frame, which are cut out of all of it.
    only = windows[0] if len(windows) == 1 else None
    for index, frame in video.read(indices.ravel().tolist(), window=only, exact_count=exact_count):
        watch.check(video.path)
        if only is not None:
            yield index, 0, frame, indices
            continue
        for draw, window_of in enumerate(windows):
            if index in indices[draw]:
                yield index, draw, cut(frame, window_on(video.path, window_of, *frame.shape[:2])), indices


def as_it_is(batch: Any) -> Any:
    """Return a batch as the dataset made it: a collate function."""
    return batch


def _int64(values: Iterable[int]) -> Tensor:
    return shared(list(values), torch.int64)
