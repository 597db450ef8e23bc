"""The grid and its commands."""

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation import Study, describe_cells
from videogn.ablation.cells import cells_of


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def test_accumulation_runs_every_norm_at_every_device_batch():
    study = Study(base="b.yaml", norms=["gn", "bn"], norm_batch_sizes=[16, 2], total_batch_size=16, seeds=[0, 7])
    plans = describe_cells(study, Path("out"))
    assert [plan.cell.name for plan in plans] == [
        "gn-nb16-seed0", "bn-nb16-seed0", "gn-nb2-seed0", "bn-nb2-seed0",
        "gn-nb16-seed7", "bn-nb16-seed7", "gn-nb2-seed7", "bn-nb2-seed7",
    ]  # fmt: skip
    assert plans[7].fit == [
        sys.executable, "-m", "videogn", "fit", "--config", "b.yaml", "--run_dir", "out/cells/bn-nb2-seed7",
        "--seed_everything", "7", "--model.norm", "bn", "--data.batch_size", "2", "--total_batch_size", "16",
    ]  # fmt: skip
    assert plans[7].score == [sys.executable, "-m", "videogn", "test", "--run_dir", "out/cells/bn-nb2-seed7"]


def test_split_splits_batch_norm_and_runs_group_norm_once_a_seed():
    study = Study(
        base="b.yaml", norms=["gn", "bn"], norm_batch_sizes=[8, 2], total_batch_size=16, vary="split",
        device_batch_size=8, protocol="10x3",
    )  # fmt: skip
    plans = describe_cells(study, Path("out"))
    assert [plan.cell.name for plan in plans] == ["gn-any-seed0", "bn-nb8-seed0", "bn-nb2-seed0"]
    assert [option(plan.fit, "--model.norm_batch_size") for plan in plans] == [None, "8", "2"]
    assert {option(plan.fit, "--data.batch_size") for plan in plans} == {"8"}
    assert plans[0].cell.norm_batch_sizes == (8, 2)
    assert [plan.score[-2:] for plan in plans] == [["--data.protocol", "10x3"]] * 3


def test_the_forward_of_a_split_is_the_total_batch_unless_said_otherwise():
    study = Study(base="b.yaml", norms=["bn"], norm_batch_sizes=[2], total_batch_size=16, vary="split")
    assert option(describe_cells(study, Path("out"))[0].fit, "--data.batch_size") == "16"


def test_settings_are_single_words_in_the_form_that_the_command_reads():
    settings = {"data.root": "/a b/$HOME", "x.y": -1, "x.z": None, "x.on": True, "data.scale_size": [256, 320]}
    study = Study(
        base="b.yaml", norms=["gn", "bn"], norm_batch_sizes=[2], total_batch_size=2, settings=settings,
        norm_settings={"bn": {"model.weights": "bn.pth", "x.y": -2}},
    )  # fmt: skip
    group, batch = describe_cells(study, Path("out"))
    shared = ["--data.root=/a b/$HOME", "--x.y=-1", "--x.z=null", "--x.on=true", "--data.scale_size=[256, 320]"]
    assert group.fit[-5:] == shared
    assert batch.fit[-6:] == [word.replace("=-1", "=-2") for word in shared] + ["--model.weights=bn.pth"]


@given(
    norms=st.lists(st.sampled_from(["gn", "bn"]), min_size=1, unique=True),
    exponents=st.lists(st.integers(0, 5), min_size=1, unique=True),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    vary=st.sampled_from(["accumulation", "split"]),
)
def test_every_grid_is_covered_once_and_keeps_the_total_batch(norms, exponents, seeds, vary):
    sizes = [2**exponent for exponent in exponents]
    study = Study(base="b", norms=norms, norm_batch_sizes=sizes, total_batch_size=32, seeds=seeds, vary=vary)
    cells = cells_of(study)
    covered = [(cell.norm, size, cell.seed) for cell in cells for size in cell.norm_batch_sizes]
    assert sorted(covered) == sorted((n, b, s) for n in norms for b in sizes for s in seeds)
    assert len({cell.name for cell in cells}) == len(cells)
    assert all(cell.total_batch_size == 32 and 32 % cell.device_batch_size == 0 for cell in cells)
