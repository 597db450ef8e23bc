"""Reads damaged copies of videos until done; run as a process, so that a crash or a hang of a decoder ends only itself.

python -m tests.data.damage FOLDER SEED TRIALS SOURCE ...: a line before each trial, JSON at the end.
"""

import contextlib
import faulthandler
import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np

from videogn.data.dataset import TestDataset, TrainDataset
from videogn.data.decoding import DecodeError, decode_frames
from videogn.data.decoding.packets import Scan
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.lists.records import Records
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews
from videogn.data.views.training import TrainViews

LIMIT_SECONDS = 20.0  # for one file of at most some megabytes; the process ends with a traceback of where it hangs
TRAIN = TrainViews(num_frames=8, frame_interval=2, scale_size=(32, 40), crop_size=32, flip_probability=0.5)
TEST = TestViews(8, 2, 32, 32, PROTOCOLS["10x3"], "nonlocal")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, a range zeroed, or the end cut off."""
    changed = bytearray(data)
    kind = rng.choice(["bytes", "zeros", "cut"])
    if kind == "bytes":
        for _ in range(rng.choice([1, 10, 100])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    elif kind == "zeros":
        start = rng.randrange(len(changed))
        length = min(rng.randrange(1, 5000), len(changed) - start)
        changed[start : start + length] = bytes(length)
    else:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def read(path: Path, rng: random.Random) -> str:
    """What came of a file: "error", "frames", or "other frames" than a full decode shows; anything else is raised."""
    records = Records([path.name], labels=[0], folder=str(path.parent))
    train, test = TrainDataset(records, views=TRAIN)[rng.randrange(99), 0], TestDataset(records, views=TEST)[0, 0]
    assert train["views"].shape == (1, 1, 8, 32, 32, 3)
    for batch in (train, test):
        assert all(reason.startswith(f"{path}: ") and not reason.endswith(": ") for _, reason in batch["failures"])
    assert len(test["views"]) == len(test["labels"]) == 1 - len(test["failures"])
    indices = [0, rng.randrange(30)]
    try:
        frames = decode_frames(path, indices).numpy()
    except DecodeError:
        return "error"
    assert frames.shape[0] == 2
    with contextlib.closing(PyAVVideo(path)) as video:
        video._scan = Scan(video.scan.num_packets, None)  # nothing is planned
        counted = dict(video.read(indices))
    same = all(np.array_equal(frame, counted[index]) for index, frame in zip(indices, frames, strict=True))
    return "frames" if same else "other frames"


def main(folder: Path, seed: int, trials: int, sources: list[Path]) -> None:
    originals = [source.read_bytes() for source in sources]
    rng = random.Random(seed)
    outcomes = {"frames": 0, "error": 0, "other frames": 0}
    slowest = 0.0
    handles = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else None
    for trial in range(trials):
        place = trial % len(sources)
        path = folder / f"damaged{sources[place].suffix}"
        path.write_bytes(damaged(originals[place], rng))
        print(f"trial {trial}: {sources[place].name}", flush=True)
        faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
        started = time.perf_counter()
        outcomes[read(path, rng)] += 1
        slowest = max(slowest, time.perf_counter() - started)
        faulthandler.cancel_dump_traceback_later()
    left = len(os.listdir("/proc/self/fd")) - handles if handles is not None else 0
    print(json.dumps({**outcomes, "handles_left": left, "slowest_seconds": slowest}))


if __name__ == "__main__":
    np.seterr(all="raise")
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), [Path(word) for word in sys.argv[4:]])
