"""A callback that writes down what a training sees, and ends its process at a chosen place."""

import json
import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import torch
from lightning import Callback

# Environment variables, so that the words of the command are the same: "PLACE:N", the N-th time there ("PLACE@1:N" on
# the second device); and the signal.
AT, BY = "VIDEOGN_TEST_END_AT", "VIDEOGN_TEST_END_BY"


class Interrupt(Callback):
    """Appends the videos of each forward to a file, and sends its own process a signal where the environment says so.

    Args:
        seen: The file; each device has its own, by its rank.
    """

    def __init__(self, seen: str) -> None:
        self.seen = Path(seen)
        self._times: dict[str, int] = {}

    def _at(self, place: str, rank: int = 0) -> None:
        place += f"@{rank}" if rank else ""
        self._times[place] = self._times.get(place, 0) + 1
        if os.environ.get(AT) == f"{place}:{self._times[place]}":
            # With the loaders' workers, from another process: as a cluster does it that ends a job.
            processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
            for number in os.environ.get(BY, str(int(signal.SIGKILL))).split():
                subprocess.run(["kill", f"-{number}", *map(str, processes)], check=True)
                time.sleep(0.1)

    def on_train_start(self, trainer, pl_module) -> None:
        self._at("train start")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        with self.seen.with_suffix(f".{trainer.global_rank}").open("a") as file:
            views = batch["views"].long().sum(dim=(1, 2, 3, 4, 5)).tolist()
            json.dump([os.getpid(), trainer.world_size, trainer.global_step, batch["indices"].tolist(), views], file)
            file.write("\n")
        self._at("batch start", trainer.global_rank)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self._at("batch end")

    def on_validation_start(self, trainer, pl_module) -> None:
        if not trainer.sanity_checking:
            self._at("statistics")

    def on_validation_batch_end(self, trainer, *_) -> None:
        if not trainer.sanity_checking:
            self._at("validation")

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self._at("epoch end")


def clips_by_update(seen: Path) -> dict[int, list[tuple[int, int]]]:
    """Return the clips of each update on all devices, as (video, sum of its pixels), sorted; of its last try."""
    found: dict[int, list[tuple[int, int]]] = {}
    devices: dict[int, int] = {}  # by update, at its last try
    for rank in range(2 if seen.with_suffix(".1").exists() else 1):
        tries: dict[int, list[tuple[int, int]]] = {}
        before = None
        for line in seen.with_suffix(f".{rank}").read_text().splitlines():
            process, num_devices, step, indices, views = json.loads(line)
            if (process, step) != before:
                tries[step] = []  # once more, where the training went on from before it
            before = (process, step)
            tries[step] += zip(indices, views, strict=True)
            if rank == 0:
                devices[step] = num_devices
        for step, clips in tries.items():
            if rank < devices[step]:
                found.setdefault(step, []).extend(clips)
    return {step: sorted(clips) for step, clips in sorted(found.items())}


def same_state(one: Path, other: Path) -> None:
    """Check that two checkpoints hold the same bits of all that a training goes on with."""
    parts = ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "callbacks")
    found = [torch.load(path, weights_only=True) for path in (one, other)]
    for part in parts:
        torch.testing.assert_close(found[0][part], found[1][part], rtol=0, atol=0)
    own = [checkpoint["videogn"]["training"] for checkpoint in found]
    for name in ("position", "best", "num_validations", "validated_at_step", "parts", "epoch_figures", "precise_bn"):
        assert own[0][name] == own[1][name], name
