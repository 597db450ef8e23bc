"""videogn plan: what a run would do and cost, before anything runs; and the same for all cells of a study.

Light: what takes seconds to import is in planned.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from videogn.ablation.axes import value_text
from videogn.ablation.cells import Cell, fit_command
from videogn.ablation.plans import CellPlan
from videogn.ablation.search import has_test_list
from videogn.commands.usage import CommandParser, RunError, check_json, save_json, show_passing
from videogn.training.batch_sizes import BatchSizes

DESCRIPTION = """\
Says what `videogn fit` would do with the same settings: network, start, data, the three batch sizes, learning rate,
updates and epochs. Nothing is trained, and nothing is written except the file that --json names. What fit would refuse
is refused, except a folder that already holds a run.

With --measure a training step is made and a video is scored, with the real data, network and precision, for an estimate
of hours and memory. The estimate leaves out the first look through every video, reading from a cold or shared disk, and
the exchange between devices.

All settings of `videogn fit` are taken; see `videogn fit --help`.

Examples:
  videogn plan --config i3d_gn.yaml --data.root DIR
  videogn plan --config i3d_bn.yaml --data.root DIR --data.batch_size 2 --total_batch_size 64 --measure --json plan.json
"""


def run(words: list[str]) -> int:
    """Run `plan ...`; return the exit status.

    Raises:
        UsageError: What `fit` would refuse.
        RunError: The measured step failed, or the file that --json names can't be written.
    """
    parser = CommandParser(
        prog="videogn plan",
        usage="videogn plan --config FILE [--SETTING VALUE ...] [--measure] [--json FILE]",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("--measure", action="store_true", help="make a step and score a video: hours and memory")
    parser.add_argument("--json", metavar="FILE", help="also write the plan to this file")
    given, settings = parser.parse_known_args(words[1:])
    check_json(given.json)
    from videogn.commands.planned import plan_run

    plan = plan_run(settings, is_measured=given.measure)
    if given.json is not None:
        save_json(given.json, plan)
    return 0


@dataclass(frozen=True)
class Planning:
    """What is known of a study's cells before they run.

    Args:
        plans: Of each cell that `videogn fit` takes, by name.
        errors: Of each cell that it refuses, or whose measured step failed, the reason in a line, by name.
    """

    plans: dict[str, CellPlan] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    num_gpus: int = 0


def plan_cells(
    cells: Sequence[Cell], *, base: Path, measure: bool, protocol: str | None = None, num_cores: int | None = None
) -> Planning:
    """Build what each cell's `videogn fit` would build, up to where it would begin; write nothing, train nothing.

    Cells that differ in the seed alone, or not at all, are planned once. Settings of a run that have no effect warn.
    A run is refused whose test list shares videos with the validation list that judges the study's search.

    Args:
        measure: Also take a step and score a video, of each run in a process of its own, for time and memory. A run
            that fails at it, such as one that does not fit into memory, has a plan without them, and an error.
        protocol: The study's test protocol; default: the base config's.
        num_cores: Processor cores that a cell will have; default: all of them.

    Raises:
        RunError: The child process failed as a whole.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_computation(cell), []).append(cell)
    runs, is_tuned = list(groups.values()), any(cell.kind != "same" for cell in cells)
    planning, notes = Planning(), dict[str, str]()
    test = [] if protocol is None else [f"--data.protocol={protocol}"]  # that of the test: refused now, not then
    with TemporaryDirectory(prefix="videogn-plans-") as folder:
        out = Path(folder)
        request = {
            "runs": [
                {
                    "words": [*fit_command(run[0], out=out, base=str(base), command=()), *test],
                    # Then the validation list judges the search, and results are of the test list.
                    "needs_apart": is_tuned and has_test_list(run[0].effective),
                }
                for run in runs
            ],
            "measure": measure,
            "protocol": protocol,
            "num_cores": num_cores,
            "started": time.monotonic(),
            "scratch": str(out),
        }
        for answer in _answers(request, out=out, names=[run[0].name for run in runs]):
            if "num_gpus" in answer:
                planning = replace(planning, num_gpus=answer["num_gpus"])
                continue
            for cell in runs[answer["run"]]:
                if "plan" in answer:
                    plan = answer["plan"]
                    planning.plans[cell.name] = CellPlan(**{**plan, "sizes": BatchSizes(**plan["sizes"])})
                if "error" in answer:
                    planning.errors[cell.name] = answer["error"].replace(f"{out}{os.sep}", "")  # the folder is gone
            for note in answer.get("notes", []):
                notes.setdefault(note, runs[answer["run"]][0].name)
    for note, name in notes.items():
        warnings.warn(f"{name}: {note}", stacklevel=2)
    return planning


def _computation(cell: Cell) -> str:
    """Return what tells runs apart, except for the seed."""
    return repr(sorted((name, value_text(value)) for name, value in cell.effective.items()))


def _answers(request: Mapping[str, Any], *, out: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what the child says, a JSON object a line; whatever ends our listening ends the child."""
    with (out / "log").open("w+b") as log:
        # A group of its own: Ctrl-C reaches it through us, and so does our end.
        child = subprocess.Popen(
            [sys.executable, "-m", "videogn.commands.planned"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with suppress(BrokenPipeError), child.stdin as stream:
                stream.write(json.dumps(request).encode())
            show_passing(f"checking {_count(names)} ...")
            for line in child.stdout:
                answer = json.loads(line)
                if "begun" in answer:
                    doing = "measuring" if request["measure"] else "checking"
                    show_passing(f"{doing} run {answer['begun'] + 1} of {len(names)}: {names[answer['begun']]} ...")
                else:
                    yield answer
            status = child.wait()
        finally:
            show_passing("")
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
        if status:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise RunError(
                f"the cells could not be planned (exit status {status}): {said[-1] if said else 'no reason'}"
            )


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} run{'s' if len(names) > 1 else ''}"
