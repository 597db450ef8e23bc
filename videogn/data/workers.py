"""The processes of a loader: how they start, live as long as their run, and are found dead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.context import ForkServerContext
from typing import Any

from torch.utils.data._utils import signal_handling


def live_with_the_run(worker: int) -> None:
    """Let a loader's worker live as long as its run's process: what a loader calls in each.

    Where a whole process group, or job, is told to end, by Ctrl-C or by a signal, it goes on: the run needs it up to
    the end of an update. Where its run tells it, or is gone by whatever death, it ends. (torch looks whether the
    worker's parent is there. That may be a fork server, which is there as long as a worker is.)
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

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # also in the threads that begin after this
        threading.Thread(target=wait, daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()


def beside_devices() -> ForkServerContext:
    """Return how workers are started beside other devices: forked from a process that has no threads.

    Processes that train together have threads that exchange tensors. A worker that is forked from one of them may hang
    at once, on a lock that such a thread held at that moment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["videogn.data.dataset", "videogn.data.decoding.pyav"])  # imported once, not by each
    return context


# torch keeps a table of the workers of each of its iterators. When one of them dies, it raises an error wherever the
# main thread is at that moment, in an update, too.


def remember(batches: Any) -> None:
    """Have torch raise its error when a worker of an iterator dies, from now on."""
    signal_handling._set_worker_pids(id(batches), tuple(worker.pid for worker in batches._workers))
    batches._worker_pids_set = True


def forget(batches: Any) -> None:
    """Have torch raise no error any more when a worker of an iterator dies."""
    if getattr(batches, "_worker_pids_set", False):
        signal_handling._remove_worker_pids(id(batches))
        batches._worker_pids_set = False


@contextmanager
def deaths_held_back() -> Iterator[None]:
    """Have the main thread learn of the death of a process when a block is over, and not in it."""
    if not hasattr(signal, "pthread_sigmask"):  # not a Unix
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def dead_of(batches: Any, *, wait_seconds: float = 0.0) -> dict[int, Any]:
    """Return the workers of an iterator that are dead, by their numbers.

    Args:
        batches: The iterator.
        wait_seconds: For one to die, at most.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        dead = {number: worker for number, worker in enumerate(batches._workers) if not worker.is_alive()}
        if dead or time.monotonic() >= deadline:
            return dead
        time.sleep(0.01)


def how_it_ended(status: int) -> str:
    """Return in words how a process ended, by its exit status."""
    if status < 0:
        return f"ended by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with status {status}"
