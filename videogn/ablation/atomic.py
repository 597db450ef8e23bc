"""Files that are either the old or the new one, never half of one."""

import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes beside `path` and rename: a reader, or a run that is stopped, never meets half a file.

    The name beside it is random: processes of several machines may write in one shared folder, and what one that was
    killed left there is in nobody's way.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
