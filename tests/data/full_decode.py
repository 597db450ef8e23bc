"""What a full decode shows of a file, straight from the library."""

import json
from pathlib import Path

import av
import numpy as np


def full_decode(path: Path, most: int | None = None) -> list[np.ndarray]:
    """Every frame of the best stream, straight from the library; damaged packets passed over."""
    frames: list[np.ndarray] = []
    with av.open(f"file:{path}") as container:
        stream = container.streams.best("video")
        stream.thread_type, stream.thread_count = "NONE", 1  # how damage is concealed depends on the threads
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in decoded:
                turns = round(frame.rotation / 90) % 4  # the library's own reading of the display matrix
                frames.append(np.rot90(frame.to_ndarray(format="rgb24"), turns))
                if most is not None and len(frames) == most:
                    return frames
    return frames


def odd_files(folder: Path) -> dict[str, int]:
    """Name -> frames that ffmpeg shows, as measured when the files were collected."""
    manifest = json.loads((folder / "manifest.json").read_text())
    frames = {name: entry["frames"] for name, entry in manifest.items()}
    # The manifest counts this file's first video stream; a player shows the larger one.
    return frames | {"torchcodec_nasa_13013.mp4": 390}
