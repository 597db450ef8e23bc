"""Processes that work on videos: none outlives the run, and one that dies loses its own video alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

DIED = "the process that worked on it died: the decoder crashed, or memory ran out"


def work_all(
    jobs: Sequence[Job], work: Callable[[Job], Outcome], *, num_workers: int
) -> Generator[tuple[Job, Outcome | str], None, None]:
    """Yield every job with its outcome when it is done, in any order. Once closed, no process works any more.

    Args:
        work: Does one; it can be pickled. A job whose process died twice has DIED for its outcome.
        num_workers: Processes; 0: in this one.

    Raises:
        OSError: `work` raised it: there is no point in going on.
    """
    if not num_workers:
        yield from ((job, work(job)) for job in jobs)
        return
    waiting = list(reversed(jobs))
    while waiting:
        lost = yield from _run(waiting, work, num_workers)
        # One of these ended its process; alone, it takes no other with it.
        for job in lost:
            if (yield from _run([job], work, 1)):
                yield job, DIED


def _run(
    waiting: list[Job], work: Callable[[Job], Outcome], num_workers: int
) -> Generator[tuple[Job, Outcome], None, list[Job]]:
    """Take jobs from the list's end until it is empty or a process died; return the jobs that were lost then."""
    context = _context()
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
                        running[executor.submit(work, job)] = job
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


def _context() -> multiprocessing.context.BaseContext:
    """Return how workers are started: forked from a process that has imported what decodes, and has no threads.

    A fork of this process, which may have threads, might hang.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():  # not a Unix
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["videogn.data.decoding.pyav"])  # imported once, not by each
    return context


@contextlib.contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets it go when the process ends, however it does."""
    try:
        import fcntl
    except ImportError:  # not a Unix
        yield
        return
    handle = os.open(out, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(f"another run is at work in {out}: wait for it, or stop it") from error
        yield
    finally:
        os.close(handle)


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
