"""Files: written whole or not at all, whatever stops the process or the machine; and all of them below a folder."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PARTIAL = ".partial-"
# How names of files are printed and written: bytes that are no UTF-8, which Python has as lone surrogates, as \\udcXX.
ODD_NAMES = "backslashreplace"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a file to write in the place of `path`, which it takes when the block ends well, whole and on the disk.

    It lies beside `path`, empty, under a random name: processes of several machines may write in one folder, and what
    a killed one left there disturbs no other. The name ends in the suffix of `path`, by which some writers choose the
    format. It may be written in place or replaced; the mode will be what open() gives a new file. Where the block
    raises, or is interrupted, it is removed, and `path` is what it was.

    Raises:
        OSError: The file can't be made, or can't take its place. An error of the system's in the block names `path`.
    """
    path = Path(path)
    partial = path.parent / f"{_PARTIAL}{secrets.token_hex(8)}{path.suffix}"
    try:
        with partial.open("xb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        yield partial
        partial.chmod(mode)
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None or str(error.filename or partial) != str(partial):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            partial.unlink()
    with suppress(OSError):  # a folder that can't be opened, as on Windows: the system writes the name when it likes
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def walk(
    folder: str | Path,
    *,
    prefix: str = "",
    skip_unreadable: bool = False,
    enters: Callable[[str], bool] = lambda name: True,
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all that is no folder below a folder, in the order of its paths, except partial files.

    It costs one listing of each folder and no look at a file. Links to folders are followed, unless they lead back to
    a folder that the walk is in.

    Args:
        prefix: Put before each path.
        skip_unreadable: Leave out folders that may not be listed.
        enters: Whether to go into a folder of that name.

    Yields:
        Path relative to the folder, and the entry.

    Raises:
        OSError: A folder can't be listed.
    """
    return _walk(folder, prefix, (os.path.realpath(folder),), skip_unreadable, enters)


def _walk(
    folder: str | Path, prefix: str, way: tuple[str, ...], skip_unreadable: bool, enters: Callable[[str], bool]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk a folder; `way`: the real paths of the folders from the first to this one."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        if skip_unreadable:
            return
        raise
    for entry in inside:
        if not _is_folder(entry):
            if not is_partial(entry.name):
                yield prefix + entry.name, entry
            continue
        if not enters(entry.name):
            continue
        real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(way[-1], entry.name)
        if not leads_back(real, way):
            below = f"{prefix}{entry.name}{os.sep}"
            yield from _walk(entry.path, below, (*way, real), skip_unreadable, enters)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def leads_back(real: str, way: Iterable[str]) -> bool:
    """Return whether a folder is one of others, or holds one of them; all by their real paths."""
    inside = real.rstrip(os.sep) + os.sep
    return any(f"{passed}{os.sep}".startswith(inside) for passed in way)


def add_name(file: Path, name: Path) -> bool:
    """Give a file a second name, in the place of what has it, if any; return whether its file system has such names."""
    partial = name.parent / f"{_PARTIAL}{secrets.token_hex(8)}{name.suffix}"
    try:
        os.link(file, partial)
        os.replace(partial, name)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            partial.unlink()  # also where both names are of one file already: then nothing was replaced
    return True


def is_partial(name: str) -> bool:
    """Return whether a file's name is one that `replacing` gives: it is being written, or its writer was killed."""
    return name.startswith(_PARTIAL)


def write_all(contents: Mapping[str, bytes | None], *, folder: Path) -> dict[str, Path]:
    """Write files of a folder by `replacing`, and remove those that have no content; return the paths of the others."""
    paths = {}
    for name, content in contents.items():
        path = folder / name
        if content is None:
            path.unlink(missing_ok=True)
            continue
        with replacing(path) as partial:
            partial.write_bytes(content)
        paths[name] = path
    return paths


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, each line with a line feed at its end."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_json(path: str | Path, content: Any, *, ensure_ascii: bool = False) -> None:
    """Write a JSON file by `replacing`; names of files that are no UTF-8 come back from it as they are."""
    text = json.dumps(content, indent=2, ensure_ascii=ensure_ascii) + "\n"
    with replacing(path) as partial:
        # What UTF-8 can't hold, half of a surrogate pair, JSON escapes in just this way.
        partial.write_bytes(text.encode("utf-8", ODD_NAMES))


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: It can't be read.
        ValueError: It holds no JSON, or some that is nested too deeply.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
