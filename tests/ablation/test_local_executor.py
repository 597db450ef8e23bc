"""Cells side by side on one machine: who gets which cores and GPUs, and that nobody shares them."""

import os
from itertools import pairwise

import pytest

from tests.ablation.conftest import cells, run, stage_of
from videogn.ablation.running.child import Place
from videogn.ablation.running.local_executor import LocalExecutor, places_here
from videogn.ablation.study import Study

STUDY = Study(base="b.yaml", axes={"model.norm": ["bn"]}, seeds=[0, 1, 2, 3])


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 8, 9, 10, 11})


def test_undivided_a_machine_is_one_place():
    assert places_here() == [Place()]
    assert places_here(num_gpus=4) == [Place()]


def test_cores_are_dealt_without_overlap(eight_cores):
    cores = [place.cores for place in places_here(cores_per_cell=3)]
    assert cores == [frozenset({0, 1, 2}), frozenset({3, 8, 9})]


def test_gpus_are_dealt_by_the_names_that_are_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [p.environment for p in places_here(num_gpus=5, gpus_per_cell=2)] == [
        {"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"},
    ]  # fmt: skip
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-ab,7")
    assert [p.environment["CUDA_VISIBLE_DEVICES"] for p in places_here(num_gpus=3, gpus_per_cell=1)] == [
        "5", "GPU-ab", "7",
    ]  # fmt: skip


def test_gpus_and_cores_go_together(eight_cores, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    places = places_here(num_gpus=3, gpus_per_cell=1, cores_per_cell=4)
    assert [(place.environment["CUDA_VISIBLE_DEVICES"], place.cores) for place in places] == [
        ("0", frozenset({0, 1, 2, 3})), ("1", frozenset({8, 9, 10, 11})),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"cores_per_cell": 9}, "cores_per_cell: got 9, and this machine lets us use 8 cores"),
        ({"cores_per_cell": 0}, "cores_per_cell: got 0; expected at least 1"),
        ({"num_gpus": 2, "gpus_per_cell": 3}, "gpus_per_cell: got 3, and this machine lets us use 2 GPUs"),
        ({"gpus_per_cell": 1}, "this machine lets us use 0 GPUs"),
    ],
)
def test_more_than_there_is_is_refused(eight_cores, wanted, message):
    with pytest.raises(ValueError, match=message):
        places_here(**wanted)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_cells_run_side_by_side_each_on_its_own_cores(command, tmp_path):
    command.behave({f"fit {cell.name}": 1.5 for cell in cells(STUDY)})
    first, second = sorted(os.sched_getaffinity(0))[:2]
    places = [Place({"CUDA_VISIBLE_DEVICES": "7"}, frozenset({first})), Place(cores=frozenset({second}))]
    assert run(STUDY, tmp_path, command=command, places=places) == 0
    calls = command.calls()
    assert sorted(stage_of(call) for call in calls) == sorted(
        (stage, cell.name) for cell in cells(STUDY) for stage in ("fit", "test")
    )
    by_core = {core: [call for call in calls if call["cores"] == [core]] for core in (first, second)}
    assert sum(map(len, by_core.values())) == len(calls), "a call had other cores than one place's"
    assert {call["gpus"] for call in by_core[first]} == {"7"}
    for ours in by_core.values():
        ours.sort(key=lambda call: call["begin"])
        assert all(before["end"] <= after["begin"] for before, after in pairwise(ours))
    fits = [[call for call in ours if call["words"][0] == "fit"] for ours in by_core.values()]
    assert fits[0][0]["begin"] < fits[1][0]["end"]
    assert fits[1][0]["begin"] < fits[0][0]["end"], "the cells did not run at the same time"


def test_the_executor_says_how_many_run_at_once():
    executor = LocalExecutor([Place(), Place()])
    assert executor.num_at_once == 2
    executor.close()
