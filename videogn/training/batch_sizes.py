"""The batch sizes of a run, and how they follow from what is asked for. Loads no torch: studies use it too."""

from __future__ import annotations

from dataclasses import dataclass

from videogn.norms import find_norm


@dataclass(frozen=True)
class BatchSizes:
    """Of one run, in clips; `num_devices` and `accumulate` are counts.

    Args:
        norm: The normalisation batch: clips that share batch statistics; None for a norm without them.
        device: The device batch: clips in one forward.
        num_devices: Devices that train together.
        accumulate: Forwards of each device per optimiser step.
    """

    norm: int | None
    device: int
    num_devices: int = 1
    accumulate: int = 1

    @property
    def total(self) -> int:
        """The total batch: clips per optimiser step."""
        return self.device * self.num_devices * self.accumulate


def batch_sizes(
    norm: str,
    *,
    device: int,
    num_devices: int = 1,
    norm_batch_size: int | None = None,
    total: int | None = None,
    accumulate: int = 1,
) -> BatchSizes:
    """Return all batch sizes of a run.

    Args:
        norm_batch_size: Clips that share statistics, where the norm can split a forward; default: all of a forward.
        total: Clips per optimiser step; `accumulate` follows from it. Default: it follows from `accumulate`.
        accumulate: Forwards of each device per optimiser step, where `total` is not given.

    Raises:
        ValueError: One does not divide another.
    """
    row = find_norm(norm)
    if norm_batch_size is not None and norm_batch_size < 1:
        raise ValueError(f"norm_batch_size is {norm_batch_size}; it must be at least 1 clip")
    own = norm_batch_size if "norm_batch_size" in row.settings else None
    if own is not None and device % own:
        raise ValueError(f"model.norm_batch_size {own} does not divide the device batch of {device} clips")
    at_once = device * num_devices
    if total is not None:
        if total < 1 or total % at_once:
            raise ValueError(
                f"total_batch_size {total} is no multiple of data.batch_size {device} x {num_devices} "
                f"device{'s' if num_devices > 1 else ''}; the next that is: {max(1, -(-total // at_once)) * at_once}"
            )
        accumulate = total // at_once
    shared = (at_once if row.over_devices else own or device) if row.shares_statistics else None
    return BatchSizes(shared, device, num_devices, accumulate)
