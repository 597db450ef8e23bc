"""The report's files: report.csv, report.json, report.md and error.png, from what became of the cells."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videogn.ablation.atomic import write_atomically
from videogn.ablation.figure import draw_error
from videogn.ablation.markdown import report_markdown
from videogn.ablation.outcome import Outcome
from videogn.ablation.study import Study
from videogn.ablation.summary import points_of, status_of, warnings_of

_RESULT_FIELDS = (
    "top1",
    "top5",
    "loss",
    "protocol",
    "num_videos_scored",
    "num_videos_expected",
    "dataset_fingerprint",
    "steps",
    "train_seconds",
    "test_seconds",
    "peak_memory_bytes",
)


def write_report(study: Study, cells: Sequence[Outcome], out: Path) -> dict[str, Path]:
    """Write the report of a study, whole or partial, each file in one stroke.

    Args:
        study: What was asked.
        cells: What became of each cell.
        out: The study's folder.

    Returns:
        The files written, of "csv", "json", "markdown" and "picture"; no picture where no cell is done.
    """
    paths = {
        "csv": out / "report.csv",
        "json": out / "report.json",
        "markdown": out / "report.md",
        "picture": out / "error.png",
    }
    notices = [] if all(cell.state == "done" for cell in cells) else [f"PARTIAL: {status_of(cells)}"]
    if warnings_of(cells):
        notices.append("BEWARE: runs differ in more than was asked, see the warnings in the report")
    picture = draw_error(study, points_of(study, cells), notices=notices)
    if picture is None:
        paths.pop("picture").unlink(missing_ok=True)
    else:
        write_atomically(paths["picture"], picture)
    rows = report_rows(study, cells)
    text = report_markdown(study, cells, out=out, picture="error.png" if picture else None)
    write_atomically(paths["csv"], _csv(rows).encode())
    write_atomically(paths["json"], (json.dumps(_figures(study, cells, rows), indent=2) + "\n").encode())
    write_atomically(paths["markdown"], text.encode())
    return paths


def report_rows(study: Study, cells: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return a row for each norm, normalisation batch and seed; None for what is not known.

    A run that stands for every normalisation batch has a row at each, with the same `cell`.
    """
    rows = []
    for point in points_of(study, cells):
        for outcome in point.outcomes:
            rows.append(
                {
                    "cell": outcome.cell.name,
                    "norm": point.norm,
                    "norm_batch_size": point.norm_batch_size,
                    "same_run_by_construction": outcome.cell.is_shared,
                    "device_batch_size": outcome.cell.device_batch_size,
                    "total_batch_size": outcome.cell.total_batch_size,
                    "seed": outcome.cell.seed,
                    "state": outcome.state,
                    **{name: getattr(outcome.result, name, None) for name in _RESULT_FIELDS},
                    "failure": None if outcome.failure is None else outcome.failure.reason,
                }
            )
    return rows


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _figures(study: Study, cells: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "status": status_of(cells),
        "warnings": warnings_of(cells),
        "points": [
            {
                "norm": point.norm,
                "norm_batch_size": point.norm_batch_size,
                "same_run_by_construction": point.is_shared,
                "top1": point.top1,
                "top1_deviation": point.top1_deviation,
                "top5": point.top5,
                "num_seeds": len(point.results),
            }
            for point in points_of(study, cells)
        ],
        "cells": list(rows),
    }
