"""What each process that decodes is at, where the run sees it after its death, and an end to one that hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray

from torch.utils.data import get_worker_info

# A call into a decoder that does not come back is ended, with its process, after so many times as long as a reading may
# take: in between, the clock of the reading itself ends it.
PATIENCE = 2
_NOTHING = -1


class AtWork:
    """What each of a loader's workers is decoding."""

    def __init__(self, num_workers: int) -> None:
        self._keys = RawArray("q", [_NOTHING] * (2 * num_workers))

    def of(self, worker: int) -> tuple[int, int] | None:
        """Return the (epoch, place) that a worker is at, or was when it ended; None: between two videos."""
        epoch, place = self._keys[2 * worker : 2 * worker + 2]
        return None if epoch == _NOTHING else (epoch, place)

    @contextmanager
    def on(self, key: tuple[int, int], *, most_seconds: float) -> Iterator[None]:
        """Say for the time of a block what this worker is at, and end it where that takes too long by far."""
        worker = get_worker_info()
        if worker is None:
            yield
            return
        self._keys[2 * worker.id : 2 * worker.id + 2] = (key[0], key[1])
        try:
            with ended_if_longer(most_seconds):
                yield
        except BaseException as error:
            if not isinstance(error, SystemExit):  # a decoder's, by which this process ends
                self._keys[2 * worker.id] = _NOTHING
            raise
        self._keys[2 * worker.id] = _NOTHING


@contextmanager
def ended_if_longer(most_seconds: float) -> Iterator[None]:
    """Have the system end this process, by SIGALRM, where a block takes PATIENCE times as long.

    No handler runs: a decoder that hangs runs no Python. The time of a suspension counts, too: such an end alone does
    not say that the block hangs.
    """
    if not hasattr(signal, "setitimer"):  # not a Unix
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * most_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
