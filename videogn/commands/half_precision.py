"""What half precision needs before a run: a device that has it, and kernels that compute rightly in it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from jsonargparse import Namespace
from lightning import Trainer

from videogn.commands.usage import UsageError
from videogn.data.datamodule import KineticsDataModule
from videogn.models.kernels import KernelError, cases_of, check_kernels
from videogn.norms import find_norm
from videogn.training.device import dtype_of
from videogn.training.module import VideoClassifier


def only_where_it_pays(settings: Namespace, words: Sequence[str], *, trained: str | None) -> None:
    """Set the precision of a config to 32-true where it runs on a CPU, and say so.

    Args:
        settings: Of the command; its trainer.precision may change.
        words: The command line: what it says itself stays.
        trained: The precision of a training that goes on, which it keeps; None for all else.
    """
    given = any(word.split("=")[0] == "--trainer.precision" for word in words)
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if given or dtype_of(trained) is not None or (gpu and settings.trainer.accelerator != "cpu"):
        return
    if dtype_of(settings.trainer.precision) is not None:
        warnings.warn(
            f"on a CPU, the config's precision {settings.trainer.precision} becomes 32-true "
            f"(--trainer.precision {settings.trainer.precision} on the command line keeps it)",
            stacklevel=2,
        )
        settings.trainer.precision = "32-true"


def check(
    trainer: Trainer, model: VideoClassifier, data: KineticsDataModule, *, fitting: bool, trusted: bool
) -> bool | None:
    """Check the kernels that a run in half precision will use, as far as this machine has not done it before.

    Returns:
        Whether they were checked: not where they are trusted; None for float32, where there is nothing to check.

    Raises:
        UsageError: A kernel is wrong.
    """
    dtype = dtype_of(trainer.precision)
    if dtype is None or trusted:
        return None if dtype is None else False
    device = trainer.strategy.root_device
    # A layer in both precisions takes more memory than its share of a step; on a CPU, time.
    at_most = 2 if device.type == "cpu" else 8
    clips = min(model.device_batch_size, max(at_most, model.norm_batch_size or 0))
    if find_norm(model.architecture["norm"]).over_devices:
        clips = max(clips, 2)  # one on each device may leave one value of a channel on this one
    seen = (clips, 3, data.num_frames, data.test_crop_size, data.test_crop_size)
    cases = cases_of(model.model, seen, training=False)
    if fitting:
        cases += cases_of(model.model, (clips, 3, data.num_frames, data.crop_size, data.crop_size), training=True)
    try:
        check_kernels(cases, device=device, dtype=dtype, say=lambda line: print(line, flush=True))
    except KernelError as error:
        raise UsageError(
            f"{error}: use --trainer.precision 32-true, or --trust_kernels to go on all the same"
        ) from error
    return True
