"""Loading: more than one clip of each video from one decode, and workers that do not end before their process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import parent_process
from multiprocessing.context import ForkServerContext
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from videogn.data.batch import Batch


def live_with_the_run(worker: int) -> None:
    """Let a loader's worker live as long as its run's process: what a loader calls in each.

    Where a whole process group, or job, is told to end, it goes on: the run needs it up to the end of an update. Where
    its run tells it, or is gone by whatever death, it ends. (torch looks whether the worker's parent is there. That may
    be a fork server, which is there as long as a worker is.)
    """
    run = parent_process()
    assert run is not None

    def watch() -> None:
        run.join()
        os._exit(1)

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != run.pid:
            pass
        os._exit(0)

    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # also in the threads that begin after this
        threading.Thread(target=wait, daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()


class ClipLoader(DataLoader[Batch]):
    """A loader whose workers make several forwards at once: each shows another clip of the same videos.

    So no forward, and no normalisation batch, holds a video twice.

    Args:
        dataset: Gives all first clips of its videos, then all second ones, ...
        clips_per_video: How many: forwards in a batch of the dataset.
        settings: As for a DataLoader; batch_size counts videos.
    """

    def __init__(self, dataset: Any, *, clips_per_video: int, **settings: Any) -> None:
        self.clips_per_video = clips_per_video
        super().__init__(dataset, **settings)

    def __len__(self) -> int:
        return super().__len__() * self.clips_per_video

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            yield from forwards(batch, self.clips_per_video)


def forwards(batch: Batch, number: int) -> Iterator[Batch]:
    """Yield a batch in equal parts, none of them copied."""
    size = len(batch["labels"]) // number
    tensors = {name: value.split(size) for name, value in batch.items() if isinstance(value, Tensor)}
    failed = list(zip(batch["missing"], batch["failures"], strict=True))
    for part in range(number):
        own = [(row - part * size, failure) for row, failure in failed if row // size == part]
        rest = {"missing": [row for row, _ in own], "failures": [failure for _, failure in own]}
        yield {**{name: parts[part] for name, parts in tensors.items()}, **rest}  # type: ignore[typeddict-item]


def beside_devices() -> ForkServerContext:
    """Return how workers are started beside other devices: forked from a process that has no threads.

    Processes that train together have threads that exchange tensors. A worker that is forked from one of them may hang
    at once, on a lock that such a thread held at that moment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["videogn.data.dataset", "videogn.data.decoding.pyav"])  # imported once, not by each
    return context
