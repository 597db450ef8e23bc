"""The report against hand computation, and what it must not hide."""

import csv
import io
import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from videogn.ablation import Outcome, Study, print_summary, write_report
from videogn.ablation.cells import cells_of
from videogn.ablation.outcome import Failure, Result, ResultError, read_result
from videogn.ablation.summary import points_of, warnings_of

STUDY = Study(base="motions.yaml", norms=["gn", "bn"], norm_batch_sizes=[16, 2], total_batch_size=16, seeds=[0, 1, 2])
TOP1 = {
    ("gn", 16): [88.0, 87.0, 89.5],
    ("gn", 2): [87.5, 88.5, 88.0],
    ("bn", 16): [90.0, 89.0, 89.5],
    ("bn", 2): [70.0, 64.0, 73.0],
}


def result(**changes) -> Result:
    fields = {
        "top1": 80.0, "top5": 97.5, "loss": 0.5, "protocol": "1x1", "num_videos_expected": 60, "num_videos_scored": 60,
        "dataset_fingerprint": "abc", "steps": 500, "train_seconds": 61.25, "test_seconds": 4.0,
        "peak_memory_bytes": 3 * 2**30, "setup": {},
    }  # fmt: skip
    return Result(**{**fields, **changes})


def outcomes(study: Study = STUDY) -> list[Outcome]:
    return [
        Outcome(cell, "done", result=result(top1=TOP1[cell.norm, cell.norm_batch_sizes[-1]][cell.seed]))
        for cell in cells_of(study)
    ]


def changed(cells: list[Outcome], name: str, **changes) -> list[Outcome]:
    assert any(cell.cell.name == name for cell in cells)
    return [replace(c, result=replace(c.result, **changes)) if c.cell.name == name else c for c in cells]


def failed(cells: list[Outcome], name: str) -> list[Outcome]:
    failure = Failure("fit", 1, "RuntimeError: a | b", ["Traceback", "```", "RuntimeError: a | b"])
    return [Outcome(c.cell, "failed", failure=failure) if c.cell.name == name else c for c in cells]


def rows_of(text: str, *, first: str) -> list[list[str]]:
    """Return the rows of the Markdown table whose heading begins with `first`."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([field.strip() for field in line.strip("|").split(" | ")])
    return rows


def test_mean_and_deviation_are_those_of_the_statistics_module(tmp_path):
    paths = write_report(STUDY, outcomes(), tmp_path)
    text = paths["markdown"].read_text()
    for norm, *entries in rows_of(text, first="norm \\ normalisation batch"):
        for size, entry in zip((16, 2), entries, strict=True):
            values = TOP1[norm.lower(), size]
            assert entry == f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} (3 seeds)"
    # By hand: 70, 64, 73: mean 69, deviations 1, -5, 4, variance 42 / 2 = 21, root 4.583.
    row = next(row for row in rows_of(text, first="norm") if row[:2] == ["BN", "2"])
    assert row == ["BN", "2", "69.00", "31.00", "± 4.58", "3 of 3", "97.50", "60 / 60", "1x1"]
    assert "WARNING" not in text
    assert "PARTIAL" not in text
    points = {(p["norm"], p["norm_batch_size"]): p for p in json.loads(paths["json"].read_text())["points"]}
    assert points["bn", 2]["top1"] == pytest.approx(69.0)
    assert points["bn", 2]["top1_deviation"] == pytest.approx(21**0.5)


@given(values=st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=5))
def test_points_equal_numpy_for_any_accuracies(values):
    study = Study(base="b", norms=["gn"], norm_batch_sizes=[2], total_batch_size=2, seeds=list(range(len(values))))
    cells = [Outcome(cell, "done", result=result(top1=values[cell.seed])) for cell in cells_of(study)]
    (point,) = points_of(study, cells)
    assert point.top1 == pytest.approx(np.mean(values))
    if len(values) == 1:
        assert point.top1_deviation is None
    else:
        assert point.top1_deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_csv_has_a_row_for_every_cell_with_what_it_is_of(tmp_path):
    paths = write_report(STUDY, failed(outcomes(), "bn-nb2-seed1"), tmp_path)
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert len(rows) == 12
    for row in rows:
        if row["cell"] == "bn-nb2-seed1":
            assert row["state"] == "failed"
            assert row["top1"] == ""
            assert row["failure"] == "RuntimeError: a | b"
        else:
            assert float(row["top1"]) == TOP1[row["norm"], int(row["norm_batch_size"])][int(row["seed"])]
            assert row["device_batch_size"] == row["norm_batch_size"]
            assert (row["protocol"], row["num_videos_scored"], row["num_videos_expected"]) == ("1x1", "60", "60")


def test_a_partial_study_makes_a_partial_report_that_says_so(tmp_path, capsys):
    cells = failed(outcomes(), "bn-nb2-seed1")
    cells[-1] = Outcome(cells[-1].cell, "missing")
    paths = write_report(STUDY, cells, tmp_path)
    text = paths["markdown"].read_text()
    assert "> **PARTIAL REPORT: 10 of 12 cells done; 1 failed; 1 not run.**" in text
    assert "Without a result: bn-nb2-seed1 (failed), bn-nb2-seed2 (not run)." in text
    assert "| bn-nb2-seed1 | failed: RuntimeError: a \\| b |" in text
    assert "    ```\n" in text
    matrix = rows_of(text, first="norm \\ normalisation batch")
    assert matrix[1][2] == "70.00 (1 of 3 seeds)"
    print_summary(STUDY, cells, paths=paths)
    assert "10 of 12 cells done; 1 failed; 1 not run" in capsys.readouterr().out


def test_without_any_result_there_is_a_report_and_no_picture(tmp_path):
    cells = [Outcome(cell, "missing") for cell in cells_of(STUDY)]
    (tmp_path / "error.png").write_bytes(b"of another day")
    paths = write_report(STUDY, cells, tmp_path)
    assert "picture" not in paths
    assert not (tmp_path / "error.png").exists()
    assert "there is no answer yet" in paths["markdown"].read_text()


@pytest.mark.parametrize(
    ("changes", "loud"),
    [
        ({"protocol": "10x3"}, "PROTOCOLS DIFFER between cells, which cannot be compared as they stand: 1x1 in gn-"),
        ({"dataset_fingerprint": "xyz"}, "DATA DIFFER: dataset fingerprints between cells"),
    ],
)
def test_what_is_of_another_protocol_or_other_data_is_not_averaged(tmp_path, capsys, changes, loud):
    cells = changed(outcomes(), "bn-nb2-seed1", **changes)
    paths = write_report(STUDY, cells, tmp_path)
    text = paths["markdown"].read_text()
    assert f"> **WARNING: {loud}" in text
    assert rows_of(text, first="norm \\ normalisation batch")[1][2] == "not averaged: mixed"
    assert "69.00" not in text
    assert "64.00" in text  # the cell itself still stands in the table of cells
    print_summary(STUDY, cells, paths=paths)
    terminal = capsys.readouterr().out
    assert f"WARNING: {loud}" in terminal
    assert "69.00" not in terminal


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"num_videos_scored": 58}, "bn-nb2-seed1: only 58 of 60 videos were scored."),
        ({"num_videos_expected": 61}, "NUMBERS OF VIDEOS DIFFER"),
        ({"steps": 499}, "NUMBERS OF UPDATES DIFFER"),
        (
            {"setup": {"norm_batch_size": 4}},
            "bn-nb2-seed1: its result.json says norm_batch_size 4, and 2 was asked for.",
        ),
        ({"setup": {"norm": "gn"}}, "its result.json says norm 'gn', and 'bn' was asked for."),
    ],
)
def test_runs_that_were_not_what_was_asked_are_named(changes, warning):
    assert any(warning in line for line in warnings_of(changed(outcomes(), "bn-nb2-seed1", **changes)))
    assert warnings_of(outcomes()) == []


def test_group_norm_says_nothing_about_normalisation_batches():
    assert warnings_of(changed(outcomes(), "gn-nb2-seed1", setup={"norm_batch_size": 16, "norm": "gn"})) == []


def test_fields_that_are_unknown_are_dashes(tmp_path):
    unknown = dict.fromkeys(
        ("top5", "loss", "dataset_fingerprint", "steps", "train_seconds", "test_seconds", "peak_memory_bytes")
    )
    text = write_report(STUDY, changed(outcomes(), "gn-nb2-seed1", **unknown), tmp_path)["markdown"].read_text()
    row = next(row for row in rows_of(text, first="cell") if row[0] == "gn-nb2-seed1")
    assert row == ["gn-nb2-seed1", "done", "88.50", "-", "60 / 60", "1x1", "-", "-", "-", "-"]
    point = next(row for row in rows_of(text, first="norm") if row[:2] == ["GN", "2"])
    assert point[6] == "-"  # a mean of two of three would pass for one of three


def test_one_run_that_stands_for_every_batch_is_marked_and_counted_once(tmp_path):
    study = replace(STUDY, vary="split")
    paths = write_report(study, outcomes(study), tmp_path)
    text = paths["markdown"].read_text()
    matrix = rows_of(text, first="norm \\ normalisation batch")
    assert matrix[0][0] == "GN (same run by construction)"
    assert matrix[0][1] == matrix[0][2]
    assert matrix[1][0] == "BN"
    assert len(rows_of(text, first="cell")) == 9
    rows = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    shared = [row for row in rows if row["same_run_by_construction"] == "True"]
    assert [row["cell"] for row in shared] == [f"gn-any-seed{seed}" for seed in range(3)] * 2


def test_the_picture_shows_both_lines_at_readme_width(tmp_path):
    picture = imread(write_report(STUDY, outcomes(), tmp_path)["picture"])
    assert 800 <= picture.shape[1] <= 1600
    for hexadecimal in ("0072B2", "D55E00"):
        colour = np.array([int(hexadecimal[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        assert (np.abs(picture[..., :3] - colour).max(axis=-1) < 0.01).sum() > 500


def test_files_are_replaced_whole_and_nothing_is_left_beside_them(tmp_path):
    for _ in range(2):
        write_report(STUDY, outcomes(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.csv", "report.json", "report.md", "error.png"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"top5": 3}', '{"top1": "80"}', '{"top1": NaN}', '{"top1": 101}', '{"top1": true}']
)
def test_what_holds_no_accuracy_is_no_result(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ResultError, match=r"result\.json"):
        read_result(tmp_path / "result.json")


def test_a_result_with_an_accuracy_alone_is_read(tmp_path):
    path = Path(tmp_path / "result.json")
    path.write_text('{"top1": 80, "steps": null, "train_seconds": "long"}')
    assert read_result(path).top1 == 80.0
    assert read_result(path).steps is None
    assert read_result(path).train_seconds is None
