"""Which videos come when: an order that depends on the seed and the epoch, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from videogn.data.balanced import balanced_order, times_before
from videogn.data.dataset import NO_VIDEO, Key


class TrainSampler(Sampler[Key]):
    """All videos in random order, cut into whole total batches, each dealt to the devices.

    Step s takes the same videos at any device batch and any number of devices; the rest of an epoch
    that fills no total batch is left out (another rest in every epoch).

    Args:
        total_batch_size: Clips per optimiser step over all devices.
        clips_per_video: Clips that each of its videos gives; divides the total batch.
        num_devices: All devices; divides the total batch.
        begins: An epoch and the number of its updates that are done: it begins behind them. All others begin whole.
        labels: [num_videos], of the videos: all classes come equally often in as many places; see `balanced_order`.
            Default: each video comes once.

    Raises:
        ValueError: There are fewer videos than one total batch, or it can't be dealt to the devices.
    """

    def __init__(
        self,
        num_videos: int,
        *,
        total_batch_size: int,
        seed: int,
        rank: int = 0,
        num_devices: int = 1,
        clips_per_video: int = 1,
        begins: tuple[int, int] = (0, 0),
        labels: NDArray[np.int32] | None = None,
    ) -> None:
        if total_batch_size % (num_devices * clips_per_video):
            raise ValueError(f"a total batch of {total_batch_size} clips can't be dealt to {num_devices} devices")
        if num_videos * clips_per_video < total_batch_size:
            raise ValueError(
                f"{num_videos} training videos do not fill one total batch of {total_batch_size} clips: "
                f"give a smaller --total_batch_size or more videos"
            )
        self.num_videos = num_videos
        self.videos_per_update = total_batch_size // clips_per_video
        self.seed = seed
        self.rank = rank
        self.num_devices = num_devices
        self.begins = begins
        self.labels = labels
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; the trainer calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_videos // self.videos_per_update * (self.videos_per_update // self.num_devices)

    def __iter__(self) -> Iterator[Key]:
        epoch = self.epoch  # as it is when the epoch begins
        # NumPy pads its entropy with zeros: this is also the stream that the clip of video 0 is drawn from. Its first
        # numbers decide both, which harms neither; another stream would give every run on record another order.
        rng = np.random.default_rng((self.seed, epoch))
        whole = self.num_videos // self.videos_per_update * self.videos_per_update
        if self.labels is None:
            order = rng.permutation(self.num_videos)
        else:
            order = balanced_order(self.labels, whole, rng=rng)
            order += self.num_videos * times_before(order)
        mine = order[:whole].reshape(-1, self.num_devices, self.videos_per_update // self.num_devices)[:, self.rank]
        epoch_begun, updates = self.begins
        for place in mine[updates if epoch == epoch_begun else 0 :].ravel().tolist():
            yield epoch, place


class TestSampler(Sampler[Key]):
    """Every video once, in order, dealt to the devices; none twice.

    Devices whose share is short get NO_VIDEO in its place, so that all of them do the same number of steps.
    """

    __test__ = False  # its name looks like a test's

    def __init__(self, num_videos: int, *, rank: int = 0, num_devices: int = 1) -> None:
        self.num_videos = num_videos
        self.rank = rank
        self.num_devices = num_devices

    def __len__(self) -> int:
        return -(-self.num_videos // self.num_devices)

    def __iter__(self) -> Iterator[Key]:
        for step in range(len(self)):
            place = step * self.num_devices + self.rank
            yield 0, place if place < self.num_videos else NO_VIDEO
