"""What `videogn bench data` measures, a table each; every figure as plain data.

A row is a dict: "name", "median_seconds", "ratio" (its time by this package's, on the same clips), "failed" (rounds in
which it failed) of "rounds", "error" (the first), and what a table adds.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from videogn.data.batch import Batch
from videogn.data.bench.clips import Clip, training_clips
from videogn.data.bench.pipelines import frame_readers, sample_makers
from videogn.data.bench.timing import Times, interleaved
from videogn.data.dataset import TestDataset, TrainDataset, as_it_is
from videogn.data.decoding import Frames, PacketIndex, decode_frames
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.prepare import Encoding, prepare_video
from videogn.data.records import VideoRecord
from videogn.data.sampler import TrainSampler
from videogn.data.transforms import TestViews, TrainViews

OURS = "videogn"  # as in a run: what packets tell is on record after the first epoch
FIRST = "videogn, first epoch"
Row = dict[str, Any]


class Bench:
    """Videos to read, and how.

    Args:
        paths: Of the videos.
        num_frames: Of each.
        views: Training clips.
        test_views: Views of a test.
        index: Where what packets tell is kept.
        seed: Of the clips.
        on_progress: Called after each round.
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
    ) -> None:
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
        """Training clips without end."""
        return training_clips(self.paths, self.num_frames, views=self.views, seed=self.seed)

    def frames(self, seconds: float) -> list[Row]:
        """The frames of a training clip, at their full size: time, and whether bytes agree."""
        ways: dict[str, Callable[[Clip], Frames]] = {
            OURS: lambda clip: decode_frames(clip.path, clip.indices, index=self.index).numpy(),
            FIRST: lambda clip: decode_frames(clip.path, clip.indices).numpy(),
        }
        for name, read in frame_readers().items():
            ways[name] = lambda clip, read=read: read(clip.path, clip.indices)  # type: ignore[misc]
        agreement: dict[str, list[bool]] = {name: [] for name in ways}

        def compare(clip: Clip, results: Mapping[str, Frames]) -> None:
            self.on_progress()
            for name, frames in results.items():
                if OURS in results:
                    agreement[name].append(np.array_equal(frames, results[OURS]))

        times = interleaved(ways, self.clips(), seconds=seconds, on_round=compare)
        return [{**row, "same_bytes": _share(agreement[row["name"]])} for row in _rows(times)]

    def samples(self, seconds: float) -> list[Row]:
        """A training sample, from the file to the batch: time, and how far the pixels are from this package's."""
        unknown = TrainDataset(self.records, views=self.views, seed=self.seed)
        ways: dict[str, Callable[[Clip], torch.Tensor]] = {
            OURS: self._sample,
            FIRST: lambda clip: _as_batch(unknown[clip.epoch, clip.place]),
            **sample_makers(),
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

    def stages(self, seconds: float) -> list[Row]:
        """Where this package's time goes: shares of a training sample."""
        upto: dict[str, Callable[[Clip], Any]] = {
            "open the file": lambda clip: PyAVVideo(clip.path).close(),
            "look up its packets": lambda clip: self._upto_packets(clip, decode=False),
            "decode": lambda clip: self._upto_packets(clip, decode=True),
            "convert, crop, scale, flip, batch": self._sample,
        }
        times = interleaved(upto, self.clips(), seconds=seconds, on_round=lambda *_: self.on_progress())
        done, rows, whole = 0.0, [], times["convert, crop, scale, flip, batch"].median
        for name, taken in times.items():
            rows.append({"name": name, "median_seconds": taken.median - done, "share": (taken.median - done) / whole})
            done = taken.median
        return rows

    def _upto_packets(self, clip: Clip, *, decode: bool) -> None:
        with contextlib.closing(PyAVVideo(clip.path, index=self.index)) as video:
            _ = video.num_frames
            for _ in video.decode(clip.indices) if decode else ():
                pass

    def tests(self, seconds: float) -> list[Row]:
        """What a worker does for all views of a video under the test protocol: one decode, or one for each view."""
        dataset = TestDataset(self.records, views=self.test_views, index=self.index)
        ways: dict[str, Callable[[int], Any]] = {
            OURS: lambda place: dataset[0, place],
            "a decode for each view": self._view_by_view,
        }
        places = itertools.cycle(range(len(self.paths)))
        times = interleaved(ways, places, seconds=seconds, min_rounds=3, on_round=lambda *_: self.on_progress())
        return _rows(times)

    def _view_by_view(self, place: int) -> None:
        views, rng = self.test_views, np.random.default_rng(0)
        for indices in views.indices(self.num_frames[place], rng):
            for crop in range(views.protocol.num_crops):
                with contextlib.closing(PyAVVideo(self.paths[place], index=self.index)) as video:
                    cropped = []
                    for _, frame in video.read(indices.tolist(), window=views.window(rng)):
                        part, corners = views.crops(frame)
                        top, left = corners[crop]
                        cropped.append(part[top : top + views.crop_size, left : left + views.crop_size])
                    np.stack(cropped)

    def prepared(self, seconds: float, *, folder: Path, settings: Encoding, num_videos: int = 4) -> list[Row]:
        """The first videos as they are and as `data prepare` makes them: bytes, time of a sample, distance of pixels.

        Args:
            seconds: About how long to measure, the preparing not counted.
            folder: Where the prepared files go.
            settings: Of the preparing.
            num_videos: At most.
        """
        made, records = [], []
        for place, path in enumerate(self.paths[:num_videos]):
            target = folder / f"{place}.mp4"
            made.append(prepare_video(path, target, settings=settings))
            records.append(VideoRecord(str(target), 0, place, str(target)))
            self.on_progress()
        dataset = TrainDataset(records, views=self.views, seed=self.seed, index=self.index)
        ways: dict[str, Callable[[Clip], torch.Tensor]] = {
            OURS: self._sample,
            "prepared": lambda clip: _as_batch(dataset[clip.epoch, clip.place]),
        }
        distances: list[float] = []

        def compare(clip: Clip, results: Mapping[str, torch.Tensor]) -> None:
            self.on_progress()
            distances.append(float((results["prepared"].float() - results[OURS].float()).abs().mean()))

        few = len(records)
        clips = training_clips(self.paths[:few], self.num_frames[:few], views=self.views, seed=self.seed)
        rows = _rows(interleaved(ways, clips, seconds=seconds, on_round=compare))
        original = {
            **rows[0],
            "name": "as it is",
            "bytes": sum(each.source_bytes for each in made),
            "mean_difference": 0.0,
        }
        return [original, {**rows[1], "bytes": sum(each.bytes for each in made), "mean_difference": _mean(distances)}]

    def loaders(self, seconds: float, *, num_workers: Sequence[int], batch_size: int) -> list[Row]:
        """Clips per second that a DataLoader delivers, by its number of workers."""
        rows = []
        for workers in num_workers:
            repeats = -(-batch_size * 64 // len(self.records))
            dataset = TrainDataset(self.records * repeats, views=self.views, seed=self.seed, index=self.index)
            sampler = TrainSampler(len(dataset), total_batch_size=batch_size, seed=self.seed)
            loader = DataLoader(
                dataset, batch_size=batch_size, sampler=sampler, num_workers=workers, collate_fn=as_it_is
            )
            started = time.perf_counter()
            batches = iter(loader)
            next(batches)
            first = time.perf_counter()
            clips = 0
            for batch in batches:
                clips += len(batch["labels"])
                self.on_progress()
                if time.perf_counter() - first > seconds / len(num_workers):
                    break
            taken = time.perf_counter() - first
            rows.append(
                {"num_workers": workers, "clips_per_second": clips / taken, "seconds_to_first_batch": first - started}
            )
            del batches
        return rows


def _as_batch(batch: Batch) -> torch.Tensor:
    """[1, C, T, H, W] of a batch of one."""
    if batch["failures"]:
        raise RuntimeError(batch["failures"][0][1])
    return batch["views"].flatten(0, 1).permute(0, 4, 1, 2, 3)


def _rows(times: Mapping[str, Times]) -> list[Row]:
    return [
        {
            "name": name,
            "median_seconds": taken.median,
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
