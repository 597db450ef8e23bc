"""Ctrl-C, SIGTERM and SIGHUP, obeyed where they cut nothing in two."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Those that a process has from the start: one that is ignored (nohup) or handled by someone else stays so.
_UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class Interruption:
    """A context in which the first signal waits until `check` is called, and another one interrupts at once.

    SIGTERM and SIGHUP would otherwise leave a child training alone; Ctrl-C within a report would leave none.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(signum) in _UNTOUCHED:
                    self._before[signum] = signal.signal(signum, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt where a signal came."""
        if self._is_asked:
            raise KeyboardInterrupt

    def _take(self, signum: int, frame: FrameType | None) -> None:
        if self._is_asked:
            raise KeyboardInterrupt
        self._is_asked = True
