"""A lock on a file: one process has it, until it lets go or ends, by whatever death."""

from __future__ import annotations

import fcntl
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

# In a run's folder: by which a command keeps another of its kind out. A run that trains may be scored.
OF_RUNS = {"fit": ".fit.lock", "test": ".test.lock"}


class Locked(ValueError):
    """Another process has the lock; the text says which, on which machine, since when."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file, which is made for it and removed with it, and says who holds it.

    The system gives it to this process alone (POSIX, fcntl): workers that are forked from it do not have it, and one
    that is killed loses it. On network file systems it reaches over machines where they have locks (NFS from version
    4 on; NFS 3, unless mounted with nolock or local_lock; Lustre, mounted with flock); that of a machine that is gone
    may be held for some minutes. Where there are none, that is said, and nothing is held.

    This process must not open the file otherwise: the system lets go of the lock when any file object of it is closed.

    Raises:
        Locked: Another process holds it.
        OSError: The file can't be made.
    """
    file = _take(path)
    try:
        file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S %z")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
        file.flush()
        yield
    finally:
        with suppress(OSError):  # the folder may be gone
            path.unlink()
        with suppress(OSError):  # what could not be written is tried again
            file.close()


def _take(path: Path) -> TextIOWrapper:
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            with file:
                raise Locked(_words(file)) from None
        except OSError as error:
            reason = f"{path.parent}: locks don't work there ({error.strerror}): let no other run write to it"
            warnings.warn(reason, stacklevel=4)
            return file
        # Whoever held it before may have removed the file after we opened it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def holder(path: Path) -> str | None:
    """Return which other process holds a lock; None where none does. Not to be asked by the one that does."""
    try:
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                return _words(file)
    except OSError:
        return None
    return None


def _words(file: TextIOWrapper) -> str:
    file.seek(0)
    return file.read().strip() or "a process that has just begun"
