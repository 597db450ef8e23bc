"""How much memory a process took."""

from __future__ import annotations

import resource
import sys

import torch


def peak_memory_bytes() -> int:
    """The most memory in use at once so far: tensors on the GPU where there is one, else resident in this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
