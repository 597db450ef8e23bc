"""What the report says, in its order, as Markdown: the answer first, then what it is of, then how it was made."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence

from videogn import page
from videogn.ablation.axes import value_text
from videogn.ablation.cells import cell_folder
from videogn.ablation.report.caveats import again_command, cells_by_value, cells_by_version, places_text
from videogn.ablation.report.comparisons import comparison_table
from videogn.ablation.report.findings import Findings
from videogn.ablation.report.frontier import frontier_text, panels_of
from videogn.ablation.report.gather import Gathered, answers_of
from videogn.ablation.report.paper import other_totals_text
from videogn.ablation.report.points import cost_text, status_of
from videogn.ablation.report.question import (
    asked_facts,
    batch_facts,
    policy_note,
    seeds_text,
    starts_text,
    title_of,
    what_stays,
)
from videogn.ablation.report.tables import accuracy_table, cell_table, cost_table
from videogn.ablation.report.tuned import choice_facts, search_facts, search_table, tuning_outcomes, wider_search
from videogn.drawing import Drawing
from videogn.training.result import Result
from videogn.wording import counted, listed

_MOST_NAMES = 12  # of runs without a result, those that failed first; report.json has all


def document_of(
    gathered: Gathered,
    *,
    error: Drawing | None,
    curves: Drawing | None,
    cost: Drawing | None,
    search: Drawing | None = None,
) -> str:
    """Return the report as Markdown."""
    study, status = gathered.study, status_of(gathered.outcomes)
    seeds = counted(len(gathered.points[0].outcomes), "seed") + (" × 2 answers" if gathered.best else "")
    lead = (
        f"{counted(len(gathered.points), 'setting')} × {seeds}, runs of {study.base}, "
        f"comparison {study.comparison}; {status if gathered.is_complete else f'partial: {status}'}; cost: "
        f"{cost_text(gathered.every_outcome)}"
    )
    sections = {
        "Findings": _findings(gathered),
        "Accuracy": _accuracy(gathered, error),
        "Comparisons": _comparisons(gathered),
        "Search": _search(gathered, search),
        "While training": [_picture("curves.png", curves)] if curves else [],
        "Question": _question(gathered),
        "Cost": _cost(gathered, cost),
        "Cells": [page.table(cell_table(gathered)), *_failures(gathered)],
        "Provenance": _provenance(gathered),
    }
    parts = [f"# {page.text(title_of(study))}", page.paragraph(lead)]
    parts += _notices(gathered)
    for title, blocks in sections.items():
        parts += [f"## {title}", *blocks] if blocks else []
    return "\n\n".join(parts) + "\n"


def _notices(gathered: Gathered) -> list[str]:
    notices = [
        page.notice("NOT COMPARABLE", f"{sentence} These results do not belong in one table.")
        for sentence in gathered.mixture
    ]
    notices += [page.notice("WARNING", warning) for warning in gathered.warnings]
    if not gathered.is_complete:
        words = {"failed": "failed", "stopped": "begun", "waiting": "not run"}
        missing = [o for o in gathered.outcomes if o.state in words and o.cell.same_as is None]
        missing.sort(key=lambda o: list(words).index(o.state))
        names = [f"{o.cell.name} ({words[o.state]})" for o in missing]
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        text = f"{status_of(gathered.outcomes)}. Without a result: {', '.join(names[:_MOST_NAMES])}{more}."
        notices.append(page.notice("PARTIAL REPORT", text))
    return notices


def _findings(gathered: Gathered) -> list[str]:
    blocks = []
    for head, answer in answers_of(gathered):
        blocks += [*([f"### {head}"] if gathered.best is not None else []), *_found(answer.findings)]
    return blocks


def _found(findings: Findings) -> list[str]:
    return [
        *([page.paragraph(findings.sure)] if findings.sure is not None else []),
        *([page.bullets(findings.sentences)] if findings.sentences else []),
        *map(page.note, findings.notes),
    ]


def _comparisons(gathered: Gathered) -> list[str]:
    blocks = []
    for head, answer in answers_of(gathered):
        table = comparison_table(answer, bound=gathered.study.equivalence)
        if table is not None:
            blocks += [*([f"### {head}"] if gathered.best is not None else []), page.table(table)]
    return blocks


def _search(gathered: Gathered, drawing: Drawing | None) -> list[str]:
    if gathered.best is None:
        return []
    wider = wider_search(gathered.study, gathered.searches)
    return [
        page.facts(search_facts(gathered.study, gathered.searches, gathered.outcomes)),
        *([_picture("search.png", drawing)] if drawing else []),
        page.table(search_table(gathered.study, gathered.searches)),
        *(["To widen the search:", page.code([again_text(gathered, *wider)])] if wider else []),
    ]


def _accuracy(gathered: Gathered, error: Drawing | None) -> list[str]:
    blocks = [_picture("error.png", error) if error else "There is no mean to draw."]
    blocks.append(page.table(accuracy_table(gathered)))
    cells = {point.levels: point.outcomes[0].cell for point in gathered.points}
    beside = [(row, cells[levels]) for levels, row in gathered.paper.items()]
    for source in dict.fromkeys(f"{row.source}; on {row.dataset}" for row, _ in beside):
        total = other_totals_text((row, cell) for row, cell in beside if f"{row.source}; on {row.dataset}" == source)
        note = f"Paper: {source}{'' if total is None else f'; {total}'}."
        blocks.append(page.note(f"{note} Its data and trainings, not ours: compare the pattern."))
    notes = [gathered.paper_note, policy_note(o.result for o in gathered.outcomes if o.result is not None)]
    return blocks + [page.note(note) for note in notes if note is not None]


def _cost(gathered: Gathered, cost: Drawing | None) -> list[str]:
    sentences = [frontier_text(panel) for panel in panels_of(gathered.points)]
    sure = "Means alone make a frontier; which differences are findings is said above."
    own = "All of this is of the runs at the same settings; what the search cost stands with it."
    return [
        *([page.note(own)] if gathered.best is not None else []),
        *([page.bullets(sentences), page.note(sure)] if sentences else []),
        *([_picture("cost.png", cost)] if cost else []),
        page.table(cost_table(gathered)),
    ]


def _picture(name: str, drawing: Drawing) -> str:
    return page.picture(name, description=drawing.description, caption=drawing.caption)


def _question(gathered: Gathered) -> list[str]:
    cells = [outcome.cell for outcome in gathered.outcomes]
    return [
        page.paragraph(what_stays(gathered.study, gathered.outcomes) + _what_is_tuned(gathered)),
        page.facts(asked_facts(gathered.study, gathered.outcomes)),
        "Which videos each choice was made on:",
        page.facts(choice_facts(gathered.study, gathered.searches, gathered.outcomes)),
        "Three batch sizes, in clips:",
        page.facts(batch_facts(gathered.study, cells)),
    ]


def _what_is_tuned(gathered: Gathered) -> str:
    if gathered.best is None:
        return ""
    return f" At each setting's best, {listed(list(gathered.study.tune))} is what its own search chose instead."


def _failures(gathered: Gathered) -> list[str]:
    blocks = []
    for outcome in gathered.every_outcome:
        failure = outcome.failure
        if failure is None or outcome.cell.same_as is not None:
            continue
        log = cell_folder(outcome.cell, out=gathered.out) / "log.txt"
        what = f"{outcome.cell.name}: {failure.kind} in {failure.stage}, exit status {failure.exit_status}"
        blocks.append(page.details(f"{what}; the end of {log}", page.code(failure.log_tail or ["(nothing)"])))
    if blocks:
        look, again = gathered.look, "is tried again when the command is run again."
        what = f"A cell that failed {again}"
        if look is not None and look.is_over:
            what = "A cell that failed counts as such: the study is decided, and nothing more is run."
            if look.num_given_up:
                what = f"A cell that failed of a comparison without results {again}"
        blocks.append(page.note(what))
    return blocks


def _provenance(gathered: Gathered) -> list[str]:
    study, out = gathered.study, gathered.out
    one_each = [outcome for outcome in gathered.outcomes if outcome.cell.same_as is None]
    facts = [
        ("study", str(out / "study.json")),
        ("base config", f"{out / 'base.yaml'}, SHA-256 {hashlib.sha256(gathered.base).hexdigest()[:16]}"),
        ("code that trained", _values_text(cells_by_value(one_each, lambda r: r.code_pair and r.code_pair[0]))),
        ("code that tested", _values_text(cells_by_value(one_each, lambda r: r.code_pair and r.code_pair[1]))),
        ("fingerprint of the test data", _values_text(cells_by_value(one_each, lambda r: r.dataset_fingerprint))),
        ("fingerprint of the training data", _values_text(cells_by_value(one_each, lambda r: r.train_fingerprint))),
        ("seeds", seeds_text(study, gathered.outcomes)),
        *([("choices", str(out / "tuning.json"))] if gathered.best else []),
        ("started from", starts_text(gathered.points) or "scratch"),
        ("trained on", _values_text(cells_by_value(one_each, _device_text), is_named=True)),
    ]
    versions = [f"{name} {_values_text(cells)}" for name, cells in cells_by_version(one_each).items()]
    facts += [("versions", ", ".join(versions))] if versions else []
    settings = [f"{name}: {value_text(value)}" for name, value in sorted(study.settings.items())]
    runs = [outcome.cell for outcome in (*one_each, *tuning_outcomes(gathered.searches)) if not outcome.cell.is_open]
    commands = page.code(again_command(study, cell, out=out) for cell in runs)
    return [
        page.facts(facts),
        *([page.details("Settings that every run was given", page.code(settings))] if settings else []),
        page.details(f"One command per run that makes it again ({len(runs)})", *_working_folder(gathered), commands),
        "Going on with this study, or extending it by seeds and levels (results that are there are kept):",
        page.code([again_text(gathered)]),
        "The figures behind all this: report.csv (a row for every setting and seed), "
        "comparisons.csv, report.json, and videos.csv in the folder of each run (a row for every video).",
    ]


def again_text(gathered: Gathered, *more: str) -> str:
    """Return the command that goes on with a study, with further words."""
    out = str(gathered.out)
    return shlex.join(["videogn", "ablate", "--config", str(gathered.out / "study.json"), "--out", out, *more])


def _working_folder(gathered: Gathered) -> list[str]:
    """Return where the commands are to be run, where that matters: a base config's own paths may be relative."""
    if gathered.out.is_absolute() and all(
        (cell_folder(outcome.cell, out=gathered.out) / "config.yaml").exists() for outcome in gathered.outcomes
    ):
        return []
    return [page.note("To be run in the folder in which the study was run, as paths in them are relative to it.")]


def _device_text(result: Result) -> str | None:
    if result.device is None or result.num_devices in (None, 1):
        return result.device
    return f"{result.num_devices} × {result.device}"


def _values_text(cells: Mapping[str, Sequence[str]], *, is_named: bool = False) -> str:
    """Return the one value, or each with how many cells, or which of them, have it."""
    if not cells:
        return "-"
    if len(cells) == 1:
        return next(iter(cells))
    if is_named:
        return places_text(cells)
    return "; ".join(f"{value} ({counted(len(names), 'cell')})" for value, names in cells.items())
