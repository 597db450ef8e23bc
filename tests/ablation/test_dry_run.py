"""What a study says of itself before it runs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from videogn.ablation.cells import cells_of, fit_command
from videogn.ablation.choices import with_search
from videogn.ablation.dry_run import print_plan, side_by_side_seconds
from videogn.ablation.plans import CellPlan
from videogn.ablation.study import Study
from videogn.training.batch_sizes import BatchSizes

BASE = {"model.norm": "gn", "data.batch_size": 16, "total_batch_size": 16}
OUT = Path("studies/my own")


def plan(**fields) -> CellPlan:
    known = {
        "learning_rate": 0.075, "num_steps": 1560, "num_epochs": 19.5, "sizes": BatchSizes(None, 16),
        "num_workers": 1, "fit_seconds": 3000.0, "test_seconds": 600.0,
        "peak_memory_bytes": 3 << 29,
    }  # fmt: skip
    return CellPlan(**{**known, **fields})


def printed(capsys, study: Study, plans: dict | None = None, **fields) -> str:
    cells = cells_of(study, BASE)
    plans = {cell.name: plan(sizes=cell.batches) for cell in cells} if plans is None else plans
    print_plan(study, cells, plans, out=OUT, **{"num_at_once": 1, **fields})
    return capsys.readouterr().out


def study(**fields) -> Study:
    axes = {"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2]}
    return Study(**{"base": "motions.yaml", "axes": axes, "title": "Is [bold] harmful?", **fields})


def test_every_cell_has_a_row_and_equal_ones_say_whose_they_are(capsys):
    text = printed(capsys, study())
    assert "Is [bold] harmful?" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if "-seed0 " in line}
    assert " ".join(rows["bn-nb2-seed0"][1:]) == "bn 2 0.075 1,560 (19.5) 2 / 16 / 16 60 min 1.50 GiB"
    assert rows["gn-nb2-seed0"][-2:] == ["=", "gn-nb16-seed0"]
    assert "4 cells: 3 runs, and 1 that are the same computation" in text
    assert max(map(len, text.split("The commands")[0].splitlines())) <= 140


def test_a_search_is_counted_and_what_is_not_chosen_has_no_command(capsys, tmp_path):
    asked = study(tune={"model.base_lr": [0.1, "2e-1"]}, tuning_seeds=[7, 8])
    cells = with_search(asked, BASE, cells_of(asked, BASE), out=tmp_path)
    print_plan(asked, cells, {cell.name: plan() for cell in cells}, out=OUT, num_at_once=1)
    text = capsys.readouterr().out
    # gn at 16 and 2 are one computation: 3 runs at the same settings, 3 x 2 x 2 of the search, 3 at their best.
    assert "24 cells: 18 runs, and 6 that are the same computation" in text
    assert (
        "Of these runs, 12 are a search: every setting tries model.base_lr 0.1, 0.2 on tuning seeds 7, 8, 2 × 2 = 4 "
        "runs each, judged on a fifth of the training list, held out;" in " ".join(text.split())
    )
    assert "3 are results of settings at their best; they run when that is chosen" in text
    assert "18.0 h one after the other" in text
    row = next(line.split() for line in text.splitlines() if line.strip().startswith("bn-nb2-best-seed0"))
    assert row[3:5] == ["as", "chosen"]
    commands = text.split("The commands")[1]
    assert "--model.base_lr=0.2 --data.hold_out=0.2" in commands
    assert "-best-" not in commands


def test_totals_count_each_run_once(capsys):
    text = printed(capsys, study(), num_at_once=2)
    assert "one measured step and one scored video: 3.0 h one after the other, at best 2.0 h with 2 at once." in text
    assert "with 1 at once" not in printed(capsys, study())


def test_seeds_that_may_be_added_are_said_as_least_and_most(capsys):
    text = printed(capsys, study(seeds={"from": 2, "until": 1.5, "at_most": 4}), num_at_once=2)
    # An hour each: 6 runs at first, two at once, then 3 more twice.
    assert "8 cells: 6 runs" in text
    assert "6.0 h one after the other, at best 3.0 h with 2 at once." in text
    assert (
        "seeds are added one at a time until decided (apart, or within ± 1.5 points), 4 at most, which are 12 runs, "
        "12.0 h one after the other, at best 7.0 h with 2 at once."
    ) in " ".join(text.split())
    assert "bn-nb2-seed1" in text
    assert "seed2" not in text
    assert text.endswith("\n# And so on with --seed_everything 2, as long as seeds are added.\n")


def test_what_was_not_measured_is_said(capsys):
    cells = cells_of(study(), BASE)
    some = {cells[0].name: plan(), cells[2].name: plan(fit_seconds=None, test_seconds=None, peak_memory_bytes=None)}
    text = printed(capsys, study(), some, errors={"bn-nb2-seed0": "does not fit [into] memory"})
    assert "60 min one after the other, without the 2 that could not be measured." in text
    assert "bn-nb2-seed0 can't run: does not fit [into] memory" in text
    assert "Estimated" not in printed(capsys, study(), {})


def test_the_comparison_is_said_in_words(capsys):
    assert "fixed-total: total batch, learning rate, updates" in printed(capsys, study())
    paper = study(comparison="paper", num_devices=8)
    assert "the total batch is that x 8 devices, the learning rate is linear" in " ".join(
        printed(capsys, paper).split()
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
def test_the_commands_can_be_pasted_into_a_shell(capsys):
    asked = study(settings={"data.root": "/a b/$HOME's"}, protocol="1x1")
    lines = [line for line in printed(capsys, asked).splitlines() if line.startswith("videogn ")]
    assert len(lines) == 6  # two a run, none for the equal one
    spoken = subprocess.run(
        ["sh", "-c", 'videogn() { for word; do echo "$word"; done; }\n' + lines[0]],
        capture_output=True, text=True, check=True, env=dict(os.environ),
    ).stdout.splitlines()  # fmt: skip
    expected = fit_command(cells_of(asked, BASE)[0], out=OUT, command=())
    assert spoken == ["motions.yaml" if word == str(OUT / "base.yaml") else word for word in expected]
    assert shlex.split(lines[1])[-2:] == ["--data.protocol", "1x1"]


def test_runs_side_by_side_take_the_place_that_is_free_first():
    assert side_by_side_seconds([5, 1, 1, 1, 4], num_at_once=2) == 7
    assert side_by_side_seconds([5, 1, 1], num_at_once=1) == 7
    assert side_by_side_seconds([5, 1], num_at_once=8) == 5
