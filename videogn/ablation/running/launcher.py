"""The launcher: every cell of a study as two commands, as many at once as fit, whatever becomes of each."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from pathlib import Path
from typing import Any

from videogn.ablation.base import base_settings
from videogn.ablation.cells import COMMAND, Cell, cell_folder
from videogn.ablation.choices import choose, is_settled, is_to_run, with_search
from videogn.ablation.outcome import Failure, Outcome, read_outcome, read_outcomes, write_failure
from videogn.ablation.plans import CellPlan
from videogn.ablation.report.deciding import Look, cells_to_run, look_of, look_text, outcomes_asked
from videogn.ablation.report.gather import gather
from videogn.ablation.report.write import MixedResults, print_summary, write_files, write_report
from videogn.ablation.running.child import log_tail
from videogn.ablation.running.executor import Executor
from videogn.ablation.running.interruption import Interruption
from videogn.ablation.running.live import CellState, CellStatus, Display
from videogn.ablation.running.run_cell import job_of
from videogn.ablation.running.watch import read_progress
from videogn.ablation.study import Study
from videogn.ablation.study_folder import check_folder, claim_folder, read_record, record_study, write_record
from videogn.code_version import code_version

_POLL_SECONDS = 1.0
_NUM_TAIL_LINES = 20


# What a study is run with: what runs its cells, and each cell's plan by its name (one that is absent costs an estimate
# of the time).
Preparation = tuple[Executor, Mapping[str, CellPlan]]


def run_study(
    study: Study,
    cells: Sequence[Cell],
    *,
    base: bytes,
    out: Path,
    prepare: Callable[[Sequence[Cell]], Preparation],
    mixed: bool = False,
    command: Sequence[str] = COMMAND,
) -> int:
    """Run what is not done of a study, then report: files in OUT and a table in the terminal.

    In this order: keep others out, check folder and code, prepare, record the study, run, report. What is refused
    leaves nothing behind. A cell with a result is skipped; one that failed or was stopped is tried again, from where it
    was. The report is renewed after every cell, so a study that is killed has one too. Where something is tuned, the
    cells of the search run behind those at the same settings, and those of a point at its best once that is chosen.

    Args:
        cells: Its cells at the same settings (cells_of).
        base: The content of its base config.
        prepare: Given the cells that are to be run, where there are some: refuses them, or says what runs them.
        mixed: Whether results of other versions of the code may stand beside new ones.

    Returns:
        The number of cells that failed.

    Raises:
        ValueError: OUT holds another study or results of other code, or something that is not ours is in the way.
        MixedResults: All is run, and its results must not stand in one table.
        KeyboardInterrupt: The user, or SIGTERM or SIGHUP, ended it; what ran was stopped and the report written first.
    """
    settings = base_settings(base, name=study.base)
    with claim_folder(out):
        check_folder(study, with_search(study, settings, cells, out=out), base=base, out=out)
        choose(study, settings, out=out)  # of searches that had ended where we were stopped
        before = read_outcomes(with_search(study, settings, cells, out=out), out=out)
        if not cells_to_run(before, look_of(study, before, out=out)):
            record_study(study, base=base, out=out)
        else:
            if not mixed:
                check_code(before, out=out)
            # What is not chosen yet is of the same cost as what is.
            executor, plans = prepare([o.cell for o in before if o.cell.same_as is None and not is_settled(o)])
            with closing(executor):
                record_study(study, base=base, out=out)
                work = _Work(
                    study,
                    before,
                    settings=settings,
                    out=out,
                    plans=plans,
                    mixed=mixed,
                    display=Display(num_at_once=executor.num_at_once),
                )
                _run(work, executor=executor, command=command)
        gathered = gather(out)
        print_summary(gathered, paths=write_files(gathered, mixed=mixed))
    outcomes = outcomes_asked(read_outcomes(with_search(study, settings, cells, out=out), out=out), gathered.look)
    return sum(
        outcome.state == "failed" and not is_settled(outcome) for outcome in outcomes if not outcome.cell.same_as
    )


def _run(work: "_Work", *, executor: Executor, command: Sequence[str]) -> None:
    """Run cells; where a signal ends that, report first."""
    try:
        with Interruption() as interruption:
            try:
                with work.display:
                    work.run(executor=executor, command=command, interruption=interruption)
            except BaseException:
                executor.stop()
                raise
    except KeyboardInterrupt:
        if (paths := work.report()) is not None:
            print_summary(gather(work.out), paths=paths)
        work.display.say("stopped; run the same command again to go on")
        raise


class _Work:
    """The cells under way: what runs, what has ended, and what is shown of it."""

    def __init__(
        self,
        study: Study,
        outcomes: Sequence[Outcome],
        *,
        settings: Mapping[str, Any],
        out: Path,
        plans: Mapping[str, CellPlan],
        mixed: bool,
        display: Display,
    ) -> None:
        self.out = out
        self.display = display
        self._study = study
        self._settings = settings
        self._plans = plans
        self._mixed = mixed
        self._pending: dict[Future[float], Cell] = {}
        self._tried: set[str] = set()  # names of cells
        self._look: Look | None = None  # the last, of a rule for seeds: what it asks for is running
        self._seconds: dict[str, float] = {}
        # Of each cell; of one that is run now, from before.
        self._outcomes = {outcome.cell.name: outcome for outcome in outcomes}

    def run(self, *, executor: Executor, command: Sequence[str], interruption: Interruption) -> None:
        """Run what is not done, to its end one way or the other, and with it seeds that are added meanwhile.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        self._look = look_of(self._study, self._all, out=self.out)
        while to_run := [cell for cell in cells_to_run(self._all, self._look) if cell.name not in self._tried]:
            if self._tried:
                self.report()
                interruption.check()
            self._run(to_run, executor=executor, command=command, interruption=interruption)
            self._look = look_of(self._study, self._all, out=self.out)
            if self._look is not None and self._look.decisions:
                self.display.say(look_text(self._study, self._look))

    def _run(
        self, to_run: Sequence[Cell], *, executor: Executor, command: Sequence[str], interruption: Interruption
    ) -> None:
        def submit(cells: Sequence[Cell]) -> None:
            for cell in cells:
                self._tried.add(cell.name)
                _forget_stage(cell_folder(cell, out=self.out))
                job = job_of(self._study, cell=cell, out=self.out, command=command)
                self._pending[executor.submit(job)] = cell

        submit(to_run)
        self.display.update(self._statuses())
        while self._pending:
            ended, _ = wait(self._pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            taken = [self._take(future) for future in ended]
            if any(cell.kind == "tuning" for cell in taken):
                submit(self._choose())
            self.display.update(self._statuses())
            if ended and self._pending:  # the last is reported when all is done
                self.report()
            interruption.check()

    def report(self) -> dict[str, Path] | None:
        """Renew the report and return its files. That it can't be renewed is said, and ends nothing."""
        try:
            return write_report(self.out, mixed=self._mixed)
        except MixedResults as error:
            self.display.say(f"WARNING: no report: {error}")
        except Exception as error:  # a figure that can't be drawn must not cost a night's runs
            self.display.say(f"WARNING: the report was not renewed: {type(error).__name__}: {error}")
        return None

    def _choose(self) -> list[Cell]:
        """Choose where a search has ended, and return the cells that can run now."""
        for sentence in choose(self._study, self._settings, out=self.out):
            self.display.say(sentence)
        before = self._outcomes
        plain = [outcome.cell for outcome in before.values() if outcome.cell.kind == "same"]
        cells = with_search(self._study, self._settings, plain, out=self.out)
        self._outcomes = {cell.name: before.get(cell.name) or self._read(cell) for cell in cells}
        return [one.cell for name, one in self._outcomes.items() if name not in before and is_to_run(one)]

    def _read(self, cell: Cell) -> Outcome:
        return read_outcome(cell, folder=cell_folder(cell, out=self.out))

    def _take(self, future: "Future[float]") -> Cell:
        cell = self._pending.pop(future)
        error = future.exception()
        if error is not None:
            self._fail(cell, error)
        self._seconds[cell.name] = 0.0 if error is not None else future.result()
        for name, outcome in self._outcomes.items():
            if name == cell.name or outcome.cell.same_as == cell.name:
                self._outcomes[name] = self._read(outcome.cell)
        return cell

    def _fail(self, cell: Cell, error: BaseException) -> None:
        """Record that not the command failed but what runs it: a full disk, a folder that a node does not see."""
        folder = cell_folder(cell, out=self.out)
        folder.mkdir(parents=True, exist_ok=True)
        if read_record(folder) is None:
            write_record(folder, {"cell": cell.identity, "code": code_version(), "fit_seconds": None})
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        lines = log_tail(folder / "log.txt", num_lines=_NUM_TAIL_LINES)
        write_failure(Failure("crashed", "fit", 1, reason, lines), folder=folder)

    @property
    def _all(self) -> list[Outcome]:
        return list(self._outcomes.values())

    def _statuses(self) -> list[CellStatus]:
        return [self._status(outcome) for outcome in outcomes_asked(self._all, self._look)]

    def _status(self, outcome: Outcome) -> CellStatus:
        cell = outcome.cell
        folder = cell_folder(cell, out=self.out)
        plan = self._plans.get(cell.name) or self._plans.get(cell.open_name)
        num_steps = plan.num_steps if plan else None
        if (cell.same_as or cell.name) in {pending.name for pending in self._pending.values()}:
            progress = read_progress(folder, plan=plan)
            state: CellState = "waiting" if progress is None else "running"
            return CellStatus(cell, state, folder, progress, num_steps=num_steps)
        state = outcome.state if outcome.state in ("done", "failed") else "waiting"
        return CellStatus(cell, state, folder, None, outcome, self._seconds.get(cell.name), num_steps)


def _forget_stage(folder: Path) -> None:
    """Clear what a process that was killed left in a cell.json: nothing is at work there."""
    record = read_record(folder)
    if record is not None and record.get("stage") is not None:
        write_record(folder, {**record, "stage": None})


def check_code(outcomes: Sequence[Outcome], *, out: Path) -> None:
    """Refuse to put new results beside those of other code, or to go on with what other code began.

    Raises:
        ValueError: Cells are to be run, and a result, or a training that was begun, is of another version.
    """
    outcomes = [outcome for outcome in outcomes if outcome.cell.same_as is None]
    if all(outcome.state == "done" for outcome in outcomes):
        return
    others: dict[str, str] = {}
    for outcome in outcomes:
        folder = cell_folder(outcome.cell, out=out)
        record = read_record(folder) or {}
        codes = set(outcome.result.code_pair or ()) if outcome.result else set()
        is_begun = record.get("fit_seconds") is not None or (folder / "checkpoints" / "last.ckpt").is_file()
        if is_begun and record.get("code"):
            codes.add(record["code"])
        if codes - {code_version()}:
            others[outcome.cell.name] = ", ".join(sorted(codes - {code_version()}))
    if others:
        named = ", ".join(f"{name} ({code})" for name, code in others.items())
        raise ValueError(
            f"{out}: this is videogn {code_version()}, and other code made, or began, {named}; they should not stand "
            f"in one table. Delete these folders in {out / 'cells'} to run them again, use another --out, or keep "
            "them and go on with --mixed"
        )
