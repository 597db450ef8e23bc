"""What the report says, in its order: the answer first, then what it is of, then how it was made."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence

from videogn.ablation.axes import value_text
from videogn.ablation.cells import cell_folder
from videogn.ablation.report.caveats import again_command, cells_by_value, cells_by_version, places_text
from videogn.ablation.report.document import (
    Block,
    Bullets,
    Code,
    Details,
    Document,
    Facts,
    Notice,
    Paragraph,
    Picture,
    Section,
)
from videogn.ablation.report.drawing import Drawing
from videogn.ablation.report.material import Material
from videogn.ablation.report.paper import other_totals_text
from videogn.ablation.report.points import policy_note, status_of
from videogn.ablation.report.question import asked_facts, batch_facts, title_of, what_stays
from videogn.ablation.report.starts import starts_text
from videogn.ablation.report.tables import accuracy_table, cell_table, cost_table
from videogn.ablation.report.words import counted
from videogn.training.result import Result


def document_of(material: Material, *, error: Drawing | None, curves: Drawing | None) -> Document:
    """Return the report.

    Args:
        material: What the study's folder says.
        error: The figure of the answer, where there is one.
        curves: The figure of the trainings, where there is one.
    """
    study = material.study
    sections = [
        Section("Findings", _findings(material)),
        Section("Accuracy", _accuracy(material, error)),
        *([Section("While training", (_picture("curves.png", curves),))] if curves else []),
        Section("Question", _question(material)),
        Section("Cost", (cost_table(material),)),
        Section("Cells", (cell_table(material), *_failures(material))),
        Section("Provenance", _provenance(material)),
    ]
    return Document(
        title=title_of(study),
        lead=f"{counted(len(material.points), 'setting')} × {counted(len(study.seeds), 'seed')}, "
        f"runs of {study.base}, comparison {study.comparison}",
        status=status_of(material.outcomes),
        is_complete=material.is_complete,
        notices=_notices(material),
        sections=tuple(sections),
    )


def _notices(material: Material) -> tuple[Notice, ...]:
    notices = [
        Notice("NOT COMPARABLE", f"{sentence} These results do not belong in one table.", True)
        for sentence in material.mixture
    ]
    notices += [Notice("WARNING", warning, True) for warning in material.warnings]
    if not material.is_complete:
        words = {"failed": "failed", "stopped": "begun", "waiting": "not run"}
        unfinished = ", ".join(f"{o.cell.name} ({words[o.state]})" for o in material.outcomes if o.state != "done")
        text = f"{status_of(material.outcomes)}. Without a result: {unfinished}."
        notices.append(Notice("PARTIAL REPORT", text, False))
    return tuple(notices)


def _findings(material: Material) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if material.findings.sentences:
        blocks.append(Bullets(material.findings.sentences, is_main=True))
    return (*blocks, *(Paragraph(note, is_aside=True) for note in material.findings.notes))


def _accuracy(material: Material, error: Drawing | None) -> tuple[Block, ...]:
    blocks: list[Block] = [_picture("error.png", error)] if error else [Paragraph("There is no mean to draw.")]
    blocks.append(accuracy_table(material))
    beside = [(r, p.outcomes[0].cell) for p in material.points if (r := material.paper_row(p)) is not None]
    for source in dict.fromkeys(f"{row.source}; on {row.dataset}" for row, _ in beside):
        total = other_totals_text((row, cell) for row, cell in beside if f"{row.source}; on {row.dataset}" == source)
        note = f"Paper: {source}{'' if total is None else f'; {total}'}."
        blocks.append(Paragraph(f"{note} Its data and trainings, not ours: compare the pattern.", is_aside=True))
    notes = [material.paper_note, policy_note(o.result for o in material.outcomes if o.result is not None)]
    blocks += [Paragraph(note, is_aside=True) for note in notes if note is not None]
    return tuple(blocks)


def _picture(name: str, drawing: Drawing) -> Picture:
    return Picture(name, drawing.description, drawing.caption, drawing.svg)


def _question(material: Material) -> tuple[Block, ...]:
    cells = [outcome.cell for outcome in material.outcomes]
    return (
        Paragraph(what_stays(material.study, material.outcomes)),
        asked_facts(material.study, material.outcomes),
        Paragraph("Three batch sizes, in clips:"),
        batch_facts(material.study, cells),
    )


def _failures(material: Material) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for outcome in material.outcomes:
        failure = outcome.failure
        if failure is None or outcome.cell.same_as is not None:
            continue
        log = cell_folder(outcome.cell, out=material.out) / "log.txt"
        blocks.append(
            Details(
                f"{outcome.cell.name}: {failure.kind} in {failure.stage}, exit status {failure.exit_status}; the end "
                f"of {log}",
                (Code(tuple(failure.log_tail) or ("(nothing)",)),),
            )
        )
    if blocks:
        blocks.append(Paragraph("A cell that failed is tried again when the command is run again.", is_aside=True))
    return tuple(blocks)


def _provenance(material: Material) -> tuple[Block, ...]:
    study, out = material.study, material.out
    one_each = [outcome for outcome in material.outcomes if outcome.cell.same_as is None]
    facts = [
        ("study", str(out / "study.json")),
        ("base config", f"{out / 'base.yaml'}, SHA-256 {hashlib.sha256(material.base).hexdigest()[:16]}"),
        ("code that trained", _values_text(cells_by_value(one_each, lambda r: r.code_pair and r.code_pair[0]))),
        ("code that tested", _values_text(cells_by_value(one_each, lambda r: r.code_pair and r.code_pair[1]))),
        ("fingerprint of the test data", _values_text(cells_by_value(one_each, lambda r: r.dataset_fingerprint))),
        ("fingerprint of the training data", _values_text(cells_by_value(one_each, lambda r: r.train_fingerprint))),
        ("seeds", ", ".join(map(str, study.seeds))),
        ("started from", starts_text(material.points) or "scratch"),
        ("trained on", _values_text(cells_by_value(one_each, _device_text), is_named=True)),
    ]
    versions = [f"{name} {_values_text(cells)}" for name, cells in cells_by_version(one_each).items()]
    facts += [("versions", ", ".join(versions))] if versions else []
    settings = Code(tuple(f"{name}: {value_text(value)}" for name, value in sorted(study.settings.items())))
    commands = Code(tuple(again_command(study, outcome.cell, out=out) for outcome in one_each))
    again = f"videogn ablate --config {shlex.quote(str(out / 'study.json'))} --out {shlex.quote(str(out))}"
    return (
        Facts(tuple(facts)),
        *([Details("Settings that every run was given", (settings,))] if study.settings else []),
        Details(f"One command per run that makes it again ({len(one_each)})", (*_working_folder(material), commands)),
        Paragraph("Going on with this study, or extending it by seeds and levels (results that are there are kept):"),
        Code((again,)),
        Paragraph("The figures behind all this: report.csv (a row for every setting and seed) and report.json."),
    )


def _working_folder(material: Material) -> tuple[Block, ...]:
    """Return where the commands are to be run, where that matters: a base config's own paths may be relative."""
    if material.out.is_absolute() and all(
        (cell_folder(outcome.cell, out=material.out) / "config.yaml").exists() for outcome in material.outcomes
    ):
        return ()
    text = "To be run in the folder in which the study was run, as paths in them are relative to it."
    return (Paragraph(text, is_aside=True),)


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
