"""Which code made a number: the version, and a digest of the sources that a number depends on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import videogn

# What turns files into clips, clips into logits, logits into runs, and the command that puts these together. How runs
# are compared and shown changes no number.
SOURCES = ("data", "models", "training", "commands/trainer.py", "commands/trainer_arguments.py")


@cache
def code_version() -> str:
    """The version and the first 12 digits of a SHA-256 of SOURCES, such as "0.1.0+4f1d2c8a9b3e".

    Two runs with the same one came from the same sources, installed or in a checkout, committed or not.
    """
    home = Path(videogn.__file__).parent
    digest = hashlib.sha256()
    given = [home / source for source in SOURCES]
    for path in sorted(path for source in given for path in ([source] if source.is_file() else source.rglob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(home).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{videogn.__version__}+{digest.hexdigest()[:12]}"
