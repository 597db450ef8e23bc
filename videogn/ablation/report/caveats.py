"""What forbids, or limits, reading a study's results together, and how each of them is made again."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from videogn.ablation.axes import value_text
from videogn.ablation.cells import Cell, cell_folder, fit_command
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.length import length_warning
from videogn.ablation.sequential import RULE_FORM
from videogn.ablation.study import Study
from videogn.ablation.study_folder import read_record, seeds_seen
from videogn.training.result import Result
from videogn.wording import listed

_UNKNOWN = "not recorded"
# Settings by which a study may ask for runs of different lengths.
_LENGTH_SETTINGS = ("trainer.max_epochs", "trainer.max_steps", "model.schedule")
# What a training begins with, and the settings by which a study may ask for different ones.
_BEGINNINGS: tuple[tuple[str, Callable[[Result], str | None], tuple[str, ...]], ...] = (
    (
        "THE TRAINING DATA DIFFER (fingerprints of their videos and labels)",
        lambda result: result.train_fingerprint,  # a result that does not say it (older ones don't) is no other data
        ("data.root", "data.train_list"),
    ),
    (
        "THE WEIGHTS THAT RUNS START FROM DIFFER, and their settings name one file (SHA-256)",
        lambda result: result.weights_sha256 or "from scratch",
        ("model.weights",),
    ),
)


def are_mixed(outcomes: Iterable[Outcome]) -> bool:
    """Return whether results are of different data, starts, protocols or code, and so can't be compared or averaged."""
    done = [outcome for outcome in outcomes if outcome.result is not None]
    results = [outcome.result for outcome in done if outcome.result is not None]
    kinds = {(each.dataset_fingerprint, each.protocol_and_policy, each.code_pair) for each in results}
    beginnings = (cells for _, of, settings in _BEGINNINGS for cells in _cells_by_beginning(done, of, settings))
    return len(kinds) > 1 or any(len(cells) > 1 for cells in beginnings)


def mixture_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Return sentences that say which cells differ in what they must have in common; none where all is well."""
    sentences = []
    for what, of in (
        ("THE TEST DATA DIFFER (fingerprints of their videos and labels)", lambda result: result.dataset_fingerprint),
        ("THE PROTOCOLS DIFFER", lambda result: result.protocol_and_policy),
        ("THE CODE DIFFERS (versions that trained / tested)", _code_text),
    ):
        cells = cells_by_value(outcomes, of)
        if len(cells) > 1:
            sentences.append(f"{what}: {places_text(cells)}.")
    for what, of, settings in _BEGINNINGS:
        for cells in _cells_by_beginning((o for o in outcomes if o.cell.same_as is None), of, settings):
            if len(cells) > 1:
                sentences.append(f"{what}: {places_text(cells)}.")
    return sentences


def warnings_of(study: Study, outcomes: Sequence[Outcome], *, out: Path) -> list[str]:
    """Return what limits the results beside a mixture, each as a sentence."""
    warnings = []
    steps = cells_by_value(outcomes, lambda result: result.steps)
    if len(steps) > 1 and study.comparison == "fixed-total" and not _varies_length(study):
        warnings.append(f"The numbers of updates differ, and they should be the same: {places_text(steps)}.")
    warnings += _version_warnings(outcomes)
    seen = seeds_seen(out) or []
    first, added = ([str(s) for s in study.all_seeds if (s in seen) == is_seen] for is_seen in (True, False))
    if first and added:
        warnings.append(
            f"Seeds were added to {listed(first)} when results of these were there: {listed(added)}. Where one looks "
            "at results and then adds seeds, intervals hold less often than they say, and findings are wrong more "
            f"often. A rule for seeds allows for that: seeds: {RULE_FORM}."
        )
    chosen = cells_by_value(outcomes, lambda result: result.chosen_among)
    chosen.pop(_UNKNOWN, None)
    for among, cells in chosen.items():
        warnings.append(
            f"Chosen by the tested videos among {among} validations, so their accuracies are too high: "
            f"{_names_text(cells)}."
        )
    for outcome, result in _done(outcomes):
        name, expected, scored = outcome.cell.name, result.num_videos_expected, result.num_videos_scored
        if expected is not None and scored is not None and scored < expected:
            warnings.append(f"{name}: only {scored} of {expected} videos were scored.")
        warnings += _setup_warnings(outcome.cell, result)
        if result.checkpoint is not None and (tested := Path(result.checkpoint)).stem != study.checkpoint:
            warnings.append(f"{name}: it was tested by its {tested.name}, and {study.checkpoint} was asked for.")
        if (warning := length_warning(study, outcome)) is not None:
            warnings.append(warning)
        began = (read_record(cell_folder(outcome.cell, out=out)) or {}).get("code")
        trained, _ = result.code_pair or (None, None)
        if None not in (began, trained) and began != trained:
            warnings.append(f"{name}: its training began with the code {began} and ended with {trained}.")
    return warnings


def cells_by_value(outcomes: Sequence[Outcome], of: Callable[[Result], Any]) -> dict[str, list[str]]:
    """Return the names of the cells that are done, by a value of their results; a run that stands for several, once."""
    cells: dict[str, list[str]] = {}
    for outcome, result in _done(outcomes):
        value = of(result)
        cells.setdefault(_UNKNOWN if value is None else str(value), []).append(outcome.cell.name)
    return cells


def cells_by_version(outcomes: Sequence[Outcome]) -> dict[str, dict[str, list[str]]]:
    """Return the names of the cells that are done, by the version of each library that they ran with."""
    libraries = dict.fromkeys(name for _, result in _done(outcomes) for name in result.versions)
    return {name: cells_by_value(outcomes, lambda result: result.versions.get(name)) for name in libraries}  # noqa: B023


def places_text(cells: Mapping[str, Sequence[str]]) -> str:
    """Return each value with the cells that have it."""
    return "; ".join(f"{value} in {_names_text(names)}" for value, names in cells.items())


def again_command(study: Study, cell: Cell, *, out: Path) -> str:
    """Return one line for a shell that makes a cell's result again, in a new folder.

    From the run's own config, where there is one: it holds every setting, also those that were defaults then. The new
    folder is called by study and cell.
    """
    own, new = cell_folder(cell, out=out) / "config.yaml", f"runs/{out.resolve().name}-{cell.same_as or cell.name}"
    if own.exists():
        fit = ["videogn", "fit", "--config", str(own), "--run_dir", new]
    else:
        fit = fit_command(cell, out=out, command=("videogn",))
        fit[fit.index("--run_dir") + 1] = new
    test = ["videogn", "test", "--run_dir", new, "--ckpt_path", study.checkpoint]
    test += [] if study.protocol is None else ["--data.protocol", study.protocol]
    return f"{shlex.join(fit)} && {shlex.join(test)}"


def _done(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, Result]]:
    return [(o, o.result) for o in outcomes if o.result is not None and o.cell.same_as is None]


def _cells_by_beginning(
    outcomes: Iterable[Outcome], of: Callable[[Result], str | None], settings: Sequence[str]
) -> list[dict[str, list[str]]]:
    """Return the names of cells by what their trainings began with, for each beginning that the settings ask for."""
    asked: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for outcome in outcomes:
        if outcome.result is not None and (found := of(outcome.result)) is not None:
            wanted = tuple(value_text(outcome.cell.effective.get(name)) for name in settings)
            asked.setdefault(wanted, {}).setdefault(found, []).append(outcome.cell.name)
    return list(asked.values())


def _code_text(result: Result) -> str | None:
    return " / ".join(dict.fromkeys(result.code_pair)) if result.code_pair else None


def _names_text(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def _varies_length(study: Study) -> bool:
    settings = {name for axis in study.parsed_axes for level in axis.levels for name in level.settings}
    settings |= set(study.tune)
    return any(name.startswith(_LENGTH_SETTINGS) for name in settings)


def _version_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    warnings = []
    for library, cells in cells_by_version(outcomes).items():
        if len(cells) > 1:
            warnings.append(f"The versions of {library} differ: {places_text(cells)}.")
    return warnings


def _setup_warnings(cell: Cell, result: Result) -> list[str]:
    """Return where a run says that it was another than its cell asked for."""
    asked = {
        "norm": cell.norm,
        "norm_batch_size": cell.batches.norm,
        "device_batch_size": cell.batches.device,
        "total_batch_size": cell.batches.total,
        "seed": cell.seed,
    }
    said = {name: getattr(result, name) for name in asked}
    return [
        f"{cell.name}: its result.json says {name} {said[name]}, and {value} was asked for."
        for name, value in asked.items()
        if None not in (value, said[name]) and said[name] != value
    ]
