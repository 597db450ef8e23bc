"""Half precision through the command: where it pays, with kernels that are right, and what the result says of it."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from videogn.cli import main

SETTINGS = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, temporal_convs: false}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 2,
       num_workers: 0, protocol: 1x1}
trainer: {max_epochs: 1, limit_train_batches: 2, log_every_n_steps: 1, accelerator: cpu, precision: bf16-mixed}
"""
FLAG = ["--trainer.precision", "bf16-mixed"]

pytestmark = pytest.mark.filterwarnings("default:on a CPU, the config")


@pytest.fixture
def fit(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "half.yaml").write_text(SETTINGS)
    return ["fit", "--config", "half.yaml", "--data.root", str(data_root), "--run_dir", "run"]


def scored() -> tuple[dict, dict]:
    assert main(["test", "--run_dir", "run"]) == 0
    result = json.loads(Path("run/result.json").read_text())
    return result["precision"], result["kernels_checked"]


def test_a_config_for_a_gpu_runs_in_float32_on_a_cpu_and_says_so(fit, capsys):
    assert main(fit) == 0
    captured = capsys.readouterr()
    assert "on a CPU, the config's precision bf16-mixed becomes 32-true" in captured.err
    assert "kernels" not in captured.out
    assert yaml.safe_load(Path("run/config.yaml").read_text())["trainer"]["precision"] == "32-true"
    assert main([*fit, "--ckpt_path", "last"]) == 0  # the same words go on with it
    capsys.readouterr()
    assert scored() == ({"train": "32-true", "test": "32-true"}, {"train": None, "test": None})
    assert "becomes 32-true" not in capsys.readouterr().err


def test_a_flag_is_obeyed_and_its_kernels_are_checked_once(fit, capsys):
    assert main([*fit, *FLAG]) == 0
    captured = capsys.readouterr()
    assert "becomes 32-true" not in captured.err
    assert captured.out.count("in bfloat16 against float32, once on this machine") == 1
    assert main([*fit[:-1], "again", *FLAG]) == 0
    assert "against float32" not in capsys.readouterr().out
    assert main([*fit, "--ckpt_path", "last"]) == 0  # a run that goes on keeps its precision
    assert scored() == ({"train": "bf16-mixed", "test": "32-true"}, {"train": True, "test": None})


def test_a_wrong_kernel_stops_a_run_before_it_begins_unless_it_is_trusted(fit, capsys, monkeypatch):
    right = nn.Conv3d._conv_forward

    def wrong(self, input, weight, bias):
        output = right(self, input, weight, bias)
        return output * 1.02 if output.dtype == torch.bfloat16 else output

    monkeypatch.setattr(nn.Conv3d, "_conv_forward", wrong)
    assert main([*fit, *FLAG]) == 2
    error = capsys.readouterr().err
    assert "videogn fit: error: blocks.0.conv: the output of Conv3d(3, 8" in error
    assert "in bfloat16 is off from float32 by 2.0" in error
    assert f"with torch {torch.__version__}" in error
    assert "use --trainer.precision 32-true, or --trust_kernels to go on" in error
    assert not Path("run").exists()
    assert main([*fit, *FLAG, "--trust_kernels"]) == 0
    assert main(["test", "--run_dir", "run", *FLAG]) == 0  # the run's config trusts them
    assert main(["test", "--run_dir", "run", *FLAG, "--trust_kernels=false"]) == 2
    result = json.loads(Path("run/result.json").read_text())
    assert (result["precision"]["test"], result["kernels_checked"]) == ("bf16-mixed", {"train": False, "test": False})
