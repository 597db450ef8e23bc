"""Training clips of small videos at any place among devices, without processes, and what tells clips apart."""

import hashlib
from types import SimpleNamespace

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.records import VideoRecord
from videogn.data.views.training import TrainViews

VIEWS = TrainViews(num_frames=8, frame_interval=2, scale_size=(32, 40), crop_size=32, flip_probability=0.5)


def records(folder, number: int) -> list[VideoRecord]:
    paths = [write_video(folder / f"{k}.mp4", num_frames=40, seed=k) for k in range(number)]
    return [VideoRecord(str(path), k % 2, k, path.name) for k, path in enumerate(paths)]


def module(root, *, accumulate: int, rank: int = 0, devices: int = 1, **settings) -> KineticsDataModule:
    """A datamodule in its second epoch, of two clips a video where nothing else is asked for."""
    sizes = {"num_frames": 8, "crop_size": 32, "scale_size": (32, 40), "test_scale_size": 32, "test_crop_size": 32}
    data = KineticsDataModule(str(root), **{"num_workers": 0, "clips_per_video": 2, **sizes, **settings})
    progress = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=1)))
    data.trainer = SimpleNamespace(  # a place among devices, without processes
        accumulate_grad_batches=accumulate, global_rank=rank, world_size=devices, fit_loop=progress
    )
    return data


def clips_of(batch) -> list[tuple[int, str]]:
    views = batch["views"].numpy()
    digests = [hashlib.sha256(view.tobytes()).hexdigest() for view in views]
    return list(zip(batch["indices"].tolist(), digests, strict=True))
