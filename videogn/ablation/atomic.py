"""Files that are either the old or the new one, never half of one."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes beside `path` and rename: a reader, or a run that is stopped, never meets half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
