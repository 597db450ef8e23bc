"""Runs that are planned: one for `videogn plan`, all cells of a study for `videogn ablate`.

Run as a program, it plans the runs of a study: it reads a request from stdin as JSON and answers on stdout with a JSON
object a line; whatever else is printed goes to stderr. It imports what a run needs once, and builds every run in a fork
of its own. In a fork no run meets what another one left behind (threads, seeds, memory), the most memory that a process
had is the run's own, and one that is killed ends no other. Before a fork, torch is imported and nothing else: a GPU
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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from videogn.ablation.plans import CellPlan
from videogn.commands.configs import resolve_configs
from videogn.commands.failures import lacks_memory
from videogn.commands.measure import PlannedRun, measure
from videogn.commands.run_folder import with_run_config
from videogn.commands.trainer import QUIET
from videogn.commands.usage import OutOfMemory, RunError, UsageError
from videogn.data.lists.catalog import Catalog
from videogn.machine import peak_resident_bytes
from videogn.norms import NORMS
from videogn.training.plan import FROM_SCRATCH, summary
from videogn.wording import duration_text

Answer = Callable[[Mapping[str, Any]], None]


def plan_run(settings: list[str], *, is_measured: bool) -> dict[str, Any]:
    """Print a run's plan; return it in plain types.

    Raises:
        UsageError: What `fit` would refuse.
        RunError: The measured step failed.
    """
    be_quiet()
    started = time.monotonic()
    with TemporaryDirectory(prefix="videogn-plan-") as scratch:
        run = PlannedRun(resolve_configs(with_run_config(["fit", *settings])), scratch=Path(scratch))
        print(summary(run.plan), flush=True)
        for note in run.notes:
            warnings.warn(note, stacklevel=2)
        plan = {
            **asdict(run.plan),
            "total_batch_size": run.plan.sizes.total,
            "num_epochs": run.plan.total_steps / run.plan.steps_per_epoch,
            "learning_rate": run.plan.learning_rate,
        }
        if not is_measured:
            return plan
        try:
            cost = measure(run, start_seconds=time.monotonic() - started)
        except Exception as error:
            raise (OutOfMemory if lacks_memory(error) else RunError)(_reason(error)) from error
    times = f"training {duration_text(cost['fit_seconds'])}, test {duration_text(cost['test_seconds'])}"
    memory = f"{cost['peak_memory_bytes'] / 2**30:.2f} GiB of memory"
    print(f"estimated from one step and one video: {times}; {memory}")
    return {**plan, **cost}


def answer_for_study() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    if request["num_cores"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request["num_cores"]])
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    # Of one machine's clock since it was booted, which all processes share and nobody sets.
    imported = (max(0.0, time.monotonic() - request["started"]), peak_resident_bytes())

    def answer(content: Mapping[str, Any]) -> None:
        os.write(answers, (json.dumps(content) + "\n").encode())

    _in_a_fork(lambda: answer({"num_gpus": torch.cuda.device_count()}))
    for place, run in enumerate(request["runs"]):
        answer({"begun": place})

        def work(place: int = place, run: Mapping[str, Any] = run) -> None:
            def of_run(content: Mapping[str, Any]) -> None:
                answer({"run": place, **content})

            _plan(run, request=request, imported=imported, answer=of_run)

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


def _plan(asked: Mapping[str, Any], *, request: Mapping[str, Any], imported: tuple[float, int], answer: Answer) -> None:
    """Plan one run of a study; any error is this run's alone."""
    started, uncounted = time.monotonic(), imported[1] - peak_resident_bytes()
    with TemporaryDirectory(dir=request["scratch"]) as scratch:
        try:
            run = PlannedRun(asked["words"], scratch=Path(scratch))
            if asked["needs_apart"]:
                _check_apart(run.datamodule.catalog)
            plan = _cell_plan(run)
            answer({"plan": asdict(plan), "notes": run.notes})
            if request["measure"]:
                cost = measure(
                    run,
                    start_seconds=imported[0] + time.monotonic() - started,
                    protocol=request["protocol"],
                    uncounted_bytes=uncounted,
                )
                answer({"plan": {**asdict(plan), **cost}})
        except Exception as error:
            answer({"error": _reason(error)})


def _check_apart(catalog: Catalog) -> None:
    """Refuse a test list that shares videos with the validation list, which is to judge a search.

    Raises:
        UsageError: They share some.
    """
    tested = catalog.present("test")
    judging = {record.path for record in catalog.present("val")}
    both = [record.name for record in tested if record.path in judging]
    if both:
        raise UsageError(
            f"data.test_list {catalog.list_of('test')}: {len(both):,} of its {len(tested):,} videos are in the "
            f"validation list {catalog.list_of('val')}, too (the first is {both[0]!r}), and that is to judge the "
            "search: name lists that share no video, or leave data.test_list out: then a part of the training list "
            "judges"
        )


def _cell_plan(run: PlannedRun) -> CellPlan:
    """Return what a study is told of a run.

    Raises:
        UsageError: Its norm needs weights and has none: a study has no use for that.
    """
    plan = run.plan
    norm = plan.architecture["norm"]
    if NORMS[norm].needs_weights and plan.start == FROM_SCRATCH:
        raise UsageError(f"{norm} from scratch has nothing to normalise by: give model.weights of a bn network")
    return CellPlan(
        learning_rate=plan.learning_rate,
        num_steps=plan.total_steps,
        num_epochs=plan.total_steps / plan.steps_per_epoch,
        sizes=plan.sizes,
        num_workers=run.datamodule.num_workers,
    )


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split())
    if lacks_memory(error):
        return f"does not fit into memory: {line}"
    expected = isinstance(error, ValueError | OSError | MisconfigurationException) and line
    return line if expected else f"{type(error).__name__}: {line}"


def be_quiet() -> None:
    """Leave out what libraries say of what is meant to be so."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)


if __name__ == "__main__":
    be_quiet()
    answer_for_study()
