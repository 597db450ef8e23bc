"""Which settings of the data are possible, each by itself and together."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from videogn.data.dataset import LEAST_FPS, MOST_FPS
from videogn.data.views.protocols import PROTOCOLS

if TYPE_CHECKING:
    from videogn.data.datamodule import KineticsDataModule

SCALE_SIZE = (256, 320)
# A day: that a reading may take.
MOST_SECONDS = 86_400


def check_settings(data: KineticsDataModule) -> None:
    """Refuse settings that are not possible, and warn of one that has no effect.

    Raises:
        ValueError: A setting that is not possible.
    """
    low, high = data.scale_size
    for name in ("num_frames", "frame_interval", "crop_size", "test_crop_size", "clips_per_video", "batch_size"):
        if getattr(data, name) < 1:
            raise ValueError(f"{name} is {getattr(data, name)}; it must be at least 1")
    for name in ("target_fps", "frames_per_second"):
        rate = getattr(data, name)
        if rate is not None and not LEAST_FPS <= rate <= MOST_FPS:
            raise ValueError(f"{name} is {rate}; expected frames a second, {LEAST_FPS} to {MOST_FPS}")
    if data.frames_per_second is not None and data.target_fps is None:
        raise ValueError("frames_per_second has no effect without target_fps: clips go by frames")
    if data.crop_area is not None:
        if len(data.crop_area) != 2 or not 0 < data.crop_area[0] <= data.crop_area[1] <= 1:
            raise ValueError(f"crop_area is {data.crop_area}; expected two shares, 0 < low <= high <= 1")
        if (low, high) != SCALE_SIZE:
            warnings.warn(f"scale_size {data.scale_size} has no effect: crop_area is given", stacklevel=3)
    elif not data.crop_size <= low <= high:
        size = data.crop_size
        raise ValueError(f"scale_size is {low} to {high} px; it must rise and not be below crop_size ({size})")
    if data.test_crop_size > data.test_scale_size:
        raise ValueError(
            f"test_crop_size ({data.test_crop_size} px) does not fit into test_scale_size ({data.test_scale_size} px)"
        )
    for name in ("flip_probability", "random_erasing"):
        if not 0 <= getattr(data, name) <= 1:
            raise ValueError(f"{name} is {getattr(data, name)}; expected a number from 0 to 1")
    if data.protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {data.protocol!r}; expected one of {', '.join(PROTOCOLS)}")
    if data.decoder != "pyav" and find_spec(data.decoder) is None:
        raise ValueError(f"decoder is {data.decoder}, which is not installed here; use pyav")
    if data.index is not None and not Path(data.index).absolute().parent.is_dir():
        raise ValueError(f"index is {data.index}; there is no such folder")
    if data.hold_out is not None and not 0 < data.hold_out < 1:
        raise ValueError(f"hold_out is {data.hold_out}; expected a share of the training videos, above 0 and below 1")
    if data.multi_label and data.balanced_sampling:
        raise ValueError("balanced_sampling goes by the one class of each video, and multi_label is on: leave it out")
    if data.seed < 0:
        raise ValueError(f"seed is {data.seed}; expected 0 or more")
    if not 0 < data.decode_seconds <= MOST_SECONDS:
        raise ValueError(
            f"decode_seconds is {data.decode_seconds}; expected seconds, more than 0 and at most {MOST_SECONDS:,}"
        )
    if data.num_workers < 0:
        raise ValueError(f"num_workers is {data.num_workers}; expected 0 (decode in the main process) or more")


def allowed_share(skip_undecodable: float | bool) -> float:
    """Return the share of a list's videos that may fail; false, as configs of earlier versions have it, is 0.

    Raises:
        ValueError: It is true, which says no share, or no number from 0 to 1.
    """
    if skip_undecodable is True:
        raise ValueError(
            "skip_undecodable is true; expected the share of a list's videos that may fail, such as 0.01 (1: all): "
            "write that into the config, or give --data.skip_undecodable 0.01"
        )
    if not 0 <= skip_undecodable <= 1:
        raise ValueError(f"skip_undecodable is {skip_undecodable}; expected a share of a list's videos, 0 to 1")
    return float(skip_undecodable)
