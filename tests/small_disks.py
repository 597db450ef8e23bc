"""Disks with little room: a limit on the size of files, and file systems of a few megabytes for one process alone."""

import os
import resource
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """As on a disk that is nearly full: a file that grows beyond this is an OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def with_a_small_disk(
    words: Sequence[object], *, at: Path, num_bytes: int, **settings: str
) -> subprocess.CompletedProcess:
    """Runs a program that has a file system of this size at a folder, which no other program sees; skips where the
    machine lets nobody mount one. `settings`: of its environment."""
    return _with_a_mount(f"-t tmpfs -o size={num_bytes} tmpfs", words, at=at, settings=settings)


def read_only(words: Sequence[object], *, at: Path, **settings: str) -> subprocess.CompletedProcess:
    """Runs a program that has an empty folder in the place of one, which nobody can write to, whoever runs it."""
    return _with_a_mount("-t tmpfs -o ro tmpfs", words, at=at, settings=settings)


def _with_a_mount(
    options: str, words: Sequence[object], *, at: Path, settings: Mapping[str, str]
) -> subprocess.CompletedProcess:
    script = f'mount {options} "$0" && exec "$@"'
    namespace = ["unshare", "--mount", "--map-root-user"]
    try:
        subprocess.run([*namespace, "sh", "-c", script, at, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mount namespace here ({error})")
    return subprocess.run(
        [*namespace, "sh", "-c", script, *map(str, [at, *words])],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **settings},
    )
