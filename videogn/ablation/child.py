"""One command run as a child process: its output in a log, its end clean even when ours is not."""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# How long a child that is told to stop may take, first to stop as on Ctrl-C (a checkpoint may be half written), then
# as on termination.
_INTERRUPT_SECONDS = 30.0
_TERMINATE_SECONDS = 10.0
_TAIL_BYTES = 1 << 16
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_logged(command: Sequence[str], *, log: Path) -> int:
    """Run a command to its end, appending what it prints to `log`, and return its exit status.

    The child has a process group of its own, so that Ctrl-C in the terminal reaches it once, through us. Whatever ends
    our waiting ends the child and what it started: first as Ctrl-C would, then harder.
    """
    with log.open("ab", buffering=0) as stream:
        stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} $ {shlex.join(command)}\n".encode())
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            process_group=0,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        has_ended = False
        try:
            status = child.wait()
            has_ended = True
        finally:
            if not has_ended:
                _stop(child)
        return status


def _stop(child: subprocess.Popen[bytes]) -> None:
    for signum, seconds in ((signal.SIGINT, _INTERRUPT_SECONDS), (signal.SIGTERM, _TERMINATE_SECONDS)):
        child.send_signal(signum)
        try:
            child.wait(seconds)
            break
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt:  # a second Ctrl-C: the user will not wait
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Take SIGTERM and SIGHUP as Ctrl-C while the block runs: either would otherwise leave a child training alone.

    A signal that is ignored (nohup) or handled by someone else stays so.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    taken = []
    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) is signal.SIG_DFL:
                signal.signal(signum, interrupt)
                taken.append(signum)
    try:
        yield
    finally:
        for signum in taken:
            signal.signal(signum, signal.SIG_DFL)


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
