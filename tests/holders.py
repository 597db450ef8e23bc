"""Another process that holds a lock, as a second run does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# With a second word, it has forked a worker, as loaders do, and lives on in that one when it is killed.
HOLD = """
import os, sys, time
from pathlib import Path
from videogn.locks import locked
with locked(Path(sys.argv[1])):
    worker = os.fork() if sys.argv[2:] else None
    if worker == 0:
        time.sleep(30)
        os._exit(0)
    print(worker, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_process(path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until it reads a line; its `worker` is what it has forked."""
    command = [sys.executable, "-c", HOLD, str(path), *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.worker = process.stdout.readline().strip()
        assert process.worker
        try:
            yield process
        finally:
            process.kill()
