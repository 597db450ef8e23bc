"""videogn ablate: a study, planned, run, or reported again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cells_of
from videogn.ablation.choices import with_search
from videogn.ablation.dry_run import print_plan
from videogn.ablation.report.deciding import check_compared
from videogn.ablation.report.gather import gather
from videogn.ablation.report.paper import find_paper
from videogn.ablation.report.write import MixedResults, print_summary, write_files
from videogn.ablation.running.child import Place
from videogn.ablation.running.executor import Executor
from videogn.ablation.running.launcher import Preparation, run_study
from videogn.ablation.running.local_executor import LocalExecutor, places_here
from videogn.ablation.study import Study
from videogn.ablation.study_folder import check_folder
from videogn.commands.configs import check_all_yaml, find_config, resolve_configs
from videogn.commands.plan import Planning, plan_cells
from videogn.commands.study_words import take_nested, with_nested
from videogn.commands.usage import CommandParser, RunError, UsageError
from videogn.norms import NORMS
from videogn.settings_file import check_numbers

DESCRIPTION = """\
Runs a study: one base config, axes that vary some of its settings, and seeds. Each cell of the grid is a run of its
own, `videogn fit` and then `videogn test`, in a folder of its own; then come a report with figures, a web page, tables
as CSV and JSON, and what the figures allow to say. Run again, the command goes on where it was.

A study is a YAML file of the settings below:

    base: motions.yaml                # what `videogn fit --config` takes
    axes:
      model.norm: [gn, bn]            # any setting and its values
      norm_batch_size: [16, 4, 2]     # clips that share batch statistics: the paper's "batch size per GPU"
      clips:                          # or labels, with several settings each
        8x2: {data.num_frames: 8, data.frame_interval: 2}
        16x1: {data.num_frames: 16, data.frame_interval: 1}
    seeds: [0, 1, 2]
    settings: {trainer.max_epochs: 5} # of every run
    tune: {model.base_lr: [0.1, 0.2, 0.4]}  # and each setting at its best besides

How many seeds are enough is not known before. `seeds: {from: 3, until: 1.0, at_most: 20}` runs seeds 0 to 2, then adds
one at a time until every difference between two settings in the report is decided: it is a finding, or its 95 %
interval is no wider than ± 1.0 points of top-1. `between: [{model.norm: gn}, {model.norm: bn}]` beside these names the
one difference that counts (axes left out: at the baseline's level), which is judged before all others. The intervals
are wider than those of a list of seeds, so that they hold although one looks after every seed: with at most 20, at the
nominal level of 99.23 % (repeated confidence intervals: Jennison and Turnbull 1989; one level, as Pocock 1977). The
rule is fixed from the first run on. A cell that fails is counted, and left out with what it would have been compared
with; no other seed takes its place. Once all is decided, the study runs nothing more.

Two comparisons:
  fixed-total  total batch, learning rate, updates and the order of clips are the same in every cell; a forward is split
               into normalisation batches. What can't depend on them (gn) is run once, and marked "same computation".
  paper        a forward holds the normalisation batch; total batch = that x num_devices, the learning rate is linear
               in it, and the length of a run follows from the schedule (equal epochs, or equal_iterations).

Two answers, with `tune`: at the same settings, and each point of the grid at its best. Every point gets the same
search: all values (of several settings, all combinations) on each of tuning_seeds, which no result has. It is judged on
videos that no result is scored on: the validation list, where data.test_list is another one; else a fifth of the
training list, held out (data.hold_out). The best mean top-1 is chosen, recorded in OUT/tuning.json, and run with the
study's own seeds; a best that is the base config's is not run again. The report shows the search, says where a choice
lies at an edge of its values, and what the search cost. More seeds change no choice; with more values or tuning seeds,
all is chosen anew. `seeds` is a list then: a rule is refused, as there are two answers to decide.

Examples:
  videogn ablate --config ablations/motions_batch_size.yaml --out studies/batch_size --dry_run
  videogn ablate --config ablations/motions_batch_size.yaml --out studies/batch_size
  videogn ablate --base motions.yaml --axes.model.norm '[gn, bn]' --axes.norm_batch_size '[16, 2]' --seeds '[0, 1]'
  videogn ablate report studies/batch_size

A dry run checks every cell as `videogn fit` would, measures a step of each, and prints what the study would run, how
long it would take and in how much memory.

OUT holds study.json and base.yaml (what was asked), cells/NAME/ (each run: log.txt, metrics.csv, checkpoints,
result.json, or failure.json with the reason) and the report. Started again with the same study, or with one that has
more seeds, or more levels behind the old ones, the command runs what is not done: a cell that was stopped goes on from
the end of its last epoch as if it had not been, one that failed is tried again. Results of other code (see --mixed) and
another study are refused. Seeds that are added to a list when results of two or more are there are named in the report,
whose intervals then hold less often: where one looks and goes on, a rule as above is meant.

Where cells run (--executor):
  local  here: one at a time, or side by side where each gets a share: --cores_per_cell of the processor's cores, or
         --gpus_per_cell of the GPUs (where there are any: as many as trainer.devices of a run).
  ray    on a Ray cluster (pip install 'videogn[ray]'; RAY_ADDRESS names it), a cell wherever there is room for
         --cores_per_cell and --gpus_per_cell. The nodes share --out, the videos and the Python environment. The cells
         of a node that is lost go on on another.

Exit status: 0; 1 where a cell failed; 2 for what can't be asked for; 130 when interrupted.
"""
OWN = ("out", "dry_run", "executor", "gpus_per_cell", "cores_per_cell", "mixed")


class Formatter(DefaultHelpFormatter):
    """Keeps the description's lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text


class Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError(message) from ex


def run(words: list[str]) -> int:
    """Run `ablate ...`; return the exit status.

    Raises:
        UsageError: A study that can't be.
        RunError: Its files can't be read or written, or its results must not stand in one table.
    """
    try:
        return _report(words[2:]) if words[1:2] == ["report"] else _ablate(words[1:])
    except MixedResults as error:
        raise RunError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(str(error)) from error
    except KeyboardInterrupt:
        return 130


def _ablate(words: list[str]) -> int:
    left, nested = take_nested(words)
    # Axes may all be given by dotted names; what a config file says comes later, and counts more than this.
    config = _parser().parse_args(["--axes={}", *resolve_configs(left)])
    names = [Path(str(path)).stem for path in config.config or []]
    out = Path(config.out or Path("studies") / (names[-1] if names else "ablation"))
    values = {name: value for name, value in config.as_dict().items() if name not in {"config", *OWN}}
    values = with_nested(values, nested)
    check_numbers(values)
    study = Study(**values)
    if study.settings.get("data.root", "") is None:
        raise UsageError("data.root: the study is of your videos; give --settings.data.root DIR")
    base = _find_base(study.base, configs=config.config or [])
    content = base.read_bytes()
    settings = base_settings(content, name=study.base)
    cells = cells_of(study, settings)
    check_compared(study, cells)
    if study.paper is not None:
        find_paper(study.paper)

    def plan(wanted: Sequence[Cell]) -> Planning:
        if config.executor == "local":
            places_here(cores_per_cell=config.cores_per_cell)  # refuses more than there are, before the work of a plan
        planning = plan_cells(
            wanted, base=base, measure=config.dry_run, protocol=study.protocol, num_cores=config.cores_per_cell
        )
        _check_plans(wanted, planning)
        return planning

    if config.dry_run:
        every = with_search(study, settings, cells, out=out)
        check_folder(study, every, base=content, out=out)
        planning = plan(every)
        num_at_once = 1 if config.executor == "ray" else len(_places(config, planning))
        print_plan(study, every, planning.plans, out=out, num_at_once=num_at_once, errors=planning.errors)
        return 1 if planning.errors else 0

    def prepare(to_run: Sequence[Cell]) -> Preparation:
        planning = plan(to_run)
        return _executor(config, planning, out=out), planning.plans

    num_failed = run_study(study, cells, base=content, out=out, prepare=prepare, mixed=config.mixed)
    return 1 if num_failed else 0


def _find_base(name: str, *, configs: list[Any]) -> Path:
    """Return the base config: from here, beside the study's own file, or packaged."""
    beside = [Path(str(config)).parent / name for config in configs]
    found = next((path for path in [Path(name), *beside] if path.is_file()), None)
    return found or Path(find_config(name, setting="base:"))


def _report(words: list[str]) -> int:
    parser = CommandParser(
        prog="videogn ablate report", description="Writes a study's report again, from what its folder holds now."
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="folder of the study")
    parser.add_argument("--mixed", action="store_true", help="report results that differ in more than was asked, too")
    given = parser.parse_args(words)
    gathered = gather(given.out)
    print_summary(gathered, paths=write_files(gathered, mixed=given.mixed))
    return 0


def _parser() -> Parser:
    check_all_yaml()
    parser = Parser(prog="videogn ablate", description=DESCRIPTION, formatter_class=Formatter)
    parser.add_argument("--config", "-c", action="config", help="The study: a YAML file of the settings below.")
    parser.add_class_arguments(Study, None)
    parser.add_argument(
        "--out", type=str | None, default=None, help="Folder of the study (default: studies/NAME, by the study's file)."
    )
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="Check, measure and print the cells; run nothing."
    )
    parser.add_argument("--executor", type=Literal["local", "ray"], default="local", help="Where the cells run.")
    parser.add_argument("--gpus_per_cell", type=int | None, default=None, help="GPUs of a cell.")
    parser.add_argument("--cores_per_cell", type=int | None, default=None, help="Processor cores of a cell.")
    parser.add_argument(
        "--mixed", action="store_true", help="Keep results of other code, data or protocols beside new ones."
    )
    return parser


def _check_plans(cells: Sequence[Cell], planning: Planning) -> None:
    """Refuse a study with cells that `videogn fit` would refuse."""
    refused: dict[str, list[str]] = {}
    for cell in cells:
        plan = planning.plans.get(cell.name)
        if plan is None:
            refused.setdefault(planning.errors[cell.name], []).append(cell.name)
            continue
        asked, planned = ((sizes.norm, sizes.device, sizes.total) for sizes in (cell.batches, plan.sizes))
        if planned != asked and not NORMS[cell.norm].over_devices:
            reason = (
                "videogn fit would run with normalisation, device and total batch {}, {}, {}, and the study asks for "
                "{}, {}, {}"
            ).format(*planned, *asked)
            refused.setdefault(reason, []).append(cell.name)
    if refused:
        raise UsageError("; ".join(f"{_some(names, of=len(cells))}: {reason}" for reason, names in refused.items()))


def _some(names: list[str], *, of: int) -> str:
    """Return which cells are meant, in few words."""
    if len(names) == of > 1:
        return "all cells"
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"


def _gpus_per_cell(config: Any, planning: Planning) -> int | None:
    if config.gpus_per_cell is None and planning.num_gpus:
        return max(plan.sizes.num_devices for plan in planning.plans.values())
    return config.gpus_per_cell


def _places(config: Any, planning: Planning) -> list[Place]:
    return places_here(
        num_gpus=planning.num_gpus,
        gpus_per_cell=_gpus_per_cell(config, planning),
        cores_per_cell=config.cores_per_cell,
    )


def _executor(config: Any, planning: Planning, *, out: Path) -> Executor:
    if config.executor == "local":
        return LocalExecutor(_places(config, planning))
    from videogn.ablation.running.ray_executor import RayExecutor

    return RayExecutor(out=out, cores_per_cell=config.cores_per_cell, gpus_per_cell=_gpus_per_cell(config, planning))
