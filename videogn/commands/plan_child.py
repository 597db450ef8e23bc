"""The child process of plans.py: imports what a run needs once, and builds every run in a fork of its own.

It reads a request from stdin as JSON and answers on stdout with a JSON object a line; whatever else is printed goes to
stderr. In a fork no run meets what another one left behind (threads, seeds, memory), the most memory that a process had
is the run's own, and one that is killed ends no other. Before a fork, torch is imported and nothing else: a GPU
that is in use can't be taken over a fork.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from videogn.commands.measure import measure
from videogn.commands.planned_run import PlannedRun
from videogn.commands.trainer import ALLOCATION_FAILED, QUIET
from videogn.machine import peak_resident_bytes

Answer = Callable[[Mapping[str, Any]], None]


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    if request["num_cores"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request["num_cores"]])
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    imported = (time.time() - request["started"], peak_resident_bytes())

    def answer(content: Mapping[str, Any]) -> None:
        os.write(answers, (json.dumps(content) + "\n").encode())

    _in_a_fork(lambda: answer({"num_gpus": torch.cuda.device_count()}))
    for place, run in enumerate(request["runs"]):
        answer({"begun": place})

        def work(place: int = place, run: Mapping[str, Any] = run) -> None:
            def of_run(content: Mapping[str, Any]) -> None:
                answer({"run": place, **content})

            _plan(run["words"], request=request, imported=imported, answer=of_run)

        status = _in_a_fork(work)
        if status == -signal.SIGKILL:
            answer({"run": place, "error": "does not fit into memory: it was killed"})
        elif status:
            answer({"run": place, "error": f"a trial ended with exit status {status}"})


def _in_a_fork(work: Callable[[], None]) -> int:
    """Do some work in a fork of this process; return its exit status, negative for a signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # the fork must not go on with what its parent has to do
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _plan(words: list[str], *, request: Mapping[str, Any], imported: tuple[float, int], answer: Answer) -> None:
    started, uncounted = time.monotonic(), imported[1] - peak_resident_bytes()
    try:
        run = PlannedRun(words)
        answer({"plan": asdict(run.plan), "notes": run.notes})
    except Exception as error:  # any error is this run's alone
        answer({"error": _reason(error)})
        return
    if not request["measure"]:
        return
    start_seconds = imported[0] + time.monotonic() - started
    try:
        cost = measure(run, protocol=request["protocol"], start_seconds=start_seconds, uncounted_bytes=uncounted)
    except Exception as error:  # the run would meet it, too
        answer({"error": _reason(error)})
        return
    answer({"plan": {**asdict(run.plan), **cost}})


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split())
    lacks_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if lacks_memory or any(words in line for words in ALLOCATION_FAILED):
        return f"does not fit into memory: {line}"
    expected = isinstance(error, ValueError | OSError | MisconfigurationException) and line
    return line if expected else f"{type(error).__name__}: {line}"


if __name__ == "__main__":
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)
    main()
