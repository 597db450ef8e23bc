"""Cells on a Ray cluster: each a task on whichever node has room; a cell whose node is lost goes on on another.

The nodes share the study's folder, the videos, and a Python environment at the same path.
"""

import logging
import os
import signal
import socket
import threading
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from videogn.ablation.running.run_cell import CellJob, run_cell

# As LocalExecutor gives a child: Ctrl-C, termination, and a little more.
_STOP_SECONDS = 45.0


class RayExecutor:
    """Runs cells as tasks of a Ray cluster: the one that RAY_ADDRESS names, else one that runs here, else a new one.

    Args:
        out: The study's folder: every node must see it.
        cores_per_cell: Processor cores that a cell reserves (1 where None).
        gpus_per_cell: GPUs that a cell gets (none where None); Ray says to the cell which.

    Raises:
        ValueError: Ray is not installed, or neither cores nor GPUs of a cell are given.
    """

    def __init__(self, *, out: Path, cores_per_cell: int | None = None, gpus_per_cell: int | None = None) -> None:
        if cores_per_cell is None and gpus_per_cell is None:
            raise ValueError("executor: ray needs to know what a cell takes: give cores_per_cell or gpus_per_cell")
        for name, number in (("cores_per_cell", cores_per_cell), ("gpus_per_cell", gpus_per_cell)):
            if number is not None and number < 1:
                raise ValueError(f"{name}: got {number}; expected at least 1")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise ValueError("executor: Ray is not installed: pip install 'videogn[ray]'") from error
        self._ray = ray
        self.num_at_once: int | None = None
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            before = signal.getsignal(signal.SIGTERM)
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray's own would end us before the report is written
        wanted = {"CPU": cores_per_cell or 1, "GPU": gpus_per_cell or 0}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in wanted.items()) for node in nodes):
            warnings.warn(
                f"no node of the Ray cluster has {wanted['CPU']} CPU cores and {wanted['GPU']} GPUs: cells wait until "
                "one joins",
                stacklevel=2,
            )
        self._refs: list[Any] = []
        self._study_file = (out / "study.json").absolute()
        # max_retries: where a node or Ray's process there is lost; run_cell ends what is lost again and again. What a
        # cell's commands do is no failure of the task.
        self._task = ray.remote(
            num_cpus=cores_per_cell or 1, num_gpus=gpus_per_cell or 0, max_retries=-1, retry_exceptions=False
        )(_run_there)

    def submit(self, job: CellJob) -> "Future[float]":
        """Have a cell run when a node has room."""
        ref = self._task.options(name=job.cell.name).remote(job, self._study_file)
        self._refs.append(ref)
        return ref.future()

    def stop(self) -> None:
        """Cancel all tasks: Ray raises KeyboardInterrupt in each, and it ends its child."""
        try:
            for ref in self._refs:
                self._ray.cancel(ref)
            self._ray.wait(self._refs, num_returns=len(self._refs), timeout=_STOP_SECONDS)
        finally:
            # A child whose Ray process is gone is killed by the kernel.
            for ref in self._refs:
                self._ray.cancel(ref, force=True)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._is_ours:
            self._ray.shutdown()


def _run_there(job: CellJob, study_file: Path) -> float:
    if not study_file.is_file():
        raise FileNotFoundError(
            f"{socket.gethostname()} does not see {study_file}; with executor ray, --out must be in a folder that all "
            "nodes share"
        )
    return run_cell(job)
