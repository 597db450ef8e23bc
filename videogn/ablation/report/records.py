"""The report for machines: report.csv and report.json; accuracies in percent, null for what is not known."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import again_command
from videogn.ablation.report.comparisons import comparisons_of
from videogn.ablation.report.interactions import interactions_of
from videogn.ablation.report.material import Material
from videogn.ablation.report.points import Point, difference, obstacle, point_at, status_of
from videogn.ablation.report.question import title_of
from videogn.ablation.report.statistics import Estimate

_RESULT_FIELDS = (
    "top1",
    "top5",
    "loss",
    "protocol",
    "num_videos_scored",
    "num_videos_expected",
    "dataset_fingerprint",
    "train_fingerprint",
    "steps",
    "epochs",
    "train_seconds",
    "test_seconds",
    "peak_memory_bytes",
    "weights",
    "weights_sha256",
    "device",
    "num_devices",
)
# Those whose column has another name than the result's property.
_PROPERTIES = {"protocol": "protocol_and_policy", "weights": "weights_file"}
# A float32's noise ends at the digits behind these.
_DIGITS = 4


def rows_of(material: Material) -> list[dict[str, Any]]:
    """Return a row for each point and seed."""
    return [_row(material, outcome) for point in material.points for outcome in point.outcomes]


def report_csv(material: Material) -> str:
    """Return the rows as CSV."""
    rows = rows_of(material)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def report_json(material: Material) -> str:
    """Return points, comparisons, findings and provenance as JSON."""
    study = material.study
    fields = {
        "title": title_of(study),
        "status": status_of(material.outcomes),
        "is_complete": material.is_complete,
        "mixture": list(material.mixture),
        "warnings": list(material.warnings),
        "findings": list(material.findings.sentences),
        "notes": list(material.findings.notes),
        "points": [_point(material, point) for point in material.points],
        "comparisons": [
            {
                "axis": comparison.axis,
                "point": dict(comparison.point.labels),
                "reference": dict(comparison.reference.labels),
                "verdict": comparison.verdict,
                "top1_difference": _estimate(comparison.difference),
            }
            for comparison in comparisons_of(study, material.points)
        ],
        "interactions": [
            {
                "axis": one.axis,
                "level": one.level,
                "reference": one.reference,
                "norm_batch_size": one.size,
                "largest_norm_batch_size": one.largest,
                "verdict": one.verdict,
                "loss_difference": _estimate(one.difference),
            }
            for one in interactions_of(study, material.points)
        ],
        "cells": rows_of(material),
        "provenance": {
            "study": asdict(study),
            "base": material.base.decode(errors="replace"),
            "versions": {
                o.cell.name: o.result.versions
                for o in material.outcomes
                if o.result is not None and o.cell.same_as is None
            },
            "commands": {
                o.cell.name: again_command(study, o.cell, out=material.out)
                for o in material.outcomes
                if o.cell.same_as is None
            },
        },
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _row(material: Material, outcome: Outcome) -> dict[str, Any]:
    cell, result, failure = outcome.cell, outcome.result, outcome.failure
    curves = material.curves_of(outcome)
    code_train, code_test = (result.code_pair if result is not None else None) or (None, None)
    own = {
        "cell": cell.name,
        "same_as": cell.same_as,
        "seed": cell.seed,
        "state": outcome.state,
        "effective_norm": cell.norm,
        "effective_norm_batch_size": cell.batches.norm,
        "device_batch_size": cell.batches.device,
        "total_batch_size": cell.batches.total,
        **{name: _rounded(getattr(result, _PROPERTIES.get(name, name), None)) for name in _RESULT_FIELDS},
        "top1_less_baseline": _rounded(_less_baseline(material, outcome)),
        "pairs_with_baseline": _num_pairs(material, outcome),
        "clips_per_second": None if curves is None else _rounded(curves.clips_per_second),
        "code_train": code_train,
        "code_test": code_test,
        "failure_kind": None if failure is None else failure.kind,
        "failure_stage": None if failure is None else failure.stage,
        "failure_reason": None if failure is None else failure.reason,
    }
    labels = {f"axis.{axis}" if axis in own else axis: label for axis, label in cell.labels.items()}
    return {"cell": cell.name, **labels, **own}


def _point(material: Material, point: Point) -> dict[str, Any]:
    baseline, row = material.baseline, material.paper_row(point)
    is_apart = point.runs != baseline.runs
    return {
        "labels": dict(point.labels),
        "same_as": None if point.same_as is None else dict(point.same_as),
        "seeds_asked": len(point.outcomes),
        "seeds_done": sorted(point.results),
        "is_mixed": point.is_mixed,
        "top1": _estimate(point.top1),
        "top5": _estimate(point.top5),
        "error": None if point.top1 is None else _rounded(100 - point.top1.mean),
        "top1_less_baseline": _estimate(difference(point, baseline)) if is_apart else None,
        "pairs_with_baseline": _num_pairs(material, point.outcomes[0]),
        "paper": None if row is None else asdict(row),
    }


def _less_baseline(material: Material, outcome: Outcome) -> float | None:
    """Return a cell's top-1 less that of the baseline's cell of the same seed."""
    point = point_at(material.points, outcome.cell.labels)
    theirs = material.baseline.results.get(outcome.cell.seed)
    if point.runs == material.baseline.runs or outcome.result is None or theirs is None:
        return None
    return None if obstacle(point, material.baseline) else outcome.result.top1 - theirs.top1


def _num_pairs(material: Material, outcome: Outcome) -> int | None:
    """Return over how many seeds the setting's difference to the baseline is; None for the baseline."""
    point = point_at(material.points, outcome.cell.labels)
    if point.runs == material.baseline.runs:
        return None
    found = difference(point, material.baseline)
    return 0 if found is None else found.num


def _rounded(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _estimate(estimate: Estimate | None) -> Mapping[str, Any] | None:
    if estimate is None:
        return None
    return {
        "mean": _rounded(estimate.mean),
        "deviation": _rounded(estimate.deviation),
        "half_width_95": _rounded(estimate.half_width),
        "num_seeds": estimate.num,
    }
