"""The datamodule of a training."""

from __future__ import annotations

from lightning import Trainer

from videogn.data.datamodule import KineticsDataModule


def datamodule_of(trainer: Trainer) -> KineticsDataModule | None:
    """Return the trainer's datamodule where it is videogn's; else None: training and scoring work without it, too."""
    found = getattr(trainer, "datamodule", None)  # Lightning sets it when its work begins
    return found if isinstance(found, KineticsDataModule) else None
