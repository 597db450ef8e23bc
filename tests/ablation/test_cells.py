"""The grid: its cells, which of them are the same computation, and the commands that make them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation.cells import Cell, cell_folder, cells_of, fit_command, score_command
from videogn.ablation.study import Study

BASE = {"model.norm": "gn", "model.width": 16, "data.batch_size": 16, "total_batch_size": 16}
OUT = Path("out")


def grid(axes: dict, **fields) -> list[Cell]:
    return cells_of(Study(base="b.yaml", axes=axes, **fields), BASE)


def equal(cells: list[Cell]) -> dict[str, str]:
    return {cell.name: cell.same_as for cell in cells if cell.same_as}


def test_seeds_are_outermost_so_that_a_study_that_stops_has_whole_comparisons():
    cells = grid({"model.norm": ["gn", "bn"], "model.depth": [14, 26]}, seeds=[0, 7])
    assert [cell.name for cell in cells] == [
        f"{norm}-depth{depth}-seed{seed}" for seed in (0, 7) for norm in ("gn", "bn") for depth in (14, 26)
    ]


def test_gn_is_one_computation_at_every_normalisation_batch_and_bn_is_not():
    cells = grid({"model.norm": ["gn", "bn"], "norm_batch_size": [16, 4, 2]}, seeds=[0, 1])
    assert equal(cells) == {f"gn-nb{size}-seed{seed}": f"gn-nb16-seed{seed}" for size in (4, 2) for seed in (0, 1)}
    folders = {cell.name: cell_folder(cell, out=OUT) for cell in cells}
    assert folders["gn-nb2-seed1"] == OUT / "cells" / "gn-nb16-seed1"
    assert folders["bn-nb2-seed1"] == OUT / "cells" / "bn-nb2-seed1"


@pytest.mark.parametrize("norm", ["gn", "ln", "in", "frozen_bn", "none"])
def test_norms_without_batch_statistics_are_run_once(norm):
    assert len(equal(grid({"model.norm": [norm], "norm_batch_size": [16, 8, 1]}))) == 2


def test_in_the_papers_comparison_nothing_is_equal():
    axes = {"model.norm": ["gn", "bn"], "norm_batch_size": [8, 4]}
    cells = grid(axes, comparison="paper", num_devices=2)
    assert equal(cells) == {}
    assert {cell.name: cell.batches.total for cell in cells if cell.norm == "gn"} == {
        "gn-nb8-seed0": 16,
        "gn-nb4-seed0": 8,
    }


def test_a_level_that_says_what_the_base_says_is_the_same_computation():
    cells = grid({"width": {"as it is": {}, "16": {"model.width": 16}, "32": {"model.width": 32}}})
    assert equal(cells) == {"16-seed0": "as_it_is-seed0"}


def test_a_number_is_the_same_however_it_is_written():
    levels = {"a": {"model.base_lr": 0.001}, "b": {"model.base_lr": "1e-3"}, "c": {"model.base_lr": 1e-2}}
    assert equal(grid({"lr": levels})) == {"b-seed0": "a-seed0"}


def test_a_setting_that_only_looks_alike_is_another_computation():
    assert equal(grid({"a": {"list": {"x.y": [1, 2]}, "text": {"x.y": "1, 2"}, "null": {"x.y": None}}})) == {}


def test_what_is_told_to_the_command_are_single_words():
    settings = {"data.root": "/a b/$HOME", "x.y": -1, "x.z": None, "x.on": True, "data.scale_size": [256, 320]}
    asked = Study(
        base="b.yaml", axes={"model.norm": ["bn"], "norm_batch_size": [2]}, seeds=[7], settings=settings,
        protocol="10x3", checkpoint="best",
    )  # fmt: skip
    (cell,) = cells_of(asked, BASE)
    assert fit_command(cell, out=OUT, command=("videogn",)) == [
        "videogn", "fit", "--config", "out/base.yaml", "--run_dir", "out/cells/bn-nb2-seed7", "--seed_everything", "7",
        "--data.root=/a b/$HOME", "--x.y=-1", "--x.z=null", "--x.on=true", "--data.scale_size=[256, 320]",
        "--model.norm=bn", "--data.batch_size=16", "--total_batch_size=16", "--model.norm_batch_size=2",
    ]  # fmt: skip
    assert score_command(asked, cell=cell, out=OUT, command=("videogn",)) == [
        "videogn", "test", "--run_dir", "out/cells/bn-nb2-seed7", "--ckpt_path", "best", "--no_report",
        "--data.protocol", "10x3",
    ]  # fmt: skip
    assert cell.identity == {"seed": 7, "settings": dict(cell.settings)}
    assert cell.label == "bn, normalisation batch 2, seed 7"


def test_names_that_would_collide_are_refused():
    with pytest.raises(ValueError, match=re.escape("two cells would have the name a_b-seed0: a b and A_B")):
        grid({"clips": {"a b": {"data.num_frames": 8}, "A_B": {"data.num_frames": 4}}})


AXES = st.fixed_dictionaries(
    {
        "model.norm": st.lists(st.sampled_from(["gn", "bn", "brn", "ln"]), min_size=1, unique=True),
        "norm_batch_size": st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, unique=True),
        "model.width": st.lists(st.sampled_from([8, 16, 32]), min_size=1, unique=True),
    }
)
SEEDS = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)


@given(axes=AXES, seeds=SEEDS)
def test_every_place_of_the_grid_is_there_once_and_equal_ones_ask_for_the_same(axes, seeds):
    cells = grid(axes, seeds=seeds)
    places = [(*cell.labels.values(), cell.seed) for cell in cells]
    assert (
        len(set(places))
        == len(cells)
        == len(seeds) * len(axes["model.norm"]) * len(axes["norm_batch_size"]) * len(axes["model.width"])
    )
    by_name = {cell.name: cell for cell in cells}
    assert len(by_name) == len(cells)
    for cell in cells:
        if cell.same_as:
            first = by_name[cell.same_as]
            assert first.same_as is None
            assert (first.seed, first.effective) == (cell.seed, cell.effective)
    run = [repr((cell.seed, sorted(cell.effective.items()))) for cell in cells if not cell.same_as]
    assert len(set(run)) == len(run)


@given(axes=AXES, more=AXES, seeds=SEEDS, more_seeds=SEEDS)
def test_names_and_identities_stay_when_a_study_grows(axes, more, seeds, more_seeds):
    larger = {name: list(dict.fromkeys([*axes[name], *more[name]])) for name in axes}
    before = grid(axes, seeds=seeds)
    after = {cell.name: cell for cell in grid(larger, seeds=list(dict.fromkeys([*seeds, *more_seeds])))}
    for cell in before:
        assert after[cell.name].identity == cell.identity
        # What was run is run under the same name: no result is lost.
        assert after[cell.name].same_as == cell.same_as
