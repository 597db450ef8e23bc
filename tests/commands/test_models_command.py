"""`videogn models` as a user types it."""

import json

import pytest

from videogn.cli import main


def test_without_flags_it_lists_the_standard_networks(capsys, tmp_path):
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    out = capsys.readouterr().out
    assert "28.04 M" in out
    assert "37.53" in out
    rows = {row["name"]: row for row in json.loads((tmp_path / "models.json").read_text())}
    assert rows["I3D R50 32x2 (the paper's)"]["num_parameters"] == 28_043_472
    assert rows["C2D R50 8x8 (PyTorchVideo's)"]["gflops"] == pytest.approx(25.89, abs=0.005)
    assert rows["ResNet-50, images"]["num_parameters"] == 25_557_032


def test_with_flags_it_describes_that_network(capsys):
    words = ["--norm", "none", "--depth", "14", "--width", "16", "--num_frames", "8", "--crop_size", "64"]
    assert main(["models", *words, "--view_size", "64"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "none, depth 14" in line)
    assert " 17 " in line  # norms: 1 + 4 blocks x 4


def test_c3d_is_described_on_its_own_clips(capsys):
    assert main(["models", "--network", "c3d", "--num_classes", "101"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "C3D, gn, width 64" in line)
    for figure in ("16", "112, 112", "78.41 M", "8", "38.66"):  # mmaction2: 78.4 M, 38.5 GFLOPs without the norms
        assert f" {figure} " in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network", "c3d", "--depth", "14"], "network c3d has no depth: leave it at 50"),
        (["--norm", "fog"], "unknown norm 'fog'"),
        (["--width", "24"], "32 groups do not divide 24 channels"),
        (["--num_frames", "2"], "leave nothing for the last pool"),
        (["--view_size", "100"], "too small"),
    ],
)
def test_networks_that_cannot_be_are_refused_in_a_line(words, message, capsys):
    assert main(["models", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
