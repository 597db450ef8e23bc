"""The command as a process of its own, and the settings of a run of seconds."""

import os
import subprocess
import sys
from pathlib import Path

TINY = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8, base_lr: 0.4}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 4,
       num_workers: 1, protocol: 10x3}
trainer: {max_epochs: 2, log_every_n_steps: 1}
"""


def videogn(*words: str, cwd: Path, status: int = 0) -> str:
    """Runs the command; its output, both streams together."""
    done = subprocess.run(
        [sys.executable, "-m", "videogn", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == status, done.stdout
    return done.stdout
