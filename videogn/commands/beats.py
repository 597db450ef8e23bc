"""Signs of life between the processes of a run that something else has started: torchrun, SLURM, a user.

Where a process dies or stands still, the others wait for it in an exchange: over TCP they may learn of its death, by
NCCL they wait until the exchange's own timeout, half an hour. What started them may look after its own machine alone,
or let the others be (SLURM).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import torch.distributed
from torch.distributed import Store, TCPStore

from videogn.commands.usage import ExchangeFailed, RunAgain, RunError
from videogn.training.errors import ToldToEnd

BEAT_SECONDS = 2.0
MEMORY = "as the kernel does where memory does not suffice (its log says so: dmesg)"
# Not heard of for so long, a process is lost. It beats in a thread of its own, also while it computes or waits.
LOST_SECONDS = 30.0
# How long a process may take to end in its own way, once another one is lost or has failed.
GRACE_SECONDS = 10.0
# Added to the beats of a process that ends: well, or by an error.
_ENDED, _FAILED = 10**12, 10**13


class Beats:
    """The signs of life of one process, and what it knows of the others.

    The first process hears all of them, and tells them who is lost; the others hear the first.

    Args:
        connect: Returns the store where all meet; it is asked once the processes have met.
    """

    def __init__(self, connect: Callable[[], Store], *, rank: int, size: int, command: str) -> None:
        self._connect = connect
        self._rank, self._size, self._command = rank, size, command
        self._store: Store | None = None
        self._over = threading.Event()
        self._answered = time.monotonic()  # when the store last did
        self._heard: dict[int, tuple[int, float]] = {}  # of the others: beats, and when there was a new one
        self._failure_heard: float | None = None  # when the first one was
        self._loss: RunError | None = None
        self._found = threading.Event()

    def __enter__(self) -> Beats:
        """Beat, and watch the others, until the block ends."""
        threading.Thread(target=self._beat, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        """Say that this process ends, and how; the first one waits a while for the others, which hear it."""
        self._over.set()
        if self._found.is_set():
            self._let_others_hear()
            return
        with suppress(Exception):  # the store's own: of a process that is gone, and then there is nobody to tell
            if self._store is None:
                if not torch.distributed.is_initialized():
                    return
                self._store = self._connect()  # it ends before its first beat
            if error is not None:
                status = getattr(error, "status", RunAgain.status if isinstance(error, ToldToEnd) else RunError.status)
                is_effect, number = int(isinstance(error, ExchangeFailed)), self._store.add("failures", 1)
                self._store.set(f"error {self._rank}", f"{is_effect} {number} {status} {_line(error)}")
            self._store.add(f"beats {self._rank}", _ENDED if error is None else _FAILED)
            deadline = time.monotonic() + GRACE_SECONDS
            while self._rank == 0 and time.monotonic() < deadline:
                if all(self._store.add(f"beats {rank}", 0) >= _ENDED for rank in range(1, self._size)):
                    return
                time.sleep(0.1)

    def loss(self) -> RunError | None:
        """Return which process was lost, once it is known; None where it is not known after a while."""
        if self._store is None:
            return None
        self._found.wait(LOST_SECONDS + 2 * BEAT_SECONDS)
        return self._loss

    def _beat(self) -> None:
        while not torch.distributed.is_initialized():
            if self._over.wait(BEAT_SECONDS / 4):
                return
        try:
            store = self._store = self._connect()
            store.set(f"who {self._rank}", f"{socket.gethostname()}, process {os.getpid()}")
            while not self._over.wait(BEAT_SECONDS):
                store.add(f"beats {self._rank}", 1)
                self._hear(store)
                self._answered = time.monotonic()
        except Exception as error:  # torch has many for it
            if not self._over.is_set():
                self._lose(
                    RunError(f"the process of device 0, at which all of this run meet, is gone ({_line(error)})")
                )

    def _hear(self, store: Store) -> None:
        now = time.monotonic()
        if now - self._answered > LOST_SECONDS / 2:  # this one stood still itself
            self._heard = {}
        failures = []
        for rank in range(1, self._size) if self._rank == 0 else [0]:
            beats = store.add(f"beats {rank}", 0)
            before, when = self._heard.get(rank, (-1, now))
            if beats != before:
                self._heard[rank] = (beats, now)
            if beats >= _FAILED:
                is_effect, number, status, line = store.get(f"error {rank}").decode().split(" ", 3)
                text = f"{status} {_who(store, rank)} ended with status {status}: {line}"
                failures.append((is_effect == "1", int(number), text))
            elif beats < _ENDED and now - when > LOST_SECONDS and beats == before:
                line = f"nothing was heard of {_who(store, rank)} for {LOST_SECONDS:.0f} s: it was killed, "
                line += f"{MEMORY}, or stands still, or its machine is gone"
                self._tell(store, f"1 {line}")
        if self._rank and store.check(["loss"]):
            self._tell(store, store.get("loss").decode())
        if failures:
            # The first is the cause, but where it only says that another process is gone: that may not be heard yet.
            self._failure_heard = self._failure_heard or now
            only_effects, _, text = min(failures)
            if self._rank or not only_effects or now - self._failure_heard > GRACE_SECONDS:
                self._tell(store, text)

    def _tell(self, store: Store, text: str) -> None:
        if self._found.is_set():
            return
        if self._rank == 0:
            store.set("loss", text)
        status, _, line = text.partition(" ")
        error = RunError(line)
        error.status = int(status)
        self._lose(error)

    def _lose(self, error: RunError) -> None:
        if not self._found.is_set():
            self._loss = error
            self._found.set()

    def _watch(self) -> None:
        """End this process where another one is lost and it does not end in its own way."""
        before = time.monotonic()
        while not self._found.is_set() and not self._over.wait(BEAT_SECONDS / 2):
            now = time.monotonic()
            if self._store is None or now - before > LOST_SECONDS / 2:  # not begun, or this one stood still itself
                self._answered = now
            before = now
            if now - self._answered > LOST_SECONDS:
                self._lose(
                    RunError(f"the machine at which all of this run meet does not answer for {LOST_SECONDS:.0f} s")
                )
        if self._over.wait(GRACE_SECONDS) or self._loss is None:
            return
        print(f"videogn {self._command}: error: {self._loss}", file=sys.stderr, flush=True)
        self._let_others_hear()
        os._exit(self._loss.status)

    def _let_others_hear(self) -> None:
        if self._rank == 0:  # where they meet
            time.sleep(2 * BEAT_SECONDS)


def meeting(address: str, port: int) -> Callable[[], Store]:
    """Return what connects to the store of a run's processes, by a connection of its own, in names of its own."""

    def connect() -> Store:
        store = TCPStore(
            address, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=LOST_SECONDS)
        )
        return torch.distributed.PrefixStore(f"videogn {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)

    return connect


def _who(store: Store, rank: int) -> str:
    where = store.get(f"who {rank}").decode() if store.check([f"who {rank}"]) else "its machine is not known"
    return f"device {rank} ({where})"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
