"""Videos of any number of labels, made in a moment: three squares, each of which is there or not."""

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SETTINGS = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, base_lr: 0.8, dropout: 0.0, input: standardized}
data: {num_frames: 8, frame_interval: 1, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32,
       batch_size: 8, num_workers: 0, protocol: 10x1, flip_probability: 0, multi_label: true}
trainer: {max_epochs: 5, log_every_n_steps: 1}
"""
CLASSES = ["blue", "green", "red"]


def write_root(root: Path, *, seed: int = 0, train: int = 32, val: int = 12) -> Path:
    """A data set whose videos have each of three squares by themselves, at places of chance; lists `path,labels`."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        rows = [["path", "labels"]]
        for place in range(count):
            classes = [label for label in range(3) if (place >> label) & 1]
            name = f"{split}/{place:02d}.mp4"
            _write(root / name, classes, rng)
            rows.append([name, ";".join(CLASSES[label] for label in classes)])
        with (root / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return root


def _write(path: Path, classes: list[int], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = rng.integers(60, 100, (32, 32, 3)).astype(np.uint8)
    for label in classes:
        top, left = rng.integers(0, 20, 2)
        picture[top : top + 12, left : left + 12, 2 - label] = 250  # blue, green, red
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def average_precision(scores: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Of one class, by its definition: over its videos, the precision among all that score at least as high."""
    return float(np.mean([targets[scores >= score].mean() for score in scores[targets]]))


def mean_average_precision(scores: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Of scores and targets [N, K]: the mean over the classes that have a video."""
    return float(np.mean([average_precision(s, t) for s, t in zip(scores.T, targets.T, strict=True) if t.any()]))
