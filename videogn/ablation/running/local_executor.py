"""Cells on this machine, each in a share of its devices or cores that no other has."""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from videogn.ablation.running.child import Place, Stop
from videogn.ablation.running.run_cell import CellJob, run_cell

_Item = TypeVar("_Item")


def places_here(
    *, num_gpus: int = 0, gpus_per_cell: int | None = None, cores_per_cell: int | None = None
) -> list[Place]:
    """Return the shares of this machine, a cell in each at a time; one that is all of it where neither is divided.

    Args:
        num_gpus: GPUs that a run would see.

    Raises:
        ValueError: There are not as many.
    """
    environments = cores = None
    if gpus_per_cell is not None:
        _check("gpus_per_cell", gpus_per_cell, num_gpus, "GPUs")
        gpus = _visible_gpus(num_gpus, os.environ)
        environments = [{"CUDA_VISIBLE_DEVICES": ",".join(share)} for share in _shares(gpus, gpus_per_cell)]
    if cores_per_cell is not None:
        if not hasattr(os, "sched_getaffinity"):
            raise ValueError("cores_per_cell: this system can't give a process cores of its own; leave it out")
        available = sorted(os.sched_getaffinity(0))
        _check("cores_per_cell", cores_per_cell, len(available), "cores")
        cores = [frozenset(share) for share in _shares(available, cores_per_cell)]
    if environments is not None and cores is not None:
        # Whatever there is fewer of says how many run at once.
        return [Place(environment, share) for environment, share in zip(environments, cores, strict=False)]
    if environments is not None:
        return [Place(environment) for environment in environments]
    if cores is not None:
        return [Place(cores=share) for share in cores]
    return [Place()]


class LocalExecutor:
    """Runs cells on this machine, one at a time in each place."""

    def __init__(self, places: list[Place]) -> None:
        self.num_at_once: int | None = len(places)
        self._free: SimpleQueue[Place] = SimpleQueue()
        for place in places:
            self._free.put(place)
        self._stop = Stop()
        self._threads = ThreadPoolExecutor(len(places), thread_name_prefix="cell")

    def submit(self, job: CellJob) -> "Future[float]":
        """Have a cell run when a place is free."""
        return self._threads.submit(self._run, job)

    def _run(self, job: CellJob) -> float:
        place = self._free.get()  # there are as many threads as places
        try:
            return run_cell(job, place=place, stop=self._stop)
        finally:
            self._free.put(place)

    def stop(self) -> None:
        """End what runs, as on Ctrl-C; a second Ctrl-C meanwhile ends it at once."""
        self._stop.asked.set()
        try:
            self._threads.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            self._stop.now.set()
            self._threads.shutdown()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _check(name: str, wanted: int, available: int, what: str) -> None:
    if wanted < 1:
        raise ValueError(f"{name}: got {wanted}; expected at least 1")
    if wanted > available:
        raise ValueError(f"{name}: got {wanted}, and this machine lets us use {available} {what}; take fewer")


def _visible_gpus(num_gpus: int, environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs that a run would see, as CUDA_VISIBLE_DEVICES takes them."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [str(index) for index in range(num_gpus)]
    return [name.strip() for name in given.split(",") if name.strip()][:num_gpus]


def _shares(items: list[_Item], size: int) -> list[list[_Item]]:
    return [items[start : start + size] for start in range(0, len(items) - size + 1, size)]
