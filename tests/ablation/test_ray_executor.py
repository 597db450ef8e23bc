"""Cells on a Ray cluster of this machine alone: run, stopped, and gone on with on another node."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.ablation.conftest import BASE, cells, is_running, stage_of, states, wait_for
from videogn.ablation.running.launcher import run_study
from videogn.ablation.running.ray_executor import RayExecutor
from videogn.ablation.running.run_cell import job_of
from videogn.ablation.study import Study

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
STUDY = Study(base="b.yaml", axes={"model.norm": ["bn"]}, seeds=[0, 1])
HERE = Path(__file__).parents[2]


def test_without_ray_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'videogn\[ray\]'"):
        RayExecutor(out=tmp_path, cores_per_cell=1)


@pytest.mark.parametrize(
    ("shares", "message"),
    [({}, "give cores_per_cell or gpus_per_cell"), ({"cores_per_cell": 0}, "cores_per_cell: got 0")],
)
def test_what_a_cell_takes_must_be_said(tmp_path, shares, message):
    with pytest.raises(ValueError, match=message):
        RayExecutor(out=tmp_path, **shares)


@pytest.fixture
def ray_here(monkeypatch):
    """Ray, its cluster on this machine's loopback alone."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_study_runs_on_ray_and_a_cell_of_a_lost_node_goes_on_elsewhere(ray_here, command, tmp_path):
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        doomed = cluster.add_node(num_cpus=1)
        ray_here.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        command.behave({"fit bn-seed0": "hang"})
        out = tmp_path / "out"
        found: list[int] = []
        study = threading.Thread(
            target=lambda: found.append(
                run_study(
                    STUDY, cells(STUDY), base=BASE, out=out, command=command.words,
                    prepare=lambda to_run: (RayExecutor(out=out, cores_per_cell=1), {}),
                )
            )
        )  # fmt: skip
        study.start()
        pid = wait_for(command.home / "hanging.bn-seed0")
        command.behave({})
        cluster.remove_node(doomed)
        cluster.add_node(num_cpus=1)
        study.join(90)
        assert found == [0]
        assert not is_running(pid), "the lost node's child trains on"
        assert states(STUDY, out) == {"bn-seed0": "done", "bn-seed1": "done"}
        calls = [stage_of(call) for call in command.calls()]
        assert [stage for stage, name in calls if name == "bn-seed0"] == ["fit", "fit on", "test"]

        with pytest.warns(UserWarning, match="no node of the Ray cluster has 64 CPU cores and 0 GPUs"):
            RayExecutor(out=out, cores_per_cell=64)
        # A node that does not see the study's folder.
        elsewhere = RayExecutor(out=tmp_path / "not_shared", cores_per_cell=1)
        study_again = Study(base="b.yaml", axes={"model.norm": ["gn"]})
        job = job_of(study_again, cell=cells(study_again)[0], out=tmp_path / "again", command=command.words)
        with pytest.raises(FileNotFoundError, match="all nodes share"):
            elsewhere.submit(job).result(timeout=60)
    finally:
        ray_here.shutdown()
        cluster.shutdown()


DRIVER = """
import os, sys
from pathlib import Path
from tests.ablation.conftest import BASE, cells
from videogn.ablation.running.launcher import run_study
from videogn.ablation.running.ray_executor import RayExecutor
from videogn.ablation.study import Study
STUDY = Study(base="b.yaml", axes={"model.norm": ["bn"]}, seeds=[0, 1])
out = Path(sys.argv[1])
run_study(
    STUDY, cells(STUDY), base=BASE, out=out, command=sys.argv[2:],
    prepare=lambda to_run: (RayExecutor(out=out, cores_per_cell=1), {}),
)
"""


@pytest.mark.slow
def test_an_interrupt_ends_the_children_of_all_tasks(ray_here, command, tmp_path):
    names = ["bn-seed0", "bn-seed1"]
    command.behave({f"fit {name}": "hang" for name in names})
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "out"), *command.words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE,
    ) as process:  # fmt: skip
        pids = [wait_for(command.home / f"hanging.{name}") for name in names]
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        text, errors = process.communicate(timeout=90)
    assert time.monotonic() - began < 40
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert "stopped; run the same command again to go on" in text
    assert not any(map(is_running, pids))
    for name in names:
        assert (command.home / f"interrupted.{name}").exists(), "the child was not told as by Ctrl-C"
        assert json.loads((tmp_path / "out/cells" / name / "cell.json").read_text())["stage"] is None
    assert states(STUDY, tmp_path / "out") == dict.fromkeys(names, "stopped")
