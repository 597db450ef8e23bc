"""What a training runs on."""

from __future__ import annotations

import torch

from videogn.machine import available_cores, peak_resident_bytes, processor_name


def device_name(device: torch.device) -> str:
    """Return the name of a device, such as "NVIDIA H100 80GB HBM3"; of a CPU, with the cores that it may use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = available_cores()
    return f"{processor_name()}, {cores} core{'' if cores == 1 else 's'}"


def precision_name(precision: str, device: torch.device) -> str:
    """Return the trainer's precision, and whether a GPU multiplies its float32 numbers in TF32, with 10 bits."""
    tf32 = precision == "32-true" and device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return f"{precision} (TF32)" if tf32 else precision


def dtype_of(precision: int | str | None) -> torch.dtype | None:
    """Return the dtype of autocast under a trainer.precision; None in float32."""
    name = str(precision)
    return torch.bfloat16 if name.startswith("bf16") else torch.float16 if name.startswith("16") else None


def peak_memory_bytes() -> int:
    """Return the most memory in use at once so far: tensors on the GPU where there is one, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    return peak_resident_bytes()
