"""videogn: train and compare I3D ResNet-50 with 3-D group normalization and batch normalization on videos.

The public names are loaded when they are first used: importing torch takes seconds, `videogn --help` should not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videogn.data.datamodule import KineticsDataModule
    from videogn.data.decoding import DecodeError, decode_frames
    from videogn.models.i3d import i3d_r50
    from videogn.trained.model import TrainedModel
    from videogn.trained.run import load
    from videogn.training.module import VideoClassifier

__version__ = "0.1.0"
__all__ = [
    "DecodeError",
    "KineticsDataModule",
    "TrainedModel",
    "VideoClassifier",
    "decode_frames",
    "i3d_r50",
    "load",
]

_HOMES = {
    "DecodeError": "videogn.data.decoding",
    "KineticsDataModule": "videogn.data.datamodule",
    "TrainedModel": "videogn.trained.model",
    "VideoClassifier": "videogn.training.module",
    "decode_frames": "videogn.data.decoding",
    "i3d_r50": "videogn.models.i3d",
    "load": "videogn.trained.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'videogn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
