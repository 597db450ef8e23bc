"""Tuning: the same search for all, choices that stay, and a result at each one's best.

Runs here leave what a run leaves, and nothing is trained; test_tuning_end_to_end.py trains.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ablation.conftest import cells as plain_cells
from tests.ablation.studies import result
from videogn.ablation.base import base_settings
from videogn.ablation.choices import searches_of, with_search
from videogn.ablation.report.cost_figure import draw_cost
from videogn.ablation.report.document import document_of
from videogn.ablation.report.error_figure import draw_error
from videogn.ablation.report.gather import gather
from videogn.ablation.report.search_figure import draw_search
from videogn.ablation.running import launcher
from videogn.ablation.running.launcher import run_study
from videogn.ablation.running.run_cell import CellJob
from videogn.ablation.study import Study
from videogn.code_version import code_version

# gn is best at 0.2, the base config's rate, and bn at 0.1.
BASE = b"model: {norm: gn, base_lr: 0.2}\ndata: {batch_size: 4}\ntotal_batch_size: 8\n"
STUDY = Study(
    base="b.yaml",
    axes={"model.norm": ["gn", "bn"], "norm_batch_size": [4, 2]},
    seeds=[0],
    tune={"model.base_lr": [0.1, 0.2, 0.4]},
    settings={"model.base_lr": 0.2},
)
POINTS = ["gn-nb4", "bn-nb4", "bn-nb2"]  # gn at 2 is the same computation as gn at 4
SEARCH = [f"{point}-tuning-base_lr{lr}-seed1000" for point in POINTS for lr in (0.1, 0.2, 0.4)]
BEST = [f"{point}-best-base_lr0.1-seed0" for point in POINTS[1:]]


class Runs:
    """An executor whose runs are done at once.

    Args:
        behaviour: Of cells by name: "nan" and "crash", or fields of their results.
    """

    num_at_once: int | None = 1

    def __init__(self, behaviour: Mapping[str, Any]) -> None:
        self.behaviour = behaviour
        self.jobs: list[CellJob] = []

    def submit(self, job: CellJob) -> "Future[float]":
        self.jobs.append(job)
        self.leave(job)
        future: Future[float] = Future()
        future.set_result(1.0)
        return future

    def leave(self, job: CellJob) -> None:
        cell, what = job.cell, self.behaviour.get(job.folder.name, {})
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / "failure.json").unlink(missing_ok=True)
        (job.folder / "cell.json").write_text(json.dumps({"cell": cell.identity}))
        (job.folder / "config.yaml").write_text("seed_everything: 0\n")
        if isinstance(what, str):
            kind = {"nan": "not finite", "crash": "crashed"}[what]
            failure = {"kind": kind, "stage": "fit", "exit_status": 4, "reason": kind, "log_tail": []}
            (job.folder / "failure.json").write_text(json.dumps(failure))
            return
        lost = 20.0 / cell.batches.norm if cell.batches.norm else 0.0
        lost += 8 * abs(math.log2(cell.effective["model.base_lr"] / (0.1 if cell.norm == "bn" else 0.2)))
        is_judge = cell.settings.keys() & {"data.hold_out", "data.test_list"}
        left = {**result(cell, 90.0 - lost - cell.seed % 1000), "dataset_fingerprint": "judge" if is_judge else "abc"}
        left["code"] = {"train": code_version(), "test": code_version()}
        left |= {"train_fingerprint": "part"} if "data.hold_out" in cell.settings else {}
        (job.folder / "result.json").write_text(json.dumps({**left, **what}))

    def stop(self) -> None: ...
    def close(self) -> None: ...

    @property
    def names(self) -> list[str]:
        return [job.folder.name for job in self.jobs]


def run(study: Study, out: Path, behaviour: Mapping[str, Any] | None = None) -> tuple[int, Runs]:
    """Run a study; return the number of failed cells, and what was run."""
    runs = Runs(behaviour or {})
    failed = run_study(study, plain_cells(study, base=BASE), base=BASE, out=out, prepare=lambda to_run: (runs, {}))
    return failed, runs


@pytest.fixture
def quick(monkeypatch):
    """Reports are drawn only where they are asked for: they take a second each."""
    monkeypatch.setattr(launcher, "write_report", lambda out, *, mixed: {})
    monkeypatch.setattr(launcher, "write_files", lambda gathered, *, mixed: {})


def chosen(out: Path) -> dict[str, float]:
    return {name: one["chosen"]["model.base_lr"] for name, one in json.loads((out / "tuning.json").read_text()).items()}


def every(study: Study, out: Path) -> dict:
    cells = plain_cells(study, base=BASE)
    return {cell.name: cell for cell in with_search(study, base_settings(BASE, name="b"), cells, out=out)}


def test_all_get_the_same_search_and_then_run_at_their_best(tmp_path, quick, capsys):
    out = tmp_path / "out"
    failed, runs = run(STUDY, out)
    ran = runs.names
    assert failed == 0
    assert ran[:3] == [f"{point}-seed0" for point in POINTS]
    assert ran[3:12] == SEARCH
    assert sorted(ran[12:]) == sorted(BEST)  # gn's best is the base config's: not run again
    assert chosen(out) == {"gn-nb4": 0.2, "gn-nb2": 0.2, "bn-nb4": 0.1, "bn-nb2": 0.1}
    cells = every(STUDY, out)
    assert cells["gn-nb4-best-base_lr0.2-seed0"].same_as == "gn-nb4-seed0"
    assert cells["gn-nb2-best-base_lr0.2-seed0"].same_as == "gn-nb4-seed0"
    text = capsys.readouterr().out
    assert "bn, normalisation batch 2: chosen base_lr 0.1, top-1 80.0 on the videos that judge" in text
    assert "[14/14] bn, normalisation batch 2, at its best (base_lr 0.1), seed 0: done" in text

    assert run(STUDY, out)[1].jobs == []


def test_what_judges_a_search_is_of_no_result(tmp_path, quick):
    """Neither its seeds nor its videos: the held-out part here, where nothing names a list for tests."""
    for job in run(STUDY, tmp_path)[1].jobs:
        is_search = "-tuning-" in job.folder.name
        assert ("--data.hold_out=0.2" in job.fit) == is_search
        assert (job.fit[job.fit.index("--seed_everything") + 1] == "1000") == is_search


@pytest.mark.parametrize(
    ("lists", "judge"),
    [
        ("", {"data.hold_out": 0.2}),
        (", test_list: test.csv", {"data.test_list": None}),
        (", val_list: a.csv, test_list: a.csv", {"data.hold_out": 0.2}),
        (", val_list: a.csv, test_list: b.csv", {"data.test_list": None}),
        (", test_list: val.csv", {"data.hold_out": 0.2}),
    ],
)
def test_the_validation_list_judges_where_the_test_has_another(tmp_path, lists, judge):
    base = BASE.replace(b"batch_size: 4", b"batch_size: 4" + lists.encode(), 1)
    settings = base_settings(base, name="b")
    cells = with_search(STUDY, settings, plain_cells(STUDY, base=base), out=tmp_path)
    search = [cell for cell in cells if cell.kind == "tuning"]
    assert len(search) == 12
    for cell in search:
        assert {k: v for k, v in cell.settings.items() if k.startswith(("data.hold", "data.test"))} == judge
    assert all(not judge.keys() & cell.settings.keys() for cell in cells if cell.kind != "tuning")


def test_a_run_that_holds_videos_out_itself_is_refused(tmp_path):
    base = BASE.replace(b"batch_size: 4", b"batch_size: 4, hold_out: 0.1", 1)
    with pytest.raises(ValueError, match=r"data\.hold_out: results would be of the videos that a search is judged on"):
        with_search(STUDY, base_settings(base, name="b"), plain_cells(STUDY, base=base), out=tmp_path)


def test_more_seeds_change_no_choice_even_where_a_tuning_run_is_another_now(tmp_path, quick, capsys):
    run(STUDY, tmp_path)
    path = tmp_path / "cells" / "bn-nb2-tuning-base_lr0.4-seed1000" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "top1": 99.0}))
    failed, runs = run(replace(STUDY, seeds=[0, 1]), tmp_path)
    assert failed == 0
    more = [*(f"{point}-seed1" for point in POINTS), *(name.replace("seed0", "seed1") for name in BEST)]
    assert runs.names == more
    assert chosen(tmp_path)["bn-nb2"] == 0.1
    assert (
        "BN at normalisation batch 2: base_lr 0.1 was chosen, and stays; the tuning runs that are there now would "
        "choose base_lr 0.4." in capsys.readouterr().out
    )


def test_a_value_that_diverges_is_the_worst_and_is_not_tried_again(tmp_path, quick, capsys):
    name = "bn-nb2-tuning-base_lr0.1-seed1000"
    assert run(STUDY, tmp_path, {name: "nan"})[0] == 0
    assert chosen(tmp_path)["bn-nb2"] == 0.2
    assert f"Diverged in the search, and counted as worse than any result: {name}." in capsys.readouterr().out
    assert run(STUDY, tmp_path)[1].jobs == []


def test_of_two_seeds_one_that_diverges_counts_more_than_any_mean(tmp_path, quick):
    run(replace(STUDY, tuning_seeds=[1000, 1001]), tmp_path, {"bn-nb2-tuning-base_lr0.1-seed1001": "nan"})
    assert chosen(tmp_path) == {"gn-nb4": 0.2, "gn-nb2": 0.2, "bn-nb4": 0.1, "bn-nb2": 0.2}


def test_where_a_tuning_run_crashes_nothing_is_chosen_until_it_has_a_result(tmp_path, quick, capsys):
    assert run(STUDY, tmp_path, {"bn-nb2-tuning-base_lr0.4-seed1000": "crash"})[0] == 1
    assert "bn-nb2" not in chosen(tmp_path)
    text = capsys.readouterr().out
    assert "nothing is chosen there yet: bn-nb2-tuning-base_lr0.4-seed1000" in text
    assert "PARTIAL" in text
    failed, runs = run(STUDY, tmp_path)
    assert failed == 0
    assert runs.names == ["bn-nb2-tuning-base_lr0.4-seed1000", "bn-nb2-best-base_lr0.1-seed0"]


def test_where_no_value_trains_there_is_no_best(tmp_path, quick, capsys):
    behaviour = {f"bn-nb2-tuning-base_lr{lr}-seed1000": "nan" for lr in (0.1, 0.2, 0.4)}
    behaviour |= {f"gn-nb4-tuning-base_lr{lr}-seed1000": {"top1": top1} for lr, top1 in ((0.1, 0.5), (0.2, 99.5))}
    assert run(STUDY, tmp_path, behaviour)[0] == 0
    assert "bn-nb2" not in chosen(tmp_path)
    text = capsys.readouterr().out
    assert "BN at normalisation batch 2 trains with no value of the search: it has no best." in text
    assert "PARTIAL" not in text
    assert "7 of 8 cells done, 1 without a best." in text
    gathered = gather(tmp_path)
    assert gathered.is_complete
    assert [o.cell.name for o in gathered.outcomes if o.state == "no best"] == ["bn-nb2-best-seed0"]
    assert "PARTIAL" not in document_of(gathered, error=None, curves=None, cost=None)
    assert run(STUDY, tmp_path)[1].jobs == []
    drawing = draw_search(gathered)
    assert drawing is not None
    assert "BN at normalisation batch 2: none: every value diverged" in drawing.description
    svg = drawing.svg.decode()
    assert svg.count(">base_lr<") == 3  # a panel for each computation
    assert re.search(r">100<", svg)
    assert not re.search(r">(−\d+|1[1-9]\d)<", svg), "no axis leads out of 0 to 100 %"


def test_a_study_that_was_stopped_before_it_chose_goes_on(tmp_path, quick):
    run(STUDY, tmp_path)
    (tmp_path / "tuning.json").unlink()
    shutil.rmtree(tmp_path / "cells" / BEST[0])
    assert run(STUDY, tmp_path)[1].names == BEST[:1]


def test_a_wider_search_chooses_anew_and_says_what_it_was_before(tmp_path, quick, capsys):
    narrow = replace(STUDY, tune={"model.base_lr": [0.2, 0.4]})
    run(narrow, tmp_path)
    assert chosen(tmp_path)["bn-nb2"] == 0.2
    capsys.readouterr()
    assert run(STUDY, tmp_path)[1].names == [*(name for name in SEARCH if "lr0.1" in name), *BEST]
    assert chosen(tmp_path) == {"gn-nb4": 0.2, "gn-nb2": 0.2, "bn-nb4": 0.1, "bn-nb2": 0.1}
    (before,) = json.loads((tmp_path / "tuning.json").read_text())["bn-nb2"]["before"]
    assert (before["chosen"], before["tune"]) == ({"model.base_lr": 0.2}, narrow.tune)
    text = capsys.readouterr().out
    assert "(before the search was widened: base_lr 0.2)" in text
    assert "before its search was widened, base_lr 0.2 was chosen; the results at that are not in this report" in text

    for changes, says in (
        ({"tune": {"model.base_lr": [0.1, 0.2]}}, r"lacks \[0\.4\]; a search may be widened, not narrowed"),
        ({"tuning_seeds": [1001]}, r"lacks \[1000\]; a search may be widened, not narrowed"),
        ({"tune": {}}, r"tunes model\.base_lr, not nothing"),
    ):
        with pytest.raises(ValueError, match=says):
            run(replace(STUDY, **changes), tmp_path)


def test_a_study_may_be_tuned_after_its_results(tmp_path, quick):
    run(replace(STUDY, tune={}), tmp_path)
    assert run(STUDY, tmp_path)[1].names == [*SEARCH, *BEST]


@pytest.mark.parametrize(
    ("results", "best"),
    [
        ({0.1: (80, 0.5), 0.2: (80, 0.4), 0.4: (79, 0.1)}, 0.2),  # as good: the lower loss
        ({0.1: (80, None), 0.2: (70, None), 0.4: (80, None)}, 0.4),  # no loss: the nearest to the base config's 0.3
        ({0.1: (70, 0.5), 0.2: (71, 0.9), 0.4: (70, 0.1)}, 0.2),
    ],
)
def test_of_equal_values_the_lower_loss_counts_then_the_base_config(tmp_path, results, best):
    base = base_settings(BASE.replace(b"0.2", b"0.3"), name="b")
    study = replace(STUDY, axes={"model.norm": ["gn"]}, baseline={}, settings={})
    for lr, (top1, loss) in results.items():
        folder = tmp_path / "cells" / f"gn-tuning-base_lr{lr}-seed1000"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"top1": top1, "loss": loss}))
    (search,) = searches_of(study, base, out=tmp_path)
    found = search.best(study.tune)
    assert found is not None
    assert found.candidate == {"model.base_lr": best}


@pytest.mark.slow
def test_the_report_has_both_answers_the_search_and_its_edges(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "write_report", lambda out, *, mixed: {})
    run(replace(STUDY, seeds=[0, 1]), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "### At the same settings" in text
    assert "### Each at its best" in text
    gathered = gather(tmp_path)
    assert gathered.is_complete
    assert gathered.mixture == []
    assert gathered.best is not None
    means = {(tuple(p.labels.values())): p.top1.mean for p in gathered.points if p.top1}
    best = {(tuple(p.labels.values())): p.top1.mean for p in gathered.best.points if p.top1}
    # bn loses 8 points at 0.2 and none at its best, gn none at either; half a point over seeds 0 and 1.
    assert means == {("gn", "4"): 89.5, ("gn", "2"): 89.5, ("bn", "4"): 76.5, ("bn", "2"): 71.5}
    assert best == {("gn", "4"): 89.5, ("gn", "2"): 89.5, ("bn", "4"): 84.5, ("bn", "2"): 79.5}
    assert {point.labels["norm_batch_size"]: point.same_as for point in gathered.best.points[:2]} == {
        "4": None, "2": {"model.norm": "gn", "norm_batch_size": "4"},
    }  # fmt: skip
    (edge,) = [warning for warning in gathered.warnings if "At an edge" in warning]
    assert "BN at normalisation batch 4 and BN at normalisation batch 2 at 0.1, the smallest value" in edge
    wider = (
        f"videogn ablate --config {tmp_path}/study.json --out {tmp_path} --tune.model.base_lr '[0.05, 0.1, 0.2, 0.4]'"
    )
    assert f"\n\nTo widen the search:\n\n    {wider}\n" in text  # as it is, to be copied
    printed = capsys.readouterr().out
    assert f"search, to widen it: {wider}\n" in printed
    assert "GN" not in edge
    flat = text.replace("\\", "")
    assert "3 candidates × 1 tuning seed = 3 runs for every setting, 9 runs in all (1 setting the same" in flat
    assert "a held-out part of the training list, 20 % of it by class" in flat
    assert "search: 9 runs, 9.8 min of device time (training 9.2 min, test 36 s); results: 10 runs, 11 min" in flat
    lead, *_ = flat.split("## Findings")
    assert "4 settings × 2 seeds × 2 answers" in lead
    whole = "19 runs (9 of the search), 21 min of device time (training 19 min, test 76 s)"
    assert f"cost: {whole}" in lead
    assert f"Cost: {whole}.\n" in printed
    assert flat.count("± is half of the interval of a comparison by itself, paired by seed") == 1
    assert printed.count("± is half of the interval of a comparison by itself, paired by seed") == 1
    assert flat.index("How sure:") < flat.index("- BN at") < flat.index("### Each at its best")
    assert "| **BN** | **2** | 80.00 | 72.00 | 64.00 | base_lr 0.1 | base_lr: the smallest |" in flat
    assert (tmp_path / "search.png").is_file()
    report = json.loads((tmp_path / "report.json").read_text())
    assert [one["chosen"]["model.base_lr"] for one in report["searches"]] == [0.2, 0.2, 0.1, 0.1]
    assert [one["top1"]["mean"] for one in report["best"]["points"]] == [89.5, 89.5, 84.5, 79.5]
    rows = [line.split(",") for line in (tmp_path / "report.csv").read_text().splitlines()]
    assert [row[rows[0].index("answer")] for row in rows[1:]] == ["same"] * 8 + ["best"] * 8
    compared = (tmp_path / "comparisons.csv").read_text().splitlines()
    assert compared[0].startswith("answer,")
    assert [line.split(",")[0] for line in compared[1:]] == ["same"] * 4 + ["best"] * 4


def test_a_partial_report_has_what_there_is_and_no_command_of_what_is_not_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "write_report", lambda out, *, mixed: {})
    run(STUDY, tmp_path, {"bn-nb2-tuning-base_lr0.4-seed1000": "crash"})
    text = (tmp_path / "report.md").read_text().replace("\\", "")
    assert "| **BN** | **2** | 80.00 | 72.00 | - | not yet | - |" in text
    assert "bn-nb2-best-seed0 (not run)" in text
    assert "All of this is of the runs at the same settings" in text[text.index("## Cost") :]
    commands = json.loads((tmp_path / "report.json").read_text())["provenance"]["commands"]
    assert set(commands) == {*(f"{point}-seed0" for point in POINTS), *SEARCH, "bn-nb4-best-base_lr0.1-seed0"}


@pytest.mark.parametrize("has_sizes", [True, False])
def test_a_setting_that_is_not_at_its_best_yet_is_named_in_the_figure(has_sizes, tmp_path, quick):
    """Its light line or row stands there before the full one does."""
    axes = STUDY.axes if has_sizes else {"model.norm": ["gn", "bn"]}
    study = replace(STUDY, axes=axes, baseline={})
    crash = {f"bn-{nb}tuning-base_lr0.4-seed1000": "crash" for nb in (("nb4-", "nb2-") if has_sizes else ("",))}
    dear = {("gn-nb4-seed0" if has_sizes else "gn-seed0"): {"train_seconds": 150.0}}
    assert run(study, tmp_path, {**crash, **dear})[0] == len(crash)
    gathered = gather(tmp_path)
    assert gathered.best is not None
    assert [point.labels["model.norm"] for point in gathered.best.points if point.top1] == ["gn"] * (1 + has_sizes)
    drawing = draw_error(gathered)
    assert drawing is not None
    names = re.findall(r">(GN|BN)\b[^<]*</text>", drawing.svg.decode())
    assert sorted(names) == ["BN", "GN"]
    cost = draw_cost(gathered)
    assert cost is not None
    assert ">Accuracy against cost, at the same settings; line: the frontier<" in cost.svg.decode()


def test_choices_that_can_not_be_read_are_refused(tmp_path, quick):
    run(STUDY, tmp_path)
    for text, says in (("{", "cannot be read"), ('{"bn-nb2": {"chosen": 1}}', "holds no choices of a search")):
        (tmp_path / "tuning.json").write_text(text)
        with pytest.raises(ValueError, match=rf"tuning\.json {says}.*remove it to have"):
            run(STUDY, tmp_path)


def test_a_search_that_the_tested_videos_judged_is_said(tmp_path, quick):
    """As where two names are of one list: the fingerprints say so."""
    run(STUDY, tmp_path, {name: {"dataset_fingerprint": "abc"} for name in SEARCH})
    assert any("THE SEARCH WAS JUDGED ON THE TESTED VIDEOS" in warning for warning in gather(tmp_path).warnings)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tuning_seeds": [3, 0]}, r"tuning_seeds: \[0\] are seeds of results, too"),
        ({"tuning_seeds": []}, "tuning_seeds: got"),
        ({"tune": {"model.base_lr": 0.1}}, r"tune, model\.base_lr: got 0\.1; expected a list"),
        ({"tune": {"model.base_lr": [1e-1, "0.10"]}}, r"tune, model\.base_lr: 0\.10 stands there more than once"),
        ({"tune": {"model.norm": ["gn", "bn"]}}, r"tune: model\.norm is set by an axis"),
        ({"tune": {"norm_batch_size": [2, 4]}}, "tune: norm_batch_size is what a study compares"),
        ({"tune": {"data.batch_size": [2, 4]}}, r"tune: data\.batch_size would collide"),
        ({"tune": {}, "tuning_seeds": [7]}, "tuning_seeds: without tune they have no effect"),
    ],
)
def test_searches_that_can_not_be_are_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        replace(STUDY, **fields)
