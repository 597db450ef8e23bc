"""The report for machines: report.csv and report.json; accuracies in percent, null for what is not known.

`answer` is "same" for results at the same settings, and "best" for those of each point at its best.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.choices import Search
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.caveats import again_command
from videogn.ablation.report.comparisons import claim_fields, comparison_fields, csv_of, rounded
from videogn.ablation.report.contrasts import Contrast
from videogn.ablation.report.estimates import Estimate
from videogn.ablation.report.gather import Answer, Gathered
from videogn.ablation.report.points import Point, cost_text, status_of
from videogn.ablation.report.question import title_of
from videogn.ablation.report.tuned import chosen_trial, judge_text
from videogn.ablation.search import edge_of
from videogn.ablation.study import Study

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


def rows_of(gathered: Gathered) -> list[dict[str, Any]]:
    """Return a row for each point and seed; of a tuned study, behind them those of each point at its best."""
    answers = [gathered] if gathered.best is None else [gathered, gathered.best]
    return [
        _row(gathered, answer, outcome) for answer in answers for point in answer.points for outcome in point.outcomes
    ]


def report_csv(gathered: Gathered) -> str:
    """Return the rows as CSV."""
    return csv_of(rows_of(gathered))


def report_json(gathered: Gathered) -> str:
    """Return points, comparisons, findings and provenance as JSON."""
    study = gathered.study
    fields = {
        "title": title_of(study),
        "status": status_of(gathered.outcomes),
        "is_complete": gathered.is_complete,
        "mixture": list(gathered.mixture),
        "warnings": list(gathered.warnings),
        "cost": cost_text(gathered.every_outcome),
        **_answer(gathered, gathered),
        "stopping": _stopping(gathered),
        "best": None if gathered.best is None else _answer(gathered, gathered.best),
        "searches": [_search(study, search) for search in gathered.searches],
        "cells": rows_of(gathered),
        "provenance": {
            "study": asdict(study),
            "base": gathered.base.decode(errors="replace"),
            "versions": {
                o.cell.name: o.result.versions
                for o in gathered.outcomes
                if o.result is not None and o.cell.same_as is None
            },
            "commands": {
                o.cell.name: again_command(study, o.cell, out=gathered.out)
                for o in gathered.every_outcome
                if o.cell.same_as is None and not o.cell.is_open
            },
        },
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _answer(gathered: Gathered, answer: Answer) -> dict[str, Any]:
    return {
        "findings": list(answer.findings.sentences),
        "notes": list(answer.findings.notes),
        "how_sure": answer.findings.sure,
        "points": [_point(gathered, answer, point) for point in answer.points],
        "comparisons": [
            {
                "axis": contrast.axis,
                "point": dict(contrast.points[0].labels),
                "reference": dict(contrast.points[1].labels),
                **comparison_fields(contrast),
            }
            for contrast in answer.contrasts
            if not contrast.is_of_losses
        ],
        "interactions": [_interaction(answer, each) for each in answer.contrasts if each.is_of_losses],
    }


def _search(study: Study, search: Search) -> dict[str, Any]:
    chosen = chosen_trial(search)
    return {
        "labels": dict(search.labels),
        "same_as": search.same_as,
        "judged_on": judge_text([search]),
        "chosen": None if chosen is None else dict(chosen.candidate),
        "edges": {} if chosen is None else {k: edge_of(k, v, study.tune[k]) for k, v in chosen.candidate.items()},
        "trials": [
            {
                "settings": dict(trial.candidate),
                "top1": rounded(trial.top1),
                "loss": rounded(trial.loss),
                "diverged": trial.num_diverged,
                "cells": [outcome.cell.same_as or outcome.cell.name for outcome in trial.outcomes],
            }
            for trial in search.trials
        ],
    }


def _row(gathered: Gathered, answer: Answer, outcome: Outcome) -> dict[str, Any]:
    cell, result, failure = outcome.cell, outcome.result, outcome.failure
    curves = gathered.curves_of(outcome)
    to_baseline = answer.to_baseline[tuple(cell.labels.values())]
    code_train, code_test = (result.code_pair if result is not None else None) or (None, None)
    own = {
        "cell": cell.name,
        "same_as": cell.same_as,
        "answer": cell.kind,
        **{f"tuned.{name}": None if cell.is_open else cell.effective.get(name) for name in gathered.study.tune},
        "seed": cell.seed,
        "state": outcome.state,
        "effective_norm": cell.norm,
        "effective_norm_batch_size": cell.batches.norm,
        "device_batch_size": cell.batches.device,
        "total_batch_size": cell.batches.total,
        **{name: rounded(getattr(result, _PROPERTIES.get(name, name), None)) for name in _RESULT_FIELDS},
        "top1_less_baseline": rounded(_less_baseline(answer, outcome, to_baseline)),
        "pairs_with_baseline": _num_pairs(to_baseline),
        "clips_per_second": None if curves is None else rounded(curves.clips_per_second),
        "code_train": code_train,
        "code_test": code_test,
        "failure_kind": None if failure is None else failure.kind,
        "failure_stage": None if failure is None else failure.stage,
        "failure_reason": None if failure is None else failure.reason,
    }
    labels = {f"axis.{axis}" if axis in own else axis: label for axis, label in cell.labels.items()}
    return {"cell": cell.name, **labels, **own}


def _stopping(gathered: Gathered) -> dict[str, Any] | None:
    """Return where a study stands whose seeds are added by a rule; null for others."""
    if gathered.look is None:
        return None
    return {
        "seeds_looked_at": gathered.look.num_seeds,
        "is_over": gathered.look.is_over,
        "nominal_confidence": rounded(1 - gathered.study.alpha),
        "decisions": [
            {
                "point": dict(contrast.points[0].labels),
                "reference": dict(contrast.points[1].labels),
                "decision": decision,
            }
            for contrast, decision in gathered.look.decisions
        ],
    }


def _interaction(answer: Answer, contrast: Contrast) -> dict[str, Any]:
    large, large_reference, small, _ = (point.labels for point in contrast.points)
    return {
        "axis": contrast.axis,
        "level": large[contrast.axis],
        "reference": large_reference[contrast.axis],
        "norm_batch_size": small[NORM_BATCH_SIZE],
        "largest_norm_batch_size": large[NORM_BATCH_SIZE],
        **comparison_fields(contrast),
    }


def _point(gathered: Gathered, answer: Answer, point: Point) -> dict[str, Any]:
    row, to_baseline = gathered.paper.get(point.levels), answer.to_baseline[point.levels]
    return {
        "labels": dict(point.labels),
        "same_as": None if point.same_as is None else dict(point.same_as),
        "seeds_asked": len(point.outcomes),
        "seeds_done": sorted(point.results),
        "is_mixed": point.is_mixed,
        "top1": _estimate(point.top1),
        "top5": _estimate(point.top5),
        "error": None if point.top1 is None else rounded(100 - point.top1.mean),
        "top1_less_baseline": _estimate(to_baseline.difference),
        "pairs_with_baseline": _num_pairs(to_baseline),
        "paper": None if row is None else asdict(row),
    }


def _less_baseline(answer: Answer, outcome: Outcome, contrast: Contrast) -> float | None:
    """Return a cell's top-1 less that of the baseline's cell of the same seed."""
    theirs = answer.baseline.results.get(outcome.cell.seed)
    if contrast.verdict in ("same computation", "mixed", "other videos") or outcome.result is None or theirs is None:
        return None
    return outcome.result.top1 - theirs.top1


def _num_pairs(contrast: Contrast) -> int | None:
    """Return over how many seeds the difference to the baseline is; None for the baseline."""
    if contrast.verdict == "same computation":
        return None
    return contrast.difference.num if contrast.difference else 0


def _estimate(estimate: Estimate | None) -> Mapping[str, Any] | None:
    if estimate is None:
        return None
    return {
        "mean": rounded(estimate.mean),
        "deviation": rounded(estimate.deviation),
        "num_seeds": estimate.num,
        "num_groups": estimate.num_groups,
        "these_videos": claim_fields(estimate.seeds),
        "videos_like_them": claim_fields(estimate.videos),
    }
