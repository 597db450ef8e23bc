"""How a normalisation batch comes about: the three batch sizes of a cell, and the settings that make them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.study import Study
from videogn.norms import NORMS


@dataclass(frozen=True)
class Batches:
    """The batch sizes of a cell, in clips.

    Args:
        norm: Clips that share batch statistics; None where none do.
        device: Clips in one forward.
        total: Clips per optimiser step.
        settings: The settings that say so to `videogn fit`.
    """

    norm: int | None
    device: int
    total: int
    settings: Mapping[str, Any]


def batches_of(study: Study, effective: Mapping[str, Any]) -> Batches:
    """Return a cell's batch sizes.

    Args:
        study: Its comparison and batch sizes.
        effective: The cell's settings over the base config's, dotted; NORM_BATCH_SIZE where an axis gives it.

    Raises:
        ValueError: One does not divide another, or the base config does not say it.
    """
    norm = _needed(effective, "model.norm")
    size = effective.get(NORM_BATCH_SIZE)
    row = NORMS.get(str(norm))  # None: `videogn fit` refuses it
    splits = row is not None and "norm_batch_size" in row.settings
    if row is not None and row.over_devices and size is not None:
        raise ValueError(
            f"{NORM_BATCH_SIZE}: {norm} shares statistics over all devices' clips, whatever the study says; leave it "
            "out of this study, or compare bn."
        )
    if study.comparison == "paper":
        device = _needed(effective, "data.batch_size") if size is None else size
        assert study.num_devices is not None  # Study saw to it
        total = device * study.num_devices
        settings = {"data.batch_size": device, "total_batch_size": total}
        if not splits:
            return Batches(None, device, total, settings)
        return Batches(device, device, total, settings | _splitting(effective, device, device=device))
    total = study.total_batch_size or _needed(effective, "total_batch_size")
    device = study.device_batch_size or _needed(effective, "data.batch_size")
    settings = {}
    own = None
    if splits:
        own = size or effective.get("model.norm_batch_size") or device
        device = max(device, own)
        if device % own:
            raise ValueError(
                f"{NORM_BATCH_SIZE}: {own} does not divide the device batch of {device} clips; these do: "
                f"{divisors(device)}; or set device_batch_size."
            )
        settings = _splitting(effective, own, device=device)
    if total % device:
        raise ValueError(
            f"device_batch_size: {device} clips in a forward do not divide the total batch of {total}; these do: "
            f"{divisors(total)}."
        )
    return Batches(own, device, total, {"data.batch_size": device, "total_batch_size": total, **settings})


def _splitting(effective: Mapping[str, Any], own: int, *, device: int) -> dict[str, Any]:
    """Return the setting that splits a forward into normalisation batches, where the base does not say it already."""
    given = effective.get("model.norm_batch_size")
    return {} if (given or device) == own else {"model.norm_batch_size": own}


def divisors(number: int) -> str:
    """Return the divisors of a number, as text."""
    return ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)


def _needed(effective: Mapping[str, Any], name: str) -> Any:
    value = effective.get(name)
    if value is None:
        raise ValueError(f"base: it does not say {name}, which the study needs; add it to the base config.")
    return value
