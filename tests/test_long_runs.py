"""A run over many clips holds no more at its end than in its middle: memory of its own, handles, threads.

Of the run's process and of its worker. Memory that processes share, such as a batch on its way, is not counted.
"""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from lightning import Callback

from tests.runs import videogn
from tests.videos import write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="reads /proc"),
]

# Batches on their way to the trainer have handles, too, of which the least in a third differs by some: a handle a batch
# that is not closed makes 20 more, one a video 160.
MOST_HANDLES = 8
MOST_BYTES = 3_000_000  # by which memory of its own may differ from a third of a run to the next
SETTINGS = """
model: {norm: bn, depth: 14, width: 8, base_lr: 0.01}
data: {num_frames: 8, frame_interval: 1, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32,
       batch_size: 8, num_workers: 1, protocol: 1x1}
trainer:
  max_epochs: 1
  log_every_n_steps: 1
  callbacks: [{class_path: tests.test_long_runs.Holdings, init_args: {file: holdings.json}}]
"""


class Holdings(Callback):
    """Writes what the process of a run and its loaders' workers hold, at 20 times or more of a training or a test.

    Args:
        file: Where to.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.found: dict[str, list[list[dict[str, int]]]] = {"train": [], "test": []}

    def _look(self, stage: str, batch_idx: int, num_batches: float) -> None:
        if batch_idx % max(1, int(num_batches) // 20) == 0:
            processes = [os.getpid(), *sorted(child.pid for child in multiprocessing.active_children())]
            self.found[stage].append([held_by(pid) for pid in processes])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self._look("train", batch_idx, trainer.num_training_batches)

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, *_) -> None:
        self._look("test", batch_idx, trainer.num_test_batches[0])

    def on_train_end(self, *_) -> None:
        self.file.write_text(json.dumps(self.found["train"]))

    def on_test_end(self, *_) -> None:
        self.file.write_text(json.dumps(self.found["test"]))


def held_by(pid: int) -> dict[str, int]:
    """What a process holds: bytes that no other has, handles, threads."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return {
        "bytes": private * 1024,
        "handles": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A data set of 1,000 files (20,000 with --full), which are names of eight: half to train on, half to test on."""
    folder = tmp_path_factory.mktemp("many")
    videos = [write_video(folder / f"of/{n}.mp4", num_frames=8 + n, height=32, width=40, seed=n) for n in range(8)]
    number = 20_000 if request.config.getoption("--full") else 1000
    for split in ("train", "val"):
        (folder / split).mkdir()
        for place in range(number // 2):
            os.link(videos[place % 8], folder / split / f"{place}.mp4")
        lines = [f"{split}/{place}.mp4 {place % 2}\n" for place in range(number // 2)]
        (folder / f"{split}.csv").write_text("".join(lines))
    (folder / "many.yaml").write_text(SETTINGS)
    return folder


def test_memory_handles_and_threads_are_flat_over_a_training_and_a_test(root, request):
    few = ["--trainer.limit_val_batches", "2"]
    # What would be kept of each clip to be seen here: of 166 clips from a third to the next, all; of 3,333, a frame.
    kept = (32 * 32 * 3) * (1 if request.config.getoption("--full") else 8)
    clips = len((root / "train.csv").read_text().splitlines()) // 3
    assert kept * clips > MOST_BYTES
    words = {"fit": ["--config", "many.yaml", "--data.root", str(root), *few], "test": []}
    for command, more in words.items():
        videogn(command, "--run_dir", "run", *more, cwd=root)
        found = json.loads((root / "holdings.json").read_text())
        assert len(found) >= 20
        third = len(found) // 3
        for process in range(2):  # the run's own, and its worker
            for what, more in {"handles": MOST_HANDLES, "threads": 0, "bytes": MOST_BYTES}.items():
                middle, end = (
                    min(each[process][what] for each in part) for part in (found[third : 2 * third], found[-third:])
                )
                assert end <= middle + more, (command, process, what)
