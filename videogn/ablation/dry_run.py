"""A study said before it runs: its cells, what they would take, and the commands that make them."""

import heapq
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from videogn.ablation.axes import value_text
from videogn.ablation.cells import Cell, fit_command, score_command
from videogn.ablation.plans import CellPlan
from videogn.ablation.search import candidates_of
from videogn.ablation.sequential import SeedRule
from videogn.ablation.study import Study
from videogn.wording import duration_text

# Columns of a cell's name that others give way to.
_MAX_NAME = 48
# Columns where no terminal says how many it has.
_WIDTH = 140
_PAPER = (
    "paper: a forward holds the normalisation batch, the total batch is that x {devices} device{s}, the learning rate "
    "is linear in the total batch, and the schedule says how long a run is."
)
_FIXED_TOTAL = (
    "fixed-total: total batch, learning rate, updates and the order of clips are the same in every cell unless an axis "
    "sets them; a forward is split into normalisation batches."
)


def print_plan(
    study: Study,
    cells: Sequence[Cell],
    plans: Mapping[str, CellPlan],
    *,
    out: Path,
    num_at_once: int,
    errors: Mapping[str, str] | None = None,
) -> None:
    """Print the cells, what the study would take, and its commands.

    Args:
        cells: Its cells, in order; of seeds that are added by a rule, the first are shown.
    """
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, markup=False, emoji=False, highlight=False)
    if study.title:
        console.print(study.title, style="bold")
    rule = study.seed_rule
    first = cells if rule is None else [cell for cell in cells if cell.seed < rule.start]
    console.print(_table(first, plans))
    for line in _totals(study, first, plans, num_at_once=num_at_once):
        console.print(line)
    if rule is not None:
        console.print(_most_text(rule, cells, plans, num_at_once=num_at_once))
    for name, error in (errors or {}).items():
        console.print(f"{name} can't run: {error}", style="red")
    console.print(f"\nThe commands, a cell's result in {out / 'cells'}/NAME:")
    for cell in first:
        if cell.same_as is None and not cell.is_open:
            print(f"\n# {cell.label}")
            for words in _commands(study, cell, out=out):
                print(shlex.join(words))
    if rule is not None:
        print(f"\n# And so on with --seed_everything {rule.start}, as long as seeds are added.")


def side_by_side_seconds(seconds: Iterable[float], *, num_at_once: int) -> float:
    """Return when the last of several runs ends, each begun in order as soon as one of the places is free."""
    places = [0.0] * num_at_once
    for each in seconds:
        heapq.heapreplace(places, places[0] + each)
    return max(places)


def _table(cells: Sequence[Cell], plans: Mapping[str, CellPlan]) -> Table:
    table = Table(header_style="bold", box=SIMPLE_HEAD)
    table.add_column("cell", overflow="fold", min_width=min(_MAX_NAME, max(len(cell.name) for cell in cells)))
    for axis in cells[0].labels:
        table.add_column(axis.rsplit(".", 1)[-1].replace("norm_batch_size", "normalisation batch"), overflow="fold")
    for heading in ("peak lr", "updates (epochs)", "batch: norm / device / total", "time", "memory"):
        table.add_column(heading, justify="right")
    for cell in cells:
        plan = plans.get(cell.name)
        row = [cell.name, *cell.labels.values(), *(_figures(plan) if plan else ["-"] * 5)]
        if cell.same_as:
            row[-2:] = [f"= {cell.same_as}", ""]
        elif cell.is_open:
            row[-5] = "as chosen"
        table.add_row(*row, style="dim" if cell.same_as else None)
    return table


def _figures(plan: CellPlan) -> list[str]:
    seconds = _seconds(plan)
    return [
        f"{plan.learning_rate:g}",
        f"{plan.num_steps:,} ({plan.num_epochs:,.4g})",
        f"{plan.sizes.norm or '-'} / {plan.sizes.device} / {plan.sizes.total}",
        "-" if seconds is None else duration_text(seconds),
        "-" if plan.peak_memory_bytes is None else f"{plan.peak_memory_bytes / 2**30:.2f} GiB",
    ]


def _seconds(plan: CellPlan | None) -> float | None:
    """Return the time of training and test."""
    if plan is None or plan.fit_seconds is None or plan.test_seconds is None:
        return None
    return plan.fit_seconds + plan.test_seconds


def _totals(study: Study, cells: Sequence[Cell], plans: Mapping[str, CellPlan], *, num_at_once: int) -> list[str]:
    runs = [cell for cell in cells if cell.same_as is None]
    num_equal = len(cells) - len(runs)
    lines = [
        f"{len(cells)} cells: {len(runs)} run{'' if len(runs) == 1 else 's'}"
        + (
            f", and {num_equal} that are the same computation as another (=) and are not run again."
            if num_equal
            else "."
        )
    ]
    lines.append(
        _PAPER.format(devices=study.num_devices, s="" if study.num_devices == 1 else "s")
        if study.comparison == "paper"
        else _FIXED_TOTAL
    )
    if study.tune:
        lines += _search_lines(study, runs)
    time = _time_text([runs], plans, num_at_once=num_at_once)
    return lines if time is None else [*lines, f"Estimated from one measured step and one scored video: {time}."]


def _most_text(rule: SeedRule, cells: Sequence[Cell], plans: Mapping[str, CellPlan], *, num_at_once: int) -> str:
    """Return what a study takes at most whose seeds are added by a rule; what it takes at least is said above."""
    runs = [cell for cell in cells if cell.same_as is None]
    groups = [[cell for cell in runs if cell.seed < rule.start]]
    groups += [[cell for cell in runs if cell.seed == seed] for seed in rule.seeds[rule.start :]]
    time = _time_text(groups, plans, num_at_once=num_at_once)
    return (
        f"That is the least: seeds are added one at a time until decided (apart, or within ± {rule.until:g} points), "
        f"{rule.at_most} at most, which are {len(runs)} runs{'' if time is None else f', {time}'}."
    )


def _time_text(groups: Sequence[Sequence[Cell]], plans: Mapping[str, CellPlan], *, num_at_once: int) -> str | None:
    """Return how long groups of runs take, of which each begins when the last has ended; None where it isn't known."""
    known = [[s for cell in group if (s := _seconds(plans.get(cell.name))) is not None] for group in groups]
    if not any(known):
        return None
    text = f"{duration_text(sum(map(sum, known)))} one after the other"
    if num_at_once > 1:
        apart = sum(side_by_side_seconds(group, num_at_once=num_at_once) for group in known)
        text += f", at best {duration_text(apart)} with {num_at_once} at once"
    missing = sum(map(len, groups)) - sum(map(len, known))
    return f"{text}, without the {missing} that could not be measured" if missing else text


def _search_lines(study: Study, runs: Sequence[Cell]) -> list[str]:
    """Return what a search tries, how many runs that is, and what judges."""
    tuning = [cell for cell in runs if cell.kind == "tuning"]
    best = [cell for cell in runs if cell.kind == "best"]
    values = "; ".join(f"{name} {', '.join(map(value_text, tried))}" for name, tried in study.tune.items())
    num_candidates, num_seeds = len(candidates_of(study.tune)), len(study.tuning_seeds)
    judges = {
        "a fifth of the training list, held out" if "data.hold_out" in cell.settings else "the validation list"
        for cell in tuning
    }
    return [
        f"Of these runs, {len(tuning)} are a search: every setting tries {values} on tuning seeds "
        f"{', '.join(map(str, study.tuning_seeds))}, {num_candidates} × {num_seeds} = {num_candidates * num_seeds} "
        f"runs each, judged on {' or '.join(sorted(judges))}; no result is of these seeds and videos.",
        f"{len(best)} are results of settings at their best; they run when that is chosen, and those whose best is the "
        "base config's are not run again.",
    ]


def _commands(study: Study, cell: Cell, *, out: Path) -> list[list[str]]:
    """Return the words that train and score a cell; the base config is named as it is: OUT has no copy of it yet."""
    words = ("videogn",)
    fit = fit_command(cell, out=out, base=study.base, command=words)
    return [fit, score_command(study, cell=cell, out=out, command=words)]
