"""Being told to end: a training saves first, and says by its exit status that it can go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from videogn.training.errors import ToldToEnd

# How clusters announce that a process has to end: SLURM by either, by its --signal; Kubernetes and Ray by the first.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stop:
    """Whether this process was told to end.

    `waits` is set while a training runs, which looks at `asked` after each update. At any other time there is nothing
    to save, and the signal raises ToldToEnd.
    """

    def __init__(self) -> None:
        self.asked = False
        self.waits = False
        self._process = os.getpid()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, which only the main thread can. More of them change nothing; Ctrl-C still ends."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a fork that has not found its own way yet
            return
        if self.asked:
            return
        self.asked = True
        name = signal.Signals(number).name
        if not self.waits:
            raise ToldToEnd(f"told to end by {name}")
        print(f"told to end by {name}: saving after this batch", flush=True)
