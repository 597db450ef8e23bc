"""How a command says that something can't be done."""

from __future__ import annotations

import argparse
from typing import NoReturn


class UsageError(ValueError):
    """What was asked for is not possible: one line, exit status 2."""

    status = 2


class WithinEpoch(UsageError):
    """A checkpoint that was written within an epoch, where a run can't go on exactly: exit status 5."""

    status = 5


class RunError(RuntimeError):
    """The work could not be finished: one line, exit status 1."""

    status = 1


class OutOfMemory(RunError):
    """The memory of the device, or of the machine, did not suffice: exit status 3."""

    status = 3


class NotFinite(RunError):
    """The loss became infinite or not a number: exit status 4."""

    status = 4


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)
