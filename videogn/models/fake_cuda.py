"""A CUDA device that computes nothing: the dtypes, shapes and memory of what a GPU would do, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._subclasses.fake_tensor import FakeTensorMode


@contextmanager
def fake_cuda(autocast: torch.dtype | None = None) -> Iterator[None]:
    """Within it, tensors on "cuda" have no memory, and operations on them only work out what they would return.

    What is made without a device is on "cuda" too: build the network within it. Reading a value (`item`, a branch on a
    tensor) raises DataDependentOutputException: on a GPU it would wait for all that is under way.

    Args:
        autocast: Dtype of CUDA's autocast; None for none.
    """
    # torch.autocast itself does nothing where torch sees no GPU.
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"):
        torch.set_autocast_enabled("cuda", autocast is not None)
        torch.set_autocast_dtype("cuda", autocast or before[1])
        try:
            yield
        finally:
            torch.clear_autocast_cache()
            torch.set_autocast_enabled("cuda", before[0])
            torch.set_autocast_dtype("cuda", before[1])
