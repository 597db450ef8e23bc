"""scripts/gpu_check, tiny, on this machine: its stages work, and a failing one stops no other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_check"


def check(*words: str, status: int = 0) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_stages_leave_figures_that_a_later_check_stands_beside(tmp_path):
    target = tmp_path / "gpu.json"
    check("--tiny", "--stages", "tests", "memory", "compiled", "--json", str(target))
    found = json.loads(target.read_text())
    assert {name.rpartition(", ")[2] for name in found["compiled"] if "seconds" not in name} == {"gn", "bn"}
    assert found["environment"]["torch"] == torch.__version__
    assert "passed" in found["tests"]["summary"]
    assert found["memory"]["gn"]["counted"] > 1e7
    said = check("--tiny", "--stages", "environment", "--compare", str(target))
    assert f"torch: {torch.__version__}   (earlier {torch.__version__})" in said


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_stage_that_fails_is_told_and_the_others_go_on(tmp_path):
    said = check("--stages", "feeding", "--seconds", "1", "--json", str(tmp_path / "gpu.json"), status=1)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert list(found) == ["environment", "feeding"]
    assert all("failed" in figures for figures in found.values())
    assert "no time is left" in said


def test_wheels_that_a_bare_image_lacks():
    lines = check("--wheels").splitlines()
    names = {line.split("==")[0] for line in lines[:-1]}
    assert {"pytorchvideo", "av", "jsonargparse", "rich"} <= names
    assert not {"torch", "lightning", "numpy", "matplotlib", "videogn"} & names
