"""videogn fits: figures of the packaged configs, lines that `videogn fit` takes, and bad input."""

import json
import shlex
import time
from pathlib import Path

import pytest

from videogn.cli import main
from videogn.commands.run_folder import with_run_config
from videogn.models.memory import StepMemory
from videogn.tools.fits import fits, largest
from videogn.training.batch_sizes import BatchSizes

GIB = 2**30


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    return tmp_path


def rows(capsys, *words: str) -> list[dict]:
    assert main(["fits", *words, "--json", "fits.json"]) == 0
    assert "written: fits.json" in capsys.readouterr().out
    return json.loads(Path("fits.json").read_text())


def test_the_papers_network_in_seconds(capsys):
    started = time.monotonic()
    found = rows(capsys, "--config", "i3d_gn.yaml", "--norms", "gn", "bn", "--frames", "32", "64", "--memory", "24GB")
    assert time.monotonic() - started < 20
    assert [(row["norm"], row["num_frames"]) for row in found] == [("gn", 32), ("gn", 64), ("bn", 32), ("bn", 64)]
    gn, long_gn, bn, _ = (row["memory"] for row in found)
    assert gn["clip"] == pytest.approx(bn["clip"], rel=0.01)
    assert long_gn["clip"] == pytest.approx(2 * gn["clip"], rel=0.01)
    assert gn["parameters"] == 4 * 28_043_472
    # Weights, gradients and momentum, and the weights again in half precision.
    assert gn["fixed"] == pytest.approx(3.5 * gn["parameters"], rel=0.01)
    assert gn["at_device_batch"] == gn["fixed"] + 8 * gn["clip"]


def test_the_line_to_type_is_one_that_fit_takes_and_keeps_the_experiment(capsys):
    norms = ("gn", "bn", "brn", "sync_bn")
    found = rows(capsys, "--config", "i3d_bn.yaml", "--norms", *norms, "--memory", "8GB", "24GB")
    from videogn.commands.configs import resolve_configs
    from videogn.commands.trainer_arguments import Settings

    lines = [(row, fit) for row in found for fit in row["fits"] if fit["command"]]
    assert len(lines) > len(norms)
    for row, fit in lines:
        program, *words = shlex.split(fit["command"])
        asked = Settings(with_run_config(resolve_configs(words))).config.fit
        assert program == "videogn"
        assert asked.data.batch_size == fit["same"] <= fit["most"]
        assert asked.total_batch_size == row["batch_sizes"]["total"] == 64
        assert asked.model.norm == row["norm"]
        if row["norm"] in ("bn", "brn"):
            assert asked.model.norm_batch_size == row["batch_sizes"]["norm"] == 8
    assert {row["norm"]: row["fits"][0]["same"] for row in found if row["norm"] in ("gn", "sync_bn")} == {
        "gn": 16, "sync_bn": 8,
    }  # fmt: skip


def test_activations_that_are_computed_again(capsys):
    found = rows(capsys, "--config", "i3d_gn.yaml", "--memory", "12GB", "--checkpointing")
    kept = [row["memory"]["saved_clip"] for row in found]
    assert [row["activation_checkpointing"] for row in found][:2] == [[], ["stem", "res2"]]
    assert kept[2] < kept[1] < 0.6 * kept[0]
    assert [row["fits"][0]["same"] for row in found] == [16, 32, 64]
    words = shlex.split(found[1]["fits"][0]["command"])[2:]
    [again] = rows(capsys, *words, "--memory", "12GB")  # the line itself is counted the same
    assert again["memory"] == {**found[1]["memory"], "at_device_batch": again["memory"]["at_device_batch"]}
    assert again["activation_checkpointing"] == ["stem", "res2"]


def test_an_average_of_the_weights_takes_as_much_as_they_do(capsys):
    words = ["--config", "small_video.yaml", "--memory", "8GB"]
    [without], [with_it] = rows(capsys, *words), rows(capsys, *words, "--model.ema", "0.999")
    assert with_it["memory"]["fixed"] == without["memory"]["fixed"] + without["memory"]["parameters"]


@pytest.mark.parametrize(
    ("norm", "batches", "most", "expected"),
    [
        ("gn", BatchSizes(None, 8, 1, 8), 100, 64),
        ("gn", BatchSizes(None, 8, 1, 8), 31, 16),
        ("gn", BatchSizes(None, 8, 8, 1), 100, 8),
        ("gn", BatchSizes(None, 8, 1, 8), 0, None),
        ("bn", BatchSizes(8, 8, 1, 8), 31, 16),
        ("bn", BatchSizes(8, 8, 1, 8), 7, None),
        ("bn", BatchSizes(2, 8, 1, 8), 7, 4),
        ("bn", BatchSizes(6, 6, 1, 4), 20, 12),
        ("sync_bn", BatchSizes(16, 8, 2, 4), 100, 8),
        ("sync_bn", BatchSizes(16, 8, 2, 4), 7, None),
    ],
)
def test_the_largest_device_batch_that_keeps_an_experiment(norm, batches, most, expected):
    assert largest(most, norm=norm, batches=batches) == expected


def test_a_gibibyte_and_a_twentieth_are_left():
    memory = StepMemory(parameters=0, fixed=GIB, clip=GIB, saved_clip=0)
    [one, other] = fits(memory, {"a": 20 * GIB, "b": 3 * GIB}, norm="gn", batches=BatchSizes(None, 8))
    assert (one.memory, one.most, one.same) == ("a", 17, 8)
    assert (other.most, other.same) == (0, None)


def test_what_does_not_fit_is_said(capsys):
    assert main(["fits", "--config", "i3d_bn.yaml", "--memory", "1.4GiB", "3GiB"]) == 0
    out = capsys.readouterr().out
    assert "1.4GiB: not even one clip fits" in out
    assert "3GiB: no device batch that fits keeps it" in out  # 8 clips must be normalised together
    assert "bn, 32 frames (total batch 64, normalisation batch 8)" in out


@pytest.mark.parametrize(
    "accumulate", [["--trainer.accumulate_grad_batches", "4"], ["--trainer.accumulate_grad_batches=4"]]
)
def test_accumulation_that_was_asked_for_becomes_a_total_batch(accumulate, capsys):
    words = ["--config", "i3d_gn.yaml", "--total_batch_size", "null", *accumulate, "--memory", "24GB"]
    [row] = rows(capsys, *words)
    assert row["batch_sizes"]["total"] == 32
    assert row["fits"][0]["command"].endswith("--total_batch_size null --data.batch_size 32 --total_batch_size 32")


@pytest.mark.parametrize(("devices", "expected"), [("1", 1), ("2", 2), ("0,1", 2), ("[0,1]", 2), ("auto", 1)])
def test_devices_are_counted(devices, expected, capsys):
    [row] = rows(capsys, "--config", "i3d_gn.yaml", "--memory", "24GB", "--trainer.devices", devices)
    assert row["batch_sizes"]["num_devices"] == expected


def test_several_devices_keep_a_copy_of_the_gradients(capsys):
    words = ["--config", "i3d_gn.yaml", "--memory", "24GB"]
    one, two = (rows(capsys, *words, "--trainer.devices", number)[0] for number in ("1", "2"))
    assert two["memory"]["fixed"] - one["memory"]["fixed"] == one["memory"]["parameters"]
    assert two["batch_sizes"] == {**one["batch_sizes"], "num_devices": 2, "accumulate": 4}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--config", "i3d_gn.yaml", "--memory", "24"], "--memory 24: expected a number and one of GB, GiB, MB, MiB"),
        (["--config", "i3d_gn.yaml", "--memory", "0GB"], "--memory 0GB"),
        (["--config", "i3d_gn.yaml", "--norms", "gm"], "--norms gm: expected some of gn, bn"),
        (
            ["--config", "i3d_gn.yaml", "--checkpointing", "--model.compile", "true"],
            "--checkpointing is for eager mode",
        ),
        (["--config", "i3d_gn.yaml", "--model.activation_checkpointing", "[res9]"], "res9"),
        (["--config", "i3d_gn.yaml", "--frames", "1"], "gn, 1 frames: 1 frames of 224 px leave nothing"),
        (["--config", "i3d_gn.yaml", "--model.width", "8"], "groups do not divide 8 channels"),
        (["--config", "i3d_gn.yaml", "--data.batch_size", "7"], "total_batch_size 64 is no multiple of"),
        (["--config", "i3d_gn.yaml", "--model.nrom", "bn"], "nrom"),
        (["--config", "none.yaml"], "none.yaml: no such file"),
        (["--config", "i3d_gn.yaml", "--json", "none/fits.json"], "no such folder"),
        ([], "give --config FILE"),
    ],
)
def test_bad_input_is_one_line(words, says, capsys):
    assert main(["fits", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("videogn fits: error: ")
    assert says in line
