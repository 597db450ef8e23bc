"""scripts/gpu_check, tiny, on this machine: its stages work, and a failing one stops no other."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.runs import videogn

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_check"


def check(*words: str, status: int = 0) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_stages_leave_figures_and_stand_beside_earlier_ones(tmp_path, monkeypatch, capsys):
    """Here videogn's commands are forks of a process that has imported what they need, which saves half a minute."""
    module = ModuleType("gpu_check")
    module.__file__ = str(SCRIPT)
    exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), module.__dict__)
    run = module.Check.run

    def forked(self, *words, **more):
        return videogn(*words[2:], cwd=tmp_path) if words[:2] == ("-m", "videogn") else run(self, *words, **more)

    monkeypatch.setattr(module.Check, "run", forked)
    target, earlier = tmp_path / "gpu.json", tmp_path / "earlier.json"
    earlier.write_text(json.dumps({"environment": {"torch": "0.1"}}))
    stages = ["--stages", "tests", "memory", "compiled"]
    words = ["--tiny", *stages, "--json", str(target), "--compare", str(earlier)]
    monkeypatch.setattr("sys.argv", ["gpu_check", *words])
    assert module.main() == 0
    assert f"torch: {torch.__version__}   (earlier 0.1)" in capsys.readouterr().out
    found = json.loads(target.read_text())
    assert {name.rpartition(", ")[2] for name in found["compiled"] if "seconds" not in name} == {"gn", "bn"}
    assert found["environment"]["torch"] == torch.__version__
    assert "passed" in found["tests"]["summary"]
    assert found["memory"]["gn"]["counted"] > 1e7


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
