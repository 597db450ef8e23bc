"""Processes that prepare videos: none outlives the run, and one that dies loses its own video alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from videogn.tools.prepare.encoding import Encoding
from videogn.tools.prepare.video import Prepared, PrepareError, prepare_video


@dataclass(frozen=True)
class Job:
    """A video, and where it goes."""

    source: Path
    target: Path


# What came of a job: the file, or why there is none.
Outcome = Prepared | str


def prepare_all(
    jobs: Sequence[Job], *, settings: Encoding, num_workers: int
) -> Generator[tuple[Job, Outcome], None, None]:
    """Yield every job with its outcome when it is done, in any order. Once closed, no process works any more.

    Args:
        jobs: What to do.
        settings: How.
        num_workers: Processes; 0: in this one.

    Raises:
        OSError: A target can't be written: there is no point in going on.
    """
    if not num_workers:
        yield from ((job, _prepare(job, settings)) for job in jobs)
        return
    waiting = list(reversed(jobs))
    while waiting:
        lost = yield from _run(waiting, settings, num_workers)
        # One of these ended its process; alone, it takes no other with it.
        for job in lost:
            if (yield from _run([job], settings, 1)):
                yield job, "the process that worked on it died: the decoder crashed, or memory ran out"


def _run(waiting: list[Job], settings: Encoding, num_workers: int) -> Generator[tuple[Job, Outcome], None, list[Job]]:
    """Take jobs from the list's end until it is empty or a process died; return the jobs that were lost then."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    # Nothing is ever sent: the reading end tells the workers that this process is gone, or wants them gone.
    reader, writer = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        min(num_workers, len(waiting)), mp_context=context, initializer=_live_with, initargs=(reader,)
    )
    running: dict[Future[Outcome], Job] = {}
    lost: list[Job] = []
    try:
        while (waiting and not lost) or running:
            try:
                while waiting and not lost and len(running) < 2 * num_workers:
                    job = waiting[-1]
                    with _ctrl_c_later():
                        running[executor.submit(_prepare, job, settings)] = job
                    waiting.pop()
            except BrokenProcessPool:
                if not running:  # it broke between two videos
                    lost.append(waiting.pop())
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    lost.append(job)
                else:
                    yield job, outcome
    except BaseException:
        writer.close()  # no worker ends its video first
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        writer.close()
        reader.close()
    return lost


@contextlib.contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Keep Ctrl-C back while a block runs, and from the processes that it starts: they inherit that from birth."""
    if not hasattr(signal, "pthread_sigmask"):  # not a Unix
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live_with(run: Connection) -> None:
    """Begin a worker: it ends with the run, whatever it is doing; Ctrl-C is the run's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        run.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _prepare(job: Job, settings: Encoding) -> Outcome:
    try:
        return prepare_video(job.source, job.target, settings=settings)
    except PrepareError as error:
        return error.reason
