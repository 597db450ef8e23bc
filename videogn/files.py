"""Files that are the old or the new one, whole, whatever stops the process or the machine."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PARTIAL = ".partial-"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A file to write in the place of `path`, which it takes when the block ends well, whole and on the disk.

    It lies beside `path`, empty, under a random name: processes of several machines may write in one folder, and what
    a killed one left there is in nobody's way. The name ends in the suffix of `path`, by which some writers choose the
    format. It may be written in place or made anew; the mode will be what open() gives a new file. Where the block
    raises, or is interrupted, it is removed, and `path` is what it was.

    Raises:
        OSError: The file can't be made, or can't take its place.
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
    finally:
        with suppress(OSError):
            partial.unlink()
    with suppress(OSError):  # a folder that can't be opened, as on Windows: the system writes the name when it likes
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_partial(name: str) -> bool:
    """Whether a file's name is one that `replacing` gives: it is being written, or its writer was killed."""
    return name.startswith(_PARTIAL)


def write_json(path: str | Path, content: Any, *, ensure_ascii: bool = False) -> None:
    """Writes a JSON file by `replacing`; names of files that are no UTF-8 come back from it as they are."""
    text = json.dumps(content, indent=2, ensure_ascii=ensure_ascii) + "\n"
    with replacing(path) as partial:
        # What UTF-8 can't hold, half of a surrogate pair, JSON escapes in just this way.
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))
