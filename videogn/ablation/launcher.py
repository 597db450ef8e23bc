"""The launcher: every cell of a study as two commands, one cell after the other, whatever becomes of each."""

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from videogn.ablation.cells import COMMAND, Cell, CellPlan, describe_cells
from videogn.ablation.child import log_tail, run_logged, termination_as_interrupt
from videogn.ablation.outcome import Failure, Outcome, read_outcome, read_outcomes, write_failure
from videogn.ablation.progress import Progress
from videogn.ablation.report import write_report
from videogn.ablation.study import Study
from videogn.ablation.study_folder import claim_folder, read_record, write_record
from videogn.ablation.terminal import print_summary

_NUM_TAIL_LINES = 20


def run_study(study: Study, out: Path, *, command: Sequence[str] = COMMAND) -> int:
    """Run what is not done of a study, then report: files in OUT and a table in the terminal.

    A cell with a result is skipped; one that failed, or was interrupted, is tried again, from its test on where its
    training had ended. The report's files are renewed after every cell, so a study that is killed has one too.

    Args:
        study: What to run.
        out: Its folder: study.json, cells/NAME/ and the report.
        command: The words that start videogn; the tests put a script of their own there.

    Returns:
        The number of cells that failed.

    Raises:
        ValueError: OUT holds another study, or something that is not ours is in the way.
        KeyboardInterrupt: The user, or SIGTERM or SIGHUP, ended it; the running child was stopped and the report
            written first.
    """
    with claim_folder(study, out=out):
        plans = describe_cells(study, out, command=command)
        progress = Progress(num_cells=len(plans))
        try:
            with termination_as_interrupt():
                for plan in plans:
                    if _run_cell(plan, progress=progress):
                        write_report(study, read_outcomes(study, out), out)
        except KeyboardInterrupt:
            progress.interrupted()
            _report(study, out=out)
            raise
        outcomes = _report(study, out=out)
    return sum(outcome.state == "failed" for outcome in outcomes)


def _report(study: Study, *, out: Path) -> list[Outcome]:
    outcomes = read_outcomes(study, out)
    paths = write_report(study, outcomes, out)
    print_summary(study, outcomes, paths=paths)
    return outcomes


def _run_cell(plan: CellPlan, *, progress: Progress) -> bool:
    """Bring one cell to a result or a recorded failure; return whether anything was run."""
    cell, folder = plan.cell, plan.folder
    before = read_outcome(cell, folder=folder)
    if before.state == "done":
        progress.skipped(before)
        return False
    start = time.monotonic()
    fit_seconds = _prepare_folder(cell, folder=folder)
    failure = None
    if fit_seconds is None:
        failure = _run_stage("fit", plan.fit, cell=cell, folder=folder, progress=progress)
        if failure is None:
            write_record(folder, identity=cell.identity, fit_seconds=time.monotonic() - start)
    if failure is None:
        failure = _run_stage("test", plan.score, cell=cell, folder=folder, progress=progress)
    if failure is None:
        after = read_outcome(cell, folder=folder)
        if after.state != "done":
            reason = "it ended well and yet wrote no result.json" if after.failure is None else after.failure.reason
            failure = Failure("test", 0, reason, log_tail(folder / "log.txt", num_lines=_NUM_TAIL_LINES))
    if failure is not None:
        write_failure(failure, folder=folder)
    progress.ended(read_outcome(cell, folder=folder), seconds=time.monotonic() - start, folder=folder)
    return True


def _prepare_folder(cell: Cell, *, folder: Path) -> float | None:
    """Make a cell's folder ready and return the seconds of its fit where that had ended well, else None.

    A fit that was stopped or failed is begun anew in a fresh folder (`videogn fit` refuses one that holds a run);
    claim_folder made sure that the folder is ours. A fit that ended is kept: only the test is to be done.
    """
    record = read_record(folder)
    fit_seconds = None if record is None else record.get("fit_seconds")
    if fit_seconds is not None:
        for name in ("failure.json", "result.json"):
            (folder / name).unlink(missing_ok=True)
        return fit_seconds
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_record(folder, identity=cell.identity, fit_seconds=None)
    return None


def _run_stage(stage: str, command: list[str], *, cell: Cell, folder: Path, progress: Progress) -> Failure | None:
    log = folder / "log.txt"
    with progress.running(cell, stage=stage):
        status = run_logged(command, log=log)
    if status == 0:
        return None
    lines = log_tail(log, num_lines=_NUM_TAIL_LINES)
    reason = lines[-1].strip() if lines else "it printed nothing"
    if status < 0:
        reason = f"ended by signal {-status} ({signal.strsignal(-status)}); last line: {reason}"
    return Failure(stage, status, reason, lines)
