"""Which code made a number: the version, and a digest of the sources that a number depends on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import videogn

# What turns files into clips, clips into logits, logits into runs. How runs are compared and shown changes no number.
PARTS = ("data", "models", "training")


@cache
def code_version() -> str:
    """The version and the first 12 digits of a SHA-256 of the sources of PARTS, such as "0.1.0+4f1d2c8a9b3e".

    Two runs with the same one came from the same sources, installed or in a checkout, committed or not.
    """
    home = Path(videogn.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for part in PARTS for path in (home / part).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(home).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{videogn.__version__}+{digest.hexdigest()[:12]}"
