"""One cell brought to a result or to a recorded failure, wherever it is run: all that is known of it is its folder."""

import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from videogn.ablation.cells import COMMAND, Cell, cell_folder, fit_command, score_command
from videogn.ablation.outcome import Failure, FailureKind, read_outcome, write_failure
from videogn.ablation.running.child import Place, Stop, log_tail, run_logged
from videogn.ablation.running.watch import steps_saved
from videogn.ablation.study import Study
from videogn.ablation.study_folder import read_record, write_record
from videogn.code_version import code_version
from videogn.locks import OF_RUNS, holder

_NUM_TAIL_LINES = 20
# The exit status of a command that a signal told to end.
_RUN_AGAIN = 75
# So often a cell is taken up whose process was lost at the same update: the next would be, too.
_MAX_LOST = 3
_KINDS: dict[int, FailureKind] = {
    2: "refused",
    3: "out of memory",
    4: "not finite",
    _RUN_AGAIN: "killed",
    -signal.SIGKILL: "killed",
}


@dataclass(frozen=True)
class CellJob:
    """What is to be done for a cell: plain values, so that another process or machine can do it.

    Args:
        folder: Its run's folder, absolute.
        working_folder: Where the commands are run: what relative paths in their words are relative to.
    """

    cell: Cell
    folder: Path
    fit: tuple[str, ...]
    score: tuple[str, ...]
    working_folder: Path


def job_of(study: Study, *, cell: Cell, out: Path, command: Sequence[str] = COMMAND) -> CellJob:
    """Return the job of a cell; its commands are run in the present working folder."""
    return CellJob(
        cell=cell,
        folder=cell_folder(cell, out=out).absolute(),
        fit=tuple(fit_command(cell, out=out, command=command)),
        score=tuple(score_command(study, cell=cell, out=out, command=command)),
        working_folder=Path.cwd(),
    )


def run_cell(job: CellJob, *, place: Place | None = None, stop: Stop | None = None) -> float:
    """Bring a cell to a result, or to a failure.json that says why it has none; return the seconds that it took.

    A cell with a result is left as it is. Where the training had ended, only the test is run. A training that was
    stopped goes on from its last checkpoint, bit for bit as if it had not been.

    Raises:
        ValueError: Another process is at work in its folder; nothing is changed.
        Stopped: `stop` was set; what was done is kept, and the cell goes on from there another time.
    """
    start = time.monotonic()
    if read_outcome(job.cell, folder=job.folder).state == "done":
        return 0.0
    for name in OF_RUNS.values():
        if (who := holder(job.folder / name)) is not None:  # as of a node that was taken for lost
            raise ValueError(f"{job.folder}: another command is at work there ({who}): wait for it, or stop it")
    runner = _Runner(job, place=replace(place or Place(), folder=job.working_folder), stop=stop or Stop())
    try:
        failure = runner.run()
    finally:
        runner.record(stage=None)
    if failure is not None:
        write_failure(failure, folder=job.folder)
    return time.monotonic() - start


class _Runner:
    """A cell at work: its stages, and its cell.json that follows them."""

    def __init__(self, job: CellJob, *, place: Place, stop: Stop) -> None:
        self.job = job
        self.folder = job.folder
        self.log = job.folder / "log.txt"
        self.place = place
        self.stop = stop
        self.known: dict[str, Any] = read_record(job.folder) or {}

    def run(self) -> Failure | None:
        if self._was_lost_again():
            lines = log_tail(self.log, num_lines=_NUM_TAIL_LINES)
            reason = f"its process was lost {_MAX_LOST} times at the same update, as happens where memory is short"
            return Failure("killed", self.known["stage"], -signal.SIGKILL, reason, lines)
        self._take_up()
        failure = None
        if self.known.get("fit_seconds") is None:
            failure = self._fit()
        return failure or self._test()

    def record(self, **changes: Any) -> None:
        """Change what cell.json says."""
        self.known |= changes
        if self.folder.is_dir():
            write_record(self.folder, self.known)

    def _was_lost_again(self) -> bool:
        """Count how often the process at work here was lost with its cell.json saying that it is at work still."""
        if self.known.get("stage") is None:
            self.known["lost"] = None
            return False
        place = [self.known["stage"], steps_saved(self.folder)]
        before = self.known.get("lost") or {}
        times = before["times"] + 1 if before.get("place") == place else 1
        self.known["lost"] = {"place": place, "times": times}
        return times >= _MAX_LOST

    def _take_up(self) -> None:
        """Make the folder ready: as it was left where something of it can be used, else fresh."""
        if self.known.get("fit_seconds") is None and not self._checkpoint.is_file():
            self._start_again()
        for name in ("failure.json", "result.json"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "last.ckpt"

    def _start_again(self) -> None:
        """Clear the folder, except for the log (claim_folder saw to it that the folder is this study's).

        What was there is put aside first: killed at any point, we leave a folder that can be told as ours, or none.
        """
        aside = self.folder.with_name(f".{self.folder.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(aside)
        self.folder.mkdir(parents=True)
        lost = self.known.get("lost")
        self.known = {"cell": self.job.cell.identity, "code": code_version(), "fit_seconds": None, "lost": lost}
        self.record(stage=None)
        if (aside / self.log.name).is_file():
            shutil.copyfile(aside / self.log.name, self.log)
        shutil.rmtree(aside, ignore_errors=True)

    def _fit(self) -> Failure | None:
        start = time.monotonic()
        failure = self._run_stage("fit", self.job.fit)
        for _ in range(_MAX_LOST):  # told to end by others than us: by who looks after the machine
            if failure is None or failure.exit_status != _RUN_AGAIN:
                break
            failure = self._run_stage("fit", self.job.fit)
        if failure is None:
            self.record(fit_seconds=round(time.monotonic() - start, 3))
        return failure

    def _test(self) -> Failure | None:
        failure = self._run_stage("test", self.job.score)
        if failure is not None:
            return failure
        after = read_outcome(self.job.cell, folder=self.folder)
        if after.state == "done":
            return None
        reason = "it ended well and yet wrote no result.json" if after.failure is None else after.failure.reason
        return Failure("no result", "test", 0, reason, log_tail(self.log, num_lines=_NUM_TAIL_LINES))

    def _run_stage(self, stage: Literal["fit", "test"], command: Sequence[str]) -> Failure | None:
        first_step = steps_saved(self.folder) if stage == "fit" else 0
        self.record(stage=stage, since=time.time(), first_step=first_step)
        status = run_logged(command, log=self.log, place=self.place, stop=self.stop)
        if status == 0:
            return None
        lines = log_tail(self.log, num_lines=_NUM_TAIL_LINES)
        reason = _reason(stage, status, lines)
        return Failure(_KINDS.get(status, "crashed"), stage, status, reason, lines)


def _reason(stage: str, status: int, lines: Sequence[str]) -> str:
    last = lines[-1].strip() if lines else "it printed nothing"
    if status == -signal.SIGKILL:
        return "by signal 9, as the kernel does where memory does not suffice"
    if status < 0:
        return f"ended by signal {-status} ({signal.strsignal(-status)}); last line: {last}"
    prefix = f"videogn {stage}: error: "
    return next((line.removeprefix(prefix) for line in reversed(lines) if line.startswith(prefix)), last)
