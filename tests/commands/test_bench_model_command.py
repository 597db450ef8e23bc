"""videogn bench model on small networks: figures that hang together, others' networks beside ours, and bad input."""

import json
from pathlib import Path

import pytest
import torch

from tests.runs import videogn
from videogn.cli import main

SMALL = ["--depth", "14", "--width", "16", "--num_frames", "8", "--crop_size", "64", "--seconds", "4"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def figures(*words: str) -> dict:
    assert main(["bench", "model", *SMALL, *words, "--json", "model.json"]) == 0
    return json.loads(Path("model.json").read_text())


def test_every_network_in_every_mode_has_a_row(capsys):
    found = figures("--norms", "bn", "gn", "brn", "--precision", "32-true", "bf16-mixed", "--contiguous")
    rows = found["rows"]
    names = {"gn", "bn", "brn", "nn.GroupNorm", "pytorchvideo, bn"}
    assert len({row["mode"] for row in rows}) == 4
    assert len(rows) == 4 * len(names)
    assert {row["name"] for row in rows} == names
    for row in rows:
        if row["name"] == "pytorchvideo, bn":
            assert row["error"]  # it has no depth 14
            continue
        assert row["error"] is None
        assert 0 < row["forward_seconds"] < row["step_seconds"] < 5
        assert row["clips_per_second"] == pytest.approx(2 / row["step_seconds"])
        half = "bfloat16" in row["mode"]
        assert (1e-4 if half else 0) <= row["output_error"] < (0.05 if half else 1e-5)
        assert row["ratio"] == 1 if row["name"] == "bn" else 0.1 < row["ratio"] < 10
        assert row["peak_bytes"] is None
    by_name = {
        row["name"]: row["output_error"] for row in rows if row["mode"] == "2 clips, float32, channels last, eager"
    }
    assert by_name["gn"] == by_name["nn.GroupNorm"]  # the same network
    out = capsys.readouterr().out
    assert f"torch {torch.__version__}" in out
    assert "measuring: 2 clips, bfloat16, contiguous, eager" in out
    network = {"network": "i3d", "layout": "slowfast", "depth": 14, "width": 16}
    assert found["network"] == {**network, "num_frames": 8, "crop_size": 64}


@pytest.mark.slow
def test_pytorchvideos_network_computes_what_ours_does():
    rows = {row["name"]: row for row in figures("--depth", "50", "--norms", "bn", "--seconds", "8")["rows"]}
    rival = rows["pytorchvideo, bn"]
    assert rival["error"] is None
    assert 0 < rival["output_error"] < 1e-5
    assert 0.2 < rival["ratio"] < 20


def test_compiled_networks_compute_the_same(tmp_path, request):
    if not request.config.getoption("--full"):
        pytest.skip("a minute of compiling: --full")
    more = ["--norms", "gn", "--compile", "--alone", "--seconds", "1", "--json", "model.json"]
    videogn("bench", "model", *SMALL, *more, cwd=tmp_path)  # the compiler warns, which is an error in this process
    found = json.loads((tmp_path / "model.json").read_text())["rows"]
    assert [row["mode"].rpartition(", ")[2] for row in found] == ["eager", "compiled"]
    assert all(row["output_error"] < 1e-5 for row in found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--norms", "gm"], "--norms gm: expected some of gn, bn"),
        (["--precision", "bf17"], "--precision bf17: expected some of 32-true"),
        (["--batch_sizes", "0"], "must be positive"),
        (["--layout", "flat"], "unknown layout 'flat'"),
        (["--network", "c3d", "--layout", "nonlocal", "--depth", "14"], "network c3d has no depth"),
        (["--network", "vgg"], "unknown network 'vgg'"),
        (["--num_frames", "1"], "leave nothing for the last pool"),
        (["--json", "none/model.json"], "no such folder"),
    ],
)
def test_bad_input_is_one_line(words, says, capsys):
    assert main(["bench", "model", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("videogn bench: error: ")
    assert says in line
