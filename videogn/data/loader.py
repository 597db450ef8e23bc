"""Loading: workers that live as long as their run, and whose death costs the video that caused it, not the run."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.sharedctypes import RawValue
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from videogn.data.at_work import PATIENCE, AtWork
from videogn.data.batch import Batch
from videogn.data.dataset import Key, TestDataset, TrainDataset
from videogn.data.decoding.watch import too_long
from videogn.data.workers import dead_of, deaths_held_back, forget, how_it_ended, live_with_the_run, remember

# Deaths of workers in a pass over the videos that no video caused: more of them end the run. Where memory does not
# suffice, one more follows soon. Those by the clock of a reading count from batch to batch only: a run may be suspended
# as often as its user likes.
MOST_DEATHS = 2
# How often the clock of a process that reads alone ticks, at most, and in the time that it is given at least.
_TICK_SECONDS, _TICKS = 1.0, 20
# How far a process is that reads alone.
_BEGINS, _READS, _HAS_READ = range(3)
# A worker that died: its process, its exit status, and what it was at.
Dead = tuple[int, int, Key | None]


class VideoLoader(DataLoader[Any]):
    """A loader that goes on where a worker dies, with the same batches in the same order.

    A worker that dies while it reads a video makes that video a suspect. It is read once more, alone, in a process of
    its own: where that dies too, the video has failed, with its death for the reason; where not, none has. Then new
    workers begin at the batch that is due: what they read depends on their keys alone. A call into a decoder that hangs
    ends in such a death, too, and so does one of a run that was suspended: read once more, the first hangs again.

    With clips_per_video, workers make several forwards at once: each shows another clip of the same videos. So no
    forward, and no normalisation batch, holds a video twice.

    Args:
        dataset: Gives all first clips of its videos, then all second ones, ...
        clips_per_video: How many: forwards in a batch of the dataset.
        settings: As for a DataLoader; batch_size counts videos.
    """

    dataset: TrainDataset | TestDataset
    _iterator: Any  # torch's, with workers that outlive a pass

    def __init__(self, dataset: TrainDataset | TestDataset, *, clips_per_video: int = 1, **settings: Any) -> None:
        self.clips_per_video = clips_per_video
        self._given = _Given()
        super().__init__(dataset, **settings)
        if self.num_workers:
            dataset.at_work = AtWork(self.num_workers)

    def __len__(self) -> int:
        return super().__len__() * self.clips_per_video

    @property
    def _index_sampler(self) -> Any:
        return _Rest(super()._index_sampler, self._given)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._given.number, deaths, too_late = 0, 0, 0
        if self._iterator is not None and self._known_to_workers < self.dataset.known.size:
            self._end(self._iterator)
        batches = None
        while True:
            died = False
            try:
                if batches is None:
                    batches = self._begin()
                batch = self._next(batches)
            except StopIteration:
                return
            except Exception:  # of whatever kind: what a dead worker has left behind can't be read
                batches = self._iterator if batches is None else batches  # they may have died between two passes
                died = self.num_workers > 0 and batches is not None and bool(dead_of(batches, wait_seconds=1))
                if not died:
                    raise
            if died:  # outside of the error's block, whose frames would keep this loader alive
                dead = self._dead(batches)
                self._end(batches)
                if self._was_no_videos(dead):
                    by_the_clock = all(status == -signal.SIGALRM for _, status, _ in dead)
                    deaths, too_late = deaths + (not by_the_clock), too_late + by_the_clock
                if max(deaths, too_late) > MOST_DEATHS:
                    raise WorkersDied(dead)
                batches = None
                continue
            self._given.number, too_late = self._given.number + 1, 0
            yield from (batch,) if self.clips_per_video == 1 else forwards(batch, self.clips_per_video)

    def _begin(self) -> Any:
        """Return torch's iterator over the batches from the next one on."""
        if self._iterator is None:
            self._known_to_workers = self.dataset.known.size
        # A fork server that began in there would never hear of the deaths of its own.
        forks = (self.multiprocessing_context or multiprocessing).get_start_method() == "fork"
        with deaths_held_back() if forks else nullcontext():
            batches = super().__iter__()
            forget(batches)
        return batches

    def _next(self, batches: Any) -> Any:
        """Return the next batch.

        Raises:
            StopIteration: There is none.
            RuntimeError: A worker died.
        """
        if not self.num_workers:
            return next(batches)
        try:
            if dead_of(batches):
                raise RuntimeError("a worker died")
            remember(batches)  # only in here: elsewhere torch would raise its error at any place of the training
            return next(batches)
        finally:
            forget(batches)

    def _dead(self, batches: Any) -> list[Dead]:
        assert self.dataset.at_work is not None
        forget(batches)
        return [(each.pid, each.exitcode, self.dataset.at_work.of(n)) for n, each in dead_of(batches).items()]

    def _end(self, batches: Any) -> None:
        """End the workers, those that are left."""
        batches._shutdown_workers()
        self._iterator = None

    def _was_no_videos(self, dead: list[Dead]) -> bool:
        """Find out whether a video caused deaths, and make known that it fails; return whether none did."""
        caused = False
        for _, status, key in dead:
            if key is None:
                continue
            record = self.dataset.record_of(key)
            path = record.path or record.name
            reason = self._alone(key)
            if reason is not None:
                self.dataset.lost(key, f"{path}: {reason}")
                caused = True
            else:
                print(
                    f"a process that decodes {how_it_ended(status)} while it read {path}, which can be read: going on "
                    f"with new ones",
                    file=sys.stderr,
                    flush=True,
                )
        return not caused

    def _alone(self, key: Key) -> str | None:
        """Read a video in a process of its own, with no other beside it.

        Returns:
            Why that could not be done, where the video is the cause: it ends the process, or hangs.
        """
        most = self.dataset.decode_seconds
        tick = min(_TICK_SECONDS, PATIENCE * most / _TICKS)
        how_far = RawValue("b", _BEGINS)
        process = (self.multiprocessing_context or multiprocessing).Process(
            target=_read_alone, args=(self.dataset, key, how_far), daemon=True
        )
        process.start()
        try:
            # Its time goes by ticks. One that is longer, as this process was suspended, too, counts as one.
            ticks = 0
            while process.is_alive() and ticks * tick <= PATIENCE * most:
                process.join(tick)
                ticks += how_far.value != _BEGINS
            hangs = process.is_alive()
        finally:
            process.kill()
            process.join()
        if how_far.value != _READS:
            return None
        if hangs:
            return too_long(most, f"its process was ended after {PATIENCE * most:g} s, in a call of the decoder")
        return f"its decoder ended the process, twice ({how_it_ended(process.exitcode or 0)})"


@dataclass
class _Given:
    """How many batches of a pass were given."""

    number: int = 0


class _Rest:
    """The batches of a pass that are yet to come, as lists of keys."""

    def __init__(self, batches: Any, given: _Given) -> None:
        self.batches = batches
        self.given = given  # the loader itself would keep its iterator alive, and that the workers

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self.batches), self.given.number, None)


class WorkersDied(RuntimeError):
    """Workers died, again and again, and no video was the cause."""

    def __init__(self, workers: list[Dead]) -> None:
        self.workers = workers
        how = (f"a process that decodes ({pid}) {how_it_ended(status)}" for pid, status, _ in workers)
        super().__init__(", ".join(how))


def _read_alone(dataset: TrainDataset | TestDataset, key: Key, how_far: Any) -> None:
    gc.disable()  # of what it has inherited, an iterator that is collected here would end the workers of the run
    live_with_the_run(0)
    torch.set_num_threads(1)
    how_far.value = _READS
    # An error of the program's own is no death: whoever asks for the video again gets it.
    with suppress(Exception):
        dataset.__getitems__([key])
    how_far.value = _HAS_READ


def forwards(batch: Batch, number: int) -> Iterator[Batch]:
    """Yield a batch in equal parts, none of them copied."""
    size = len(batch["labels"]) // number
    tensors = {name: value.split(size) for name, value in batch.items() if isinstance(value, Tensor)}
    failed = list(zip(batch["missing"], batch["failures"], strict=True))
    for part in range(number):
        own = [(row - part * size, failure) for row, failure in failed if row // size == part]
        rest: dict[str, Any] = {"missing": [row for row, _ in own], "failures": [failure for _, failure in own]}
        rest["in_full"] = [] if part else batch["in_full"]
        yield {**{name: parts[part] for name, parts in tensors.items()}, **rest}  # type: ignore[typeddict-item]
