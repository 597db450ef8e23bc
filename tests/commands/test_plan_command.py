"""What `videogn fit` says to each cell of a study, and what a step of it takes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cells_of
from videogn.ablation.choices import with_search
from videogn.ablation.plans import CellPlan
from videogn.ablation.study import Study
from videogn.cli import main
from videogn.commands.measure import num_validations, seconds_beside
from videogn.commands.plan import Planning, plan_cells
from videogn.training.batch_sizes import BatchSizes

TINY = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, base_lr: 0.4}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 4,
       num_workers: 1, protocol: 10x1}
total_batch_size: 4
trainer: {max_epochs: 2}
"""


def planned(folder: Path, axes: dict, *, measure: bool = False, **fields) -> tuple[list[Cell], Planning]:
    base = folder / "tiny.yaml"
    base.write_text(TINY)
    cells = cells_of(Study(base="tiny.yaml", axes=axes, **fields), base_settings(base.read_bytes(), name="tiny.yaml"))
    return cells, plan_cells(cells, base=base, measure=measure)


@pytest.mark.slow
def test_every_cell_has_fits_own_plan_or_its_reason(tmp_path, data_root, monkeypatch):
    """One child for all of them: a refused one takes no other along, and seeds and equal ones share a plan."""
    monkeypatch.chdir(tmp_path)
    wrong = {
        "a name": ({"model.nrom": "gn"}, "model.nrom"),
        "a norm": ({"model.norm": "layer"}, "model.norm.*layer"),
        "frames": ({"data.num_frames": 0}, "num_frames is 0"),
        "groups": ({"model.channels_per_group": 3}, "groups of 3 channels do not divide 8 channels"),
        "weights": ({"model.weights": "none.pth"}, "none.pth"),
        "frozen": (
            {"model.norm": "frozen_bn"},
            "frozen_bn from scratch has nothing to normalise by: give model.weights",
        ),
        "videos": ({"data.train_list": "none.csv"}, "none.csv: no such list"),
        "epochs": ({"trainer.max_epochs": -1}, "the run has no end"),
    }
    right = {"as it is": {}, "bn": {"model.norm": "bn"}, "brn": {"model.norm": "brn"}, "same": {"model.depth": 14}}
    axes = {
        "what": right | {label: settings for label, (settings, _) in wrong.items()},
        "trainer.log_every_n_steps": [1],
    }
    with pytest.warns(UserWarning, match=r"brn-.*-seed0: brn is bn in this run: renorm.start is 5,000") as caught:
        cells, planning = planned(tmp_path, axes, seeds=[0, 1], settings={"data.root": str(data_root)})
    assert len(caught) == 1
    reasons = {cell.name: wrong[cell.labels["what"]][1] for cell in cells if cell.labels["what"] in wrong}
    assert set(planning.errors) == set(reasons)
    for name, error in planning.errors.items():
        assert re.search(reasons[name], error), error
        assert "\n" not in error
        assert "videogn-plans" not in error  # where it was tried is nobody's business
    known = {"learning_rate": 0.4 * 4 / 64, "num_steps": 6, "num_epochs": 2.0, "num_workers": 1}
    assert set(planning.plans) == {cell.name for cell in cells if cell.labels["what"] in right}
    for name, plan in planning.plans.items():
        own = 4 if name.startswith(("bn", "brn")) else None
        assert plan == CellPlan(sizes=BatchSizes(own, 4), **known), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.yaml"]


@pytest.mark.slow
def test_a_test_list_that_shares_videos_with_what_judges_a_search_is_refused(tmp_path, data_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judging = (data_root / "val.csv").read_text().splitlines()
    for name, lines in {"judge": judging[:2], "shares": [judging[0], *judging[2:]]}.items():
        (tmp_path / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines))
    study = Study(
        base="tiny.yaml",
        axes={"test": {"shares": {"data.test_list": "shares.csv"}}},
        settings={"data.root": str(data_root), "data.val_list": "judge.csv", "data.classes": str(_classes(tmp_path))},
        tune={"model.base_lr": [0.4]},
    )
    base = tmp_path / "tiny.yaml"
    base.write_text(TINY)
    settings = base_settings(TINY.encode(), name="tiny.yaml")
    cells = with_search(study, settings, cells_of(study, settings), out=tmp_path)
    errors = plan_cells(cells, base=base, measure=False).errors
    assert set(errors) == {"shares-seed0", "shares-best-seed0"}
    told = f"data.test_list shares.csv: 1 of its {len(judging) - 1} videos are in the validation list judge.csv, too"
    assert errors["shares-seed0"].startswith(told)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*videos looked at are shorter than a clip")
def test_a_measured_step_says_seconds_and_bytes_and_leaves_nothing(tmp_path, data_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "broken.csv").write_text(f"{tmp_path}/broken.mp4 jump\n{tmp_path}/broken.mp4 run\n" * 2)
    axes = {
        "what": {
            "short": {},
            "long": {"trainer.max_epochs": 20_000},
            "wide": {"model.width": 64, "model.norm": "bn", "data.num_frames": 32},
            "broken": {"data.train_list": str(tmp_path / "broken.csv"), "data.allow_outside": True},
        }
    }
    settings = {"data.root": str(data_root), "data.classes": str(_classes(tmp_path))}
    _, planning = planned(tmp_path, axes, measure=True, settings=settings)
    short, long, wide = (planning.plans[f"{name}-seed0"] for name in ("short", "long", "wide"))
    assert 0.5 < short.test_seconds < 120
    assert long.fit_seconds > 10 * short.fit_seconds
    # 1000 times the epochs, each at least a millisecond.
    assert long.fit_seconds - short.fit_seconds > 2
    assert 100e6 < short.peak_memory_bytes < wide.peak_memory_bytes < 30e9
    assert planning.plans["broken-seed0"].fit_seconds is None
    assert "broken.mp4" in planning.errors.pop("broken-seed0")
    assert planning.errors == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.csv", "broken.mp4", "classes.txt", "tiny.yaml"]


@pytest.mark.slow
def test_a_plan_says_what_fit_says_and_measures_it_and_writes_nothing(tmp_path, data_root, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    bn = ["--model.norm", "bn", "--model.norm_batch_size", "2", "--model.channels_per_group", "null"]
    words = ["--config", "tiny.yaml", "--data.root", str(data_root), *bn, "--trainer.log_every_n_steps", "1"]
    assert main(["plan", *words, "--measure", "--json", "plan.json"]) == 0
    planned = capsys.readouterr().out.splitlines()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "tiny.yaml"]
    assert re.fullmatch(
        r"estimated from one step and one video: training .+, test .+; \d+\.\d\d GiB of memory", planned.pop()
    )
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["sizes"] == {"norm": 2, "device": 4, "num_devices": 1, "accumulate": 1}
    assert (plan["total_steps"], plan["num_epochs"], plan["learning_rate"]) == (6, 2, 0.4 * 4 / 64)
    assert plan["total_batch_size"] == 4
    assert 0.1 < plan["fit_seconds"] < 600
    assert 50e6 < plan["peak_memory_bytes"] < 30e9
    assert main(["fit", *words]) == 0
    assert capsys.readouterr().out.splitlines()[: len(planned)] == planned
    assert main(["plan", *words, "--model.base_lr", "0.3"]) == 0  # a run that is there is in no plan's way
    assert main(["plan", *words, "--total_batch_size", "5"]) == 2
    assert "total_batch_size 5 is no multiple" in capsys.readouterr().err


def _classes(folder: Path) -> Path:
    path = folder / "classes.txt"
    path.write_text("jump\nrun\n")
    return path


@pytest.mark.slow
def test_a_run_that_is_killed_or_lacks_memory_says_so():
    script = """
import os, torch
from videogn.commands.planned import _in_a_fork, _reason
print(_in_a_fork(lambda: os.kill(os.getpid(), 9)), _in_a_fork(lambda: 1 / 0), _in_a_fork(lambda: None))
try:
    torch.empty(1 << 50)
except RuntimeError as error:
    print(_reason(error))
print(_reason(torch.OutOfMemoryError("CUDA")), _reason(KeyError("x")), _reason(ValueError("a\\nb")), sep="|")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    statuses, refused, reasons = done.stdout.splitlines()
    assert statuses == "-9 1 0"
    assert "ZeroDivisionError" in done.stderr
    assert refused.startswith("does not fit into memory: ")
    assert reasons == "does not fit into memory: CUDA|KeyError: 'x'|a b"


def test_decoding_beside_the_device_counts_where_it_is_slower():
    def seconds(**fields) -> float:
        return seconds_beside(2.0, 12.0, **{"num_workers": 4, "num_threads": 0, "num_cores": 16, **fields})

    assert seconds() == 3.0
    assert seconds(num_workers=8) == 2.0
    assert seconds(num_workers=0) == 14.0
    # On a CPU the cores are shared: 2 x 4 + 12 seconds of work for 5 of them.
    assert seconds(num_workers=8, num_threads=4, num_cores=5) == 4.0
    assert seconds(num_workers=1, num_threads=1, num_cores=1) == 14.0


class _Trainer:
    def __init__(self, every: int | None = 1, interval: float | int | None = None, limit: float | None = None) -> None:
        self.check_val_every_n_epoch, self.val_check_interval, self.limit_val_batches = every, interval, limit


@pytest.mark.parametrize(
    ("trainer", "epochs", "count"),
    [
        (_Trainer(), 7, 7),
        (_Trainer(7), 7, 1),
        (_Trainer(3), 7, 3),  # after the last step, too
        (_Trainer(), 2.5, 3),
        (_Trainer(interval=0.25), 2, 8),
        (_Trainer(interval=1.0), 2, 2),
        (_Trainer(limit=0), 7, 0),
    ],
)
def test_validations_are_counted_as_the_run_makes_them(trainer, epochs, count):
    assert num_validations(trainer, epochs) == count
