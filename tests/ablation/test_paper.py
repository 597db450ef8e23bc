"""The paper's figures: the packaged ones, and beside which cells they stand."""

import pytest

from tests.ablation.studies import cells
from videogn.ablation.report.paper import find_paper, read_paper, row_beside
from videogn.ablation.study import Study


def beside(study: Study, file: str) -> dict[tuple[str, ...], tuple[float, float | None]]:
    rows = read_paper(find_paper(file))
    found = {tuple(cell.labels.values()): row_beside(study, cell, rows) for cell in cells(study)}
    return {labels: (row.top1, row.top5) for labels, row in found.items() if row is not None}


def test_table_8_stands_beside_the_same_clips_and_batches():
    clips = {
        "32x2": {"data.num_frames": 32, "data.frame_interval": 2},
        "64x1": {"data.num_frames": 64, "data.frame_interval": 1},
        "8x8": {"data.num_frames": 8, "data.frame_interval": 8},
    }
    study = Study(
        base="b", axes={"model.norm": ["gn", "bn"], "clips": clips, "norm_batch_size": [8, 4, 2]}, device_batch_size=8
    )
    study = Study(**{**vars(study), "total_batch_size": 64})
    assert [row.total_batch_size for row in read_paper(find_paper("table8.csv"))] == [64, 32, 32] * 2
    assert beside(study, "table8.csv") == {
        ("bn", "32x2", "8"): (73.3, 90.7),
        ("bn", "32x2", "4"): (72.1, 90.0),
        ("bn", "64x1", "4"): (73.3, 90.8),
        ("gn", "32x2", "8"): (73.0, 90.6),
        ("gn", "32x2", "4"): (72.8, 90.6),
        ("gn", "64x1", "4"): (74.5, 91.7),
    }


def test_the_paper_has_no_weight_standardization():
    levels = {"gn": {"model.norm": "gn"}, "gn+ws": {"model.norm": "gn", "model.weight_standardization": True}}
    assert list(beside(Study(base="b", axes={"norm": levels}), "table1.csv")) == [("gn",)]


def test_errors_of_the_image_tables_are_accuracies():
    sizes = Study(base="b", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [16, 2, 1]})
    assert beside(sizes, "table2.csv") == {
        ("gn", "16"): (75.8, None),
        ("gn", "2"): (75.9, None),
        ("bn", "16"): (76.3, None),
        ("bn", "2"): (65.3, None),
    }
    norms = Study(base="b", axes={"model.norm": ["gn", "bn", "ln", "in", "brn"]})
    assert {labels[0]: top1 for labels, (top1, _) in beside(norms, "table1.csv").items()} == {
        "gn": 75.9, "bn": 76.4, "ln": 74.7, "in": 71.6,
    }  # fmt: skip


def test_groups_and_channels_per_group_are_told_apart():
    rows = read_paper(find_paper("table3.csv"))
    assert len(rows) == 14
    assert {row.total_batch_size for row in rows} == {None}
    groups = {
        "g16": {"model.num_groups": 16, "model.channels_per_group": None},
        "c16": {"model.num_groups": None, "model.channels_per_group": 16},
    }
    study = Study(base="b", axes={"groups": groups})
    assert beside(study, "table3.csv") == {("g16",): (75.4, None), ("c16",): (75.8, None)}


def test_what_is_no_paper_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"there is no table9\.csv; .* table1\.csv, table2\.csv, table3\.csv, table8\.csv"
    ):
        find_paper("table9.csv")
    path = tmp_path / "own.csv"
    path.write_text("dataset,top1\nx,1\n")
    with pytest.raises(ValueError, match="lacks the columns source, top5"):
        read_paper(path)
    path.write_text("dataset,source,top1,top5,model.norm\nx,y,140,,gn\n")
    with pytest.raises(ValueError, match=r"line 2, top1: got '140'"):
        read_paper(path)
    path.write_text("dataset,source,top1,top5,total_batch_size\nx,y,40,,many\n")
    with pytest.raises(ValueError, match=r"line 2, total_batch_size: got 'many'; expected a whole number of clips"):
        read_paper(path)
