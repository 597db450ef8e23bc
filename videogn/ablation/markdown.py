"""The report in words and tables: what was asked, what came out, and what to beware of."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videogn.ablation.numbers import deviation_text, megabytes_text, number_text
from videogn.ablation.outcome import Outcome
from videogn.ablation.study import Study
from videogn.ablation.summary import Point, coverage_text, points_of, protocol_text, status_of, warnings_of

_BATCHES = {
    "accumulation": "the forward holds exactly the normalisation batch, for every norm",
    "split": "batch norm splits this forward into groups of the normalisation batch",
}


def report_markdown(study: Study, outcomes: Sequence[Outcome], *, out: Path, picture: str | None) -> str:
    """Return the report as Markdown.

    Args:
        study: What was asked.
        outcomes: What became of each cell.
        out: The study's folder, for the command that runs it again.
        picture: File name of the picture, or None where there is none.
    """
    points = points_of(study, outcomes)
    parts = ["# Error against normalisation batch", *_notices(outcomes), *_question(study)]
    parts += ["## Answer", _scope(study, outcomes), _matrix(study, points)]
    parts += (
        [f"![Error against normalisation batch]({picture})"] if picture else ["No picture: there is no mean to draw."]
    )
    parts += ["Beside every accuracy, what it is of:", _point_table(points)]
    parts += ["## Cells", _cell_table(outcomes), *_failures(outcomes)]
    parts += ["## Run it again", *_rerun(out)]
    return "\n\n".join(parts) + "\n"


def _notices(outcomes: Sequence[Outcome]) -> list[str]:
    notices = [f"> **WARNING: {warning}**" for warning in warnings_of(outcomes)]
    if any(outcome.state != "done" for outcome in outcomes):
        unfinished = ", ".join(f"{o.cell.name} ({_STATE_WORDS[o.state]})" for o in outcomes if o.state != "done")
        notices.append(f"> **PARTIAL REPORT: {status_of(outcomes)}.** Without a result: {unfinished}.")
    return notices


_STATE_WORDS = {"done": "done", "failed": "failed", "missing": "not run"}


def _question(study: Study) -> list[str]:
    rows = [
        ("runs", f"`{study.base}`"),
        ("norms", ", ".join(study.norms)),
        ("normalisation batches", ", ".join(map(str, study.norm_batch_sizes))),
        ("seeds", ", ".join(map(str, study.seeds))),
        ("small batches by", study.vary),
        ("protocol", "as in the base config" if study.protocol is None else study.protocol),
        ("further settings", _settings_text(study.settings)),
        *((f"settings of {norm}", _settings_text(settings)) for norm, settings in study.norm_settings.items()),
    ]
    device = "the normalisation batch" if study.vary == "accumulation" else f"{study.forward_batch_size}"
    sizes = ", ".join(map(str, sorted(study.norm_batch_sizes, reverse=True)))
    return [
        "## What was asked",
        _table(("", ""), rows),
        "Three batch sizes:",
        f"- *normalisation batch*, clips that share one set of batch statistics: {sizes}. This is what varies.\n"
        f"- *device batch*, clips in one forward: {device} ({_BATCHES[study.vary]}).\n"
        f"- *total batch*, clips per optimiser step: {study.total_batch_size} in every cell, and with it learning rate "
        "and number of updates.",
    ]


def _settings_text(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={json.dumps(value)}`" for name, value in settings.items()) or "none"


def _scope(study: Study, outcomes: Sequence[Outcome]) -> str:
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if not results:
        return "No cell is done: there is no answer yet."
    return (
        f"Top-1 accuracy in percent, mean ± sample standard deviation over seeds; protocol: {protocol_text(results)}; "
        f"videos scored / expected: {coverage_text(results)}."
        + (" One seed: how much a result differs from seed to seed is not known." if len(study.seeds) == 1 else "")
    )


def _matrix(study: Study, points: Sequence[Point]) -> str:
    sizes = sorted(study.norm_batch_sizes, reverse=True)
    rows = []
    for norm in study.norms:
        line = [point for point in points if point.norm == norm]
        label = norm.upper() + (" (same run by construction)" if any(point.is_shared for point in line) else "")
        rows.append((label, *(_matrix_entry(point, num_seeds=len(study.seeds)) for point in line)))
    return _table(("norm \\ normalisation batch", *map(str, sizes)), rows)


def _matrix_entry(point: Point, *, num_seeds: int) -> str:
    if point.is_mixed:
        return "not averaged: mixed"
    if point.top1 is None:
        return "-"
    deviation = "" if point.top1_deviation is None else f" ± {point.top1_deviation:.2f}"
    return f"{point.top1:.2f}{deviation} ({_seeds_text(point, num_seeds=num_seeds)})"


def _seeds_text(point: Point, *, num_seeds: int) -> str:
    num_done = len(point.results)
    word = "seed" if num_seeds == 1 else "seeds"
    return f"{num_done} {word}" if num_done == num_seeds else f"{num_done} of {num_seeds} {word}"


def _point_table(points: Sequence[Point]) -> str:
    head = (
        "norm",
        "normalisation batch",
        "top-1",
        "error",
        "std",
        "seeds",
        "top-5",
        "videos scored / expected",
        "protocol",
    )
    rows = [
        (
            point.norm.upper() + (" (same run by construction)" if point.is_shared else ""),
            str(point.norm_batch_size),
            "not averaged: mixed" if point.is_mixed else number_text(point.top1),
            number_text(None if point.top1 is None else 100 - point.top1),
            deviation_text(point.top1_deviation),
            f"{len(point.results)} of {len(point.outcomes)}",
            number_text(point.top5),
            coverage_text(point.results),
            protocol_text(point.results),
        )
        for point in points
    ]
    return _table(head, rows)


def _cell_table(outcomes: Sequence[Outcome]) -> str:
    head = (
        "cell",
        "state",
        "top-1",
        "top-5",
        "videos scored / expected",
        "protocol",
        "steps",
        "train s",
        "test s",
        "peak MiB",
    )
    rows = []
    for outcome in outcomes:
        result = outcome.result
        if result is None:
            reason = f"failed: {outcome.failure.reason}" if outcome.failure else "not run"
            rows.append((outcome.cell.name, reason, *["-"] * 8))
            continue
        rows.append(
            (
                outcome.cell.name,
                "done",
                number_text(result.top1),
                number_text(result.top5),
                coverage_text([result]),
                protocol_text([result]),
                number_text(result.steps, digits=0),
                number_text(result.train_seconds, digits=1),
                number_text(result.test_seconds, digits=1),
                megabytes_text(result.peak_memory_bytes),
            )
        )
    return _table(head, rows)


def _failures(outcomes: Sequence[Outcome]) -> list[str]:
    parts = []
    for outcome in outcomes:
        failure = outcome.failure
        if failure is None:
            continue
        parts.append(
            f"**{outcome.cell.name}** failed in `{failure.stage}`, exit status {failure.exit_status}; "
            f"the end of `cells/{outcome.cell.name}/log.txt`:"
        )
        # Indented, not fenced: whatever a log holds, it cannot end the block.
        parts.append("\n".join(f"    {line}" for line in failure.log_tail) or "    (nothing)")
    if parts:
        parts.append(
            "A failed cell is tried again when the command is run again: from its test on where its training had "
            "ended; delete its folder to train it anew."
        )
    return parts


def _rerun(out: Path) -> list[str]:
    folder = shlex.quote(str(out))
    study = shlex.quote(str(out / "study.json"))
    return [
        f"    videogn ablate --config {study} --out {folder}",
        "Cells that are done are kept; add norms, batches or seeds to extend the study.",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_entry(text) for text in line) + " |" for line in lines)


def _entry(text: str) -> str:
    """Return text that cannot end a table's field or line, nor open HTML."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
