"""What `videogn bench data` measures, a table each; every figure as plain data.

A row is a dict: "name", "median_seconds", "ratio" (its time by this package's, on the same clips), "failed" (rounds in
which it failed) of "rounds", "error" (the first), and what a table adds.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch.utils.data import DataLoader

from videogn.data.batch import Batch, VideoBatch
from videogn.data.dataset import TestDataset, TrainDataset, as_it_is, is_rate
from videogn.data.decoding import DECODERS, DecoderName, PacketIndex, decode_frames, open_video
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.lists.records import VideoRecord
from videogn.data.sampler import TrainSampler
from videogn.data.views.pixels import PixelTransforms
from videogn.data.views.testing import TestViews
from videogn.data.views.training import TrainViews
from videogn.machine import available_cores
from videogn.tools.bench.clips import Clip, training_clips
from videogn.tools.bench.pipelines import FrameStack, frame_readers, sample_makers
from videogn.tools.bench.timing import Times, interleaved
from videogn.tools.prepare import Encoding, Prepared, PrepareError, prepare_video

OURS = "videogn"  # as in a run: what packets tell is on record after the first epoch
FIRST = "videogn, first epoch"
PREPARED_VIDEOS = 4
Row = dict[str, Any]


class Bench:
    """Videos to read, and how.

    Args:
        alone: Whether to leave out what reads video files alone: they are folders of frames.
    """

    def __init__(
        self,
        paths: Sequence[str],
        num_frames: Sequence[int],
        *,
        views: TrainViews,
        test_views: TestViews,
        index: PacketIndex,
        seed: int = 0,
        on_progress: Callable[[], None] = lambda: None,
        alone: bool = False,
    ) -> None:
        self.alone = alone
        self.paths = paths
        self.num_frames = num_frames
        self.views = views
        self.test_views = test_views
        self.index = index
        self.seed = seed
        self.on_progress = on_progress
        self.records = [VideoRecord(path, 0, place, path) for place, path in enumerate(paths)]
        self.dataset = TrainDataset(self.records, views=views, seed=seed, index=index)

    def clips(self) -> Iterator[Clip]:
        """Return training clips without end."""
        return training_clips(self.paths, self.num_frames, views=self.views, seed=self.seed)

    def frames(self, seconds: float) -> list[Row]:
        """Return the frames of a training clip, at their full size: time, and whether bytes agree."""
        ways: dict[str, Callable[[Clip], FrameStack]] = {
            OURS: lambda clip: decode_frames(clip.path, clip.indices, index=self.index).numpy(),
            FIRST: lambda clip: decode_frames(clip.path, clip.indices).numpy(),
        }
        for backend in () if self.alone else DECODERS:
            if backend != "pyav" and find_spec(backend) is not None:
                ways[f"videogn, decoder {backend}"] = partial(self._frames_by, backend=cast(DecoderName, backend))
        for name, read in ({} if self.alone else frame_readers()).items():
            ways[name] = lambda clip, read=read: read(clip.path, clip.indices)  # type: ignore[misc]
        agreement: dict[str, list[bool]] = {name: [] for name in ways}

        def compare(clip: Clip, results: Mapping[str, FrameStack]) -> None:
            self.on_progress()
            for name, frames in results.items():
                if OURS in results:
                    agreement[name].append(np.array_equal(frames, results[OURS]))

        times = interleaved(ways, self.clips(), seconds=seconds, on_round=compare)
        return [{**row, "same_bytes": _share(agreement[row["name"]])} for row in _rows(times)]

    def _frames_by(self, clip: Clip, *, backend: DecoderName) -> FrameStack:
        return decode_frames(clip.path, clip.indices, backend=backend, index=self.index).numpy()

    def samples(self, seconds: float) -> list[Row]:
        """Return figures of a training sample, from file to batch: time, and how far pixels are from this package's."""
        unknown = TrainDataset(self.records, views=self.views, seed=self.seed)
        ways: dict[str, Callable[[Clip], torch.Tensor]] = {
            OURS: self._sample,
            FIRST: lambda clip: _as_batch(unknown[clip.epoch, clip.place]),
            **({} if self.alone else sample_makers()),
        }
        distances: dict[str, list[float]] = {name: [] for name in ways}

        def compare(clip: Clip, results: Mapping[str, torch.Tensor]) -> None:
            self.on_progress()
            for name, sample in results.items():
                if OURS in results:
                    distances[name].append(float((sample.float() - results[OURS].float()).abs().mean()))

        times = interleaved(ways, self.clips(), seconds=seconds, on_round=compare)
        return [{**row, "mean_difference": _mean(distances[row["name"]])} for row in _rows(times)]

    def _sample(self, clip: Clip) -> torch.Tensor:
        return _as_batch(self.dataset[clip.epoch, clip.place])

    def training(self, seconds: float) -> list[Row]:
        """Return a training sample under settings of training: time, and the clips in it."""
        made: dict[str, dict[str, Any]] = {
            OURS: {},
            "clips_per_video 2": {"clips_per_video": 2},
            "color_jitter [0.4,0.4,0.4,0]": {"pixels": PixelTransforms(color_jitter=(0.4, 0.4, 0.4, 0.0))},
            "color_jitter [0.4,0.4,0.4,0.1]": {"pixels": PixelTransforms(color_jitter=(0.4, 0.4, 0.4, 0.1))},
            "rand_augment [2,9]": {"pixels": PixelTransforms(rand_augment=(2, 9))},
            "random_erasing 1": {"pixels": PixelTransforms(random_erasing=1.0)},
        }
        if not self.alone and all(map(_has_rate, self.paths)):
            made["target_fps 15"] = {"target_fps": 15.0}
        ways: dict[str, Callable[[Clip], Any]] = {}
        for name, own in made.items():
            dataset = TrainDataset(self.records, views=self.views, seed=self.seed, index=self.index, **own)
            ways[name] = partial(_batch_of, dataset=dataset)
        times = interleaved(ways, self.clips(), seconds=seconds, on_round=lambda *_: self.on_progress())
        return [{**row, "clips": made[row["name"]].get("clips_per_video", 1)} for row in _rows(times)]

    def stages(self, seconds: float) -> list[Row]:
        """Return where this package's time goes: shares of a training sample; no rows for folders of frames."""
        if self.alone:
            return []
        upto: dict[str, Callable[[Clip], Any]] = {
            "open the file": lambda clip: PyAVVideo(clip.path).close(),
            "look up its packets": lambda clip: self._upto_packets(clip, decode=False),
            "decode": lambda clip: self._upto_packets(clip, decode=True),
            "convert, crop, scale, flip, batch": self._sample,
        }
        first = "in the first epoch: look through its packets"
        ways = {**upto, first: lambda clip: _look_through(clip.path)}
        times = interleaved(ways, self.clips(), seconds=seconds, on_round=lambda *_: self.on_progress())
        added = {first: times[first].more_than(times["open the file"])}
        before: Times | None = None
        for name in upto:
            added[name] = times[name].more_than(before) if before is not None else times[name].median
            before = times[name]
        whole = sum(added[name] for name in upto)
        return [{"name": name, "median_seconds": added[name], "share": added[name] / whole} for name in ways]

    def _upto_packets(self, clip: Clip, *, decode: bool) -> None:
        with contextlib.closing(PyAVVideo(clip.path, index=self.index)) as video:
            _ = video.num_frames
            for _ in video.decode(clip.indices) if decode else ():
                pass

    def tests(self, seconds: float) -> list[Row]:
        """Return figures of all views of a video under the test protocol: by one decode, or by one for each view."""
        dataset = TestDataset(self.records, views=self.test_views, index=self.index)
        ways: dict[str, Callable[[int], Any]] = {
            OURS: lambda place: _checked(dataset[0, place]),
            "a decode for each view": self._view_by_view,
        }
        places = itertools.cycle(range(len(self.paths)))
        times = interleaved(ways, places, seconds=seconds, min_rounds=3, on_round=lambda *_: self.on_progress())
        return _rows(times)

    def _view_by_view(self, place: int) -> None:
        views, rng = self.test_views, np.random.default_rng(0)
        for indices in views.indices(self.num_frames[place], rng):
            for crop in range(views.protocol.num_crops):
                with open_video(self.paths[place], index=self.index) as video:
                    for _, frame in video.read(indices.tolist(), window=views.window(rng)):
                        views.crops(frame)[1][crop]

    def prepared(self, seconds: float, *, folder: Path, settings: Encoding) -> list[Row]:
        """Return videos as they are and as `data prepare` makes them: bytes, time of a sample, distance of pixels.

        Args:
            seconds: About how long to measure, the preparing not counted.

        Returns:
            Two rows; none where no video can be prepared.
        """
        made: dict[int, Prepared] = {}
        for place, path in enumerate(self.paths):
            if len(made) < PREPARED_VIDEOS:
                with contextlib.suppress(PrepareError):  # then another
                    made[place] = prepare_video(path, folder / f"{place}.mp4", settings=settings)
                self.on_progress()
        if not made:
            return []
        originals = [self.paths[place] for place in made]
        ways: dict[str, Callable[[Clip], torch.Tensor]] = {}
        for name, paths in ((OURS, originals), ("prepared", [str(folder / f"{place}.mp4") for place in made])):
            records = [VideoRecord(path, 0, place, path) for place, path in enumerate(paths)]
            dataset = TrainDataset(records, views=self.views, seed=self.seed, index=self.index)
            ways[name] = partial(_sample_of, dataset=dataset)
        distances: list[float] = []

        def compare(clip: Clip, results: Mapping[str, torch.Tensor]) -> None:
            self.on_progress()
            if len(results) == len(ways):
                distances.append(float((results["prepared"].float() - results[OURS].float()).abs().mean()))

        clips = training_clips(originals, [self.num_frames[place] for place in made], views=self.views, seed=self.seed)
        original, prepared = _rows(interleaved(ways, clips, seconds=seconds, on_round=compare))
        source_bytes, num_bytes = (
            sum(each.source_bytes for each in made.values()),
            sum(each.bytes for each in made.values()),
        )
        return [
            {**original, "name": "as it is", "bytes": source_bytes, "mean_difference": 0.0},
            {**prepared, "bytes": num_bytes, "mean_difference": _mean(distances)},
        ]

    def loaders(self, seconds: float, *, num_workers: Sequence[int], batch_size: int) -> list[Row]:
        """Return clips per second that a DataLoader delivers, by its number of workers; the mean of two in turn.

        The main process has as many threads as a run gives it: the cores that workers leave.
        """
        figures: dict[int, list[tuple[float, float]]] = {workers: [] for workers in num_workers}
        threads = torch.get_num_threads()
        for workers in list(num_workers) * 2:
            torch.set_num_threads(max(1, available_cores() - workers) if workers else 1)
            figures[workers].append(self._load(seconds / 2 / len(num_workers), workers, batch_size))
        torch.set_num_threads(threads)
        return [
            {
                "num_workers": workers,
                "clips_per_second": _mean([speed for speed, _ in found]),
                "seconds_to_first_batch": _mean([first for _, first in found]),
            }
            for workers, found in figures.items()
        ]

    def _load(self, seconds: float, num_workers: int, batch_size: int) -> tuple[float, float]:
        """Return clips a second once all workers are at work, and seconds to the first batch."""
        records = self.records * -(-64 * batch_size // len(self.records))
        dataset = TrainDataset(records, views=self.views, seed=self.seed, index=self.index)
        sampler = TrainSampler(len(dataset), total_batch_size=batch_size, seed=self.seed)
        started = time.perf_counter()
        batches = iter(DataLoader(dataset, batch_size, sampler=sampler, num_workers=num_workers, collate_fn=as_it_is))
        next(batches)
        first = time.perf_counter() - started
        for _ in range(3 * num_workers):  # what was prefetched
            next(batches)
        begin, clips = time.perf_counter(), 0
        for batch in batches:
            clips += int((batch["weights"] > 0).sum())
            self.on_progress()
            if time.perf_counter() - begin > seconds:
                break
        return clips / (time.perf_counter() - begin), first


AnyBatch = TypeVar("AnyBatch", Batch, VideoBatch)


def _checked(batch: AnyBatch) -> AnyBatch:
    """Return the batch; a video in it that could not be decoded is an error here."""
    if batch["failures"]:
        raise RuntimeError(batch["failures"][0][1])
    return batch


def _look_through(path: str) -> None:
    with contextlib.closing(PyAVVideo(path)) as video:
        _ = video.num_frames


def _has_rate(path: str) -> bool:
    with contextlib.closing(PyAVVideo(path)) as video:
        return is_rate(video.rate)


def _batch_of(clip: Clip, *, dataset: TrainDataset) -> Batch:
    return _checked(dataset[clip.epoch, clip.place])


def _sample_of(clip: Clip, *, dataset: TrainDataset) -> torch.Tensor:
    return _as_batch(dataset[clip.epoch, clip.place])


def _as_batch(batch: Batch) -> torch.Tensor:
    """Return [1, C, T, H, W] of a batch of one."""
    return _checked(batch)["views"].flatten(0, 1).permute(0, 4, 1, 2, 3)


def _rows(times: Mapping[str, Times]) -> list[Row]:
    return [
        {
            "name": name,
            "median_seconds": taken.median,
            "per_second": taken.per_second,
            "ratio": taken.ratio_to(times[OURS]),
            "failed": taken.num_failed,
            "rounds": len(taken.seconds),
            "error": taken.error,
        }
        for name, taken in times.items()
    ]


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
