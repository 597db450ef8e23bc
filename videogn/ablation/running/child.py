"""One command run as a child process: its output in a log, its end clean even when ours is not."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

# How long a child that is told to stop may take: first to save its training after an update, then to end as on Ctrl-C.
_SAVE_SECONDS = 30.0
_INTERRUPT_SECONDS = 10.0
_POLL_SECONDS = 0.1
_TAIL_BYTES = 1 << 16
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A child obeys Ctrl-C, even where we were told to ignore it (by a shell, in the background) or it is blocked (by Ray).
# On Linux it asks the kernel to be told to end when the thread that waits for it is gone, by whatever death: it would
# otherwise train on alone. It saves, and no other takes up its folder before. Then it is the command, by its id.
_FIRST = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
os.execvp(sys.argv[1], sys.argv[1:])
"""
_WRAPPER = (sys.executable, "-I", "-S", "-c", _FIRST)


class Stopped(Exception):
    """A child was ended because we were asked to stop."""


class Stop:
    """Asks the children that hold it to end; `now` asks again, for those that take their time."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.now = threading.Event()


@dataclass(frozen=True)
class Place:
    """Where a child runs.

    Args:
        environment: Variables over those of this process.
        cores: Processor cores that it may use; all of this process' where None.
        folder: Its working folder; ours where None.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    cores: frozenset[int] | None = None
    folder: Path | None = None


def run_logged(command: Sequence[str], *, log: Path, place: Place | None = None, stop: Stop | None = None) -> int:
    """Run a command to its end, appending what it prints to `log`, and return its exit status.

    The child has a process group of its own, so that Ctrl-C in the terminal reaches it once, through us. Whatever ends
    our waiting ends the child and what it started: first as Ctrl-C would, then harder.

    Raises:
        Stopped: `stop` was set while it ran, or before.
    """
    place, stop = place or Place(), stop or Stop()
    with log.open("ab", buffering=0) as stream:
        if stop.asked.is_set():
            raise Stopped
        write_note(log, f"$ {shlex.join(command)}")
        with _on_cores(place.cores):
            child = subprocess.Popen(
                [*_WRAPPER, *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                process_group=0,
                cwd=place.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **place.environment},
            )
        has_ended = False
        try:
            while (status := child.poll()) is None:
                if stop.asked.wait(_POLL_SECONDS):
                    raise Stopped
            has_ended = True
        finally:
            if not has_ended:
                _end(child, stop=stop)
        return status


def write_note(log: Path, text: str) -> None:
    """Append a line of ours to a log, with the time."""
    with log.open("a") as stream:
        stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


@contextmanager
def _on_cores(cores: Collection[int] | None) -> Iterator[None]:
    """Hold this thread to cores while a child is started: the child has them from its first moment."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _end(child: subprocess.Popen[bytes], *, stop: Stop) -> None:
    for signum, seconds in ((signal.SIGTERM, _SAVE_SECONDS), (signal.SIGINT, _INTERRUPT_SECONDS)):
        child.send_signal(signum)
        deadline = time.monotonic() + seconds
        try:
            while child.poll() is None and time.monotonic() < deadline and not stop.now.wait(_POLL_SECONDS):
                pass
        except KeyboardInterrupt:  # a second Ctrl-C: the user will not wait
            break
        if child.poll() is not None or stop.now.is_set():
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def log_tail(log: Path, *, num_lines: int) -> list[str]:
    """Return the last lines of a log that say something, without colours and overwritten progress bars."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    lines = []
    for line in _ESCAPE_SEQUENCE.sub("", text).split("\n"):
        shown = line.rstrip().rsplit("\r", 1)[-1]
        if shown.strip():
            lines.append(shown)
    return lines[-num_lines:]
