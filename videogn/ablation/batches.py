"""How a normalisation batch comes about: the three batch sizes of a cell, and the settings that make them."""

from collections.abc import Mapping, Sequence
from typing import Any

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.study import Study
from videogn.norms import NORMS, divisors
from videogn.training.batch_sizes import BatchSizes


def batches_of(study: Study, effective: Mapping[str, Any]) -> tuple[BatchSizes, dict[str, int | None]]:
    """Return a cell's batch sizes, and the settings that tell them to `videogn fit`.

    How many devices a run of a fixed-total study has is not known here, nor then how many clips share statistics over
    devices: they are taken as one device's, and the normalisation batch as None.

    Args:
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
            "out of this study, or compare bn"
        )
    if study.comparison == "paper":
        device = _needed(effective, "data.batch_size") if size is None else size
        assert study.num_devices is not None  # Study saw to it
        sizes = BatchSizes(device if splits else None, device, study.num_devices)
    else:
        total = study.total_batch_size or _needed(effective, "total_batch_size")
        device = study.device_batch_size or _needed(effective, "data.batch_size")
        own = size or effective.get("model.norm_batch_size") or device
        if splits:
            device = max(device, own)
            if device % own:
                raise ValueError(
                    f"{NORM_BATCH_SIZE}: {own} does not divide the device batch of {device} clips; these do: "
                    f"{_listed(divisors(device))}; or set device_batch_size"
                )
        if total % device:
            raise ValueError(
                f"device_batch_size: {device} clips in a forward do not divide the total batch of {total}; these do: "
                f"{_listed(divisors(total))}"
            )
        sizes = BatchSizes(own if splits else None, device, accumulate=total // device)
    settings: dict[str, int | None] = {"data.batch_size": sizes.device, "total_batch_size": sizes.total}
    # Where the base config does not say it already.
    if splits and (effective.get("model.norm_batch_size") or sizes.device) != sizes.norm:
        settings["model.norm_batch_size"] = sizes.norm
    return sizes, settings


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _needed(effective: Mapping[str, Any], name: str) -> Any:
    value = effective.get(name)
    if value is None:
        raise ValueError(f"base: it does not say {name}, which the study needs; add it to the base config")
    return value
