"""How a command says that something can't be done, or is being done, and writes the file that --json names."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NoReturn

from videogn.files import write_json

if TYPE_CHECKING:
    from rich.console import Console


class UsageError(ValueError):
    """What was asked for is not possible: one line, exit status 2."""

    status = 2


class RunError(RuntimeError):
    """The work could not be finished: one line, exit status 1."""

    status = 1


class OutOfMemory(RunError):
    """The memory of the device, or of the machine, did not suffice: exit status 3."""

    status = 3


class NotFinite(RunError):
    """The loss became infinite or not a number: exit status 4."""

    status = 4


class ExchangeFailed(RunError):
    """An exchange with another process of the run failed: what happened to that one, or in it, is the cause."""


class RunAgain(RunError):
    """The process was told to end, and the same command goes on where it was: exit status 75 (EX_TEMPFAIL)."""

    status = 75


def in_a_line(error: BaseException) -> str:
    """Return what kind of error it is, and what it says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line, and shows texts of several lines as they are written."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if "\n" in f"{self.description or ''}{self.epilog or ''}":
            self.formatter_class = argparse.RawDescriptionHelpFormatter

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def check_json(path: str | None, *, setting: str = "--json") -> None:
    """Refuse the file that a setting names with a UsageError, before any work, where it could not be written after."""
    if path is None:
        return
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"{setting} {path}: no such folder")
    if target.exists() and not target.is_file():
        raise UsageError(f"{setting} {path}: it is {'a folder' if target.is_dir() else 'no file'}; expected a file")
    try:
        TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise UsageError(f"{setting} {path} can't be written: {error.strerror}") from error


def check_places(written: Iterable[tuple[str, str | Path | None]], *, read: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, files that would take the place of one another or of a video.

    Args:
        written: Each file with the setting that asks for it, as far as it is asked for.
        read: The videos.

    Raises:
        UsageError: Two are one file, by whatever path.
    """
    settings: dict[str, str] = {}
    for setting, path in written:
        if path is not None:
            place = os.path.realpath(path)
            if place in settings:
                raise UsageError(f"{setting} {path}: {settings[place]} writes that file, too; name another one")
            settings[place] = setting
    for video in read if settings else ():
        if (place := os.path.realpath(video)) in settings:
            raise UsageError(
                f"{settings[place]} would take the place of a video that is read, {video}: name another file"
            )


def save_json(path: str, content: Any, *, ensure_ascii: bool = False) -> None:
    """Write the file that --json names; a RunError where that fails, after the work."""
    try:
        write_json(path, content, ensure_ascii=ensure_ascii)
    except OSError as error:
        raise RunError(f"--json {path} can't be written: {error.strerror}") from error


def table_console() -> Console:
    """Return where tables are printed: in a file or a pipe wide enough that nothing is cut."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 160
    return console


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """End what is done inside where who read the output has ended, as `| head` does; what is printed later is lost.

    Raises:
        BrokenPipeError: Another pipe is broken: one to a process of our own, which is no way to end.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)  # errors are told unasked
        if not output.poll(0):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_passing(text: str) -> None:
    """Show a line on a terminal until the next one, or "", takes its place."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
