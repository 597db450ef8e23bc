"""Real video files, made by the tests that need them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path, *, num_frames: int, height: int = 48, width: int = 64, rate: int = 25, seed: int = 0, title: str = ""
) -> Path:
    """An H.264 file of smooth moving noise, with B-frames and a key frame every 12."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (num_frames + 4, height // 8, width // 8, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"g": "12", "bf": "2", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        container.metadata["title"] = title
        for k in range(num_frames):
            picture = np.kron(small[k : k + 4].mean(0), np.ones((8, 8, 1))).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
