"""Kinetics, and every other folder of labelled videos, as a LightningDataModule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.trainer.states import RunningStage
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from videogn.data.batch import Batch, VideoBatch, VideoViews
from videogn.data.dataset import DECODE_SECONDS, TestDataset, TrainDataset, as_it_is, at_rate
from videogn.data.decoding import DecoderName, PacketIndex, Video, open_video
from videogn.data.decoding.memory import MemoryVideo
from videogn.data.glance import check_rates, doubts
from videogn.data.known import Known
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import Split
from videogn.data.lists.given import read_given
from videogn.data.lists.records import Records, VideoRecord
from videogn.data.loader import VideoLoader, forwards
from videogn.data.sampler import TestSampler, TrainSampler
from videogn.data.settings import SCALE_SIZE, allowed_share, check_settings
from videogn.data.sliding import SlidClip, slide
from videogn.data.vanished import check_not_vanished
from videogn.data.views.protocols import PROTOCOLS, ClipPolicy, ProtocolName
from videogn.data.views.testing import TestViews
from videogn.data.views.training import RegionViews, TrainViews
from videogn.data.workers import beside_devices, live_with_the_run
from videogn.machine import available_cores

if TYPE_CHECKING:
    from videogn.data.views.pixels import PixelTransforms

# The epoch whose clips batch statistics are re-estimated from: one that no training reaches.
STATISTICS_EPOCH = 10**9
_SPLITS: dict[RunningStage | None, Split] = {
    RunningStage.TRAINING: "train",
    RunningStage.SANITY_CHECKING: "val",
    RunningStage.VALIDATING: "val",
    RunningStage.TESTING: "test",
}


class KineticsDataModule(LightningDataModule):
    """Clips of labelled videos, or labelled images, for training, validation, testing and prediction.

    Validation, during training and by itself, is one centre clip and one centre crop ("1x1"); testing is `protocol`.
    All views of a video come from one decode. Frames stay uint8 until the device. An image is a video of one frame.

    Args:
        root: Folder that holds the data set. It must be given before videos are asked for. data/motions, the built-in
            videos, is made when it is missing.
        train_list: Training videos: a file of `path label` or `path frames label` lines, a table with a header (CSV,
            TSV), a folder of class folders or with metadata.csv, the lists of Kinetics, UCF101, HMDB51,
            Something-Something, Diving48, Moments in Time, VGGSound. Relative to root or to the working folder.
            Default: train.csv, train.txt or train in root.
        val_list: Validation videos, likewise; default: val.csv, val.txt or val in root.
        test_list: Test videos, likewise; default: the validation videos.
        list_columns: Columns of paths and of labels in lists with a header, where theirs have other names than usual:
            [clip_id,verb].
        frame_folders: Whether a folder of images below a class folder, or one to predict, is a video of frames, in the
            order of the one number in which their names differ. Default: where there are such, it is asked for;
            `predict` then takes images one by one.
        classes: File of class names, one a line, in the order of the class indices. Default: classes.txt in root, else
            what the training list says.
        exclude: File of videos to go without, a name a line, as lists have them, such as `videogn data check` writes.
            Relative to root or to the working folder.
        allow_outside: Whether paths in lists may lead out of root: absolute ones to elsewhere, and those by `..`.
            Default: such a list is refused. Links in root are followed in any case.
        multi_label: Whether a video has any number of labels. Lists are then lines `path label label ...`, tables with
            a column of labels (`3;7;12`), or Charades' CSV; the loss is binary cross-entropy, and the score mean
            average precision. A video without labels counts as one of no class.
        hold_out: Share of the training list that is held out of training, and validates and tests in place of the other
            lists, which are not read: 0.2 where there is one list, or where a test may not be seen yet. Always the same
            videos, of each class alike; what a column `group`, or numbered names, say to be of one source stays
            together. Default: nothing.
        num_frames: Frames of a clip.
        frame_interval: Source frames from one frame of a clip to the next.
        target_fps: Frames a second that frame_interval is meant at: in a video of another rate, clips take as long, of
            the frames nearest in time. Also in tests. Default: intervals count each video's own frames, as the paper's.
        frames_per_second: Of folders of frames, whose images do not say: what target_fps needs there.
        crop_size: Height and width of a training clip in px.
        scale_size: Short side in px before the training crop: a number, or a range to draw from.
        crop_area: Share of the frame's area that a training crop covers, drawn uniformly from this range, with an
            aspect ratio from 3/4 to 4/3 (uniform in its logarithm), then scaled to crop_size: ImageNet's usual
            augmentation is [0.08, 1]. Default: short side scaled to scale_size, then a crop.
        flip_probability: Of a horizontal flip in training; 0 where left and right matter.
        color_jitter: [brightness, contrast, saturation, hue]: the largest change of each in training, alike in all
            frames of a clip; [0.4, 0.4, 0.4, 0.1] is usual. Hue is by far the slowest.
        rand_augment: [transforms, magnitude] of RandAugment in training, alike in all frames; [2, 9] is usual. It turns
            and shears pictures, too.
        random_erasing: Probability that a rectangle of a training clip, the same in all frames, is grey; 0.25 is usual.
        test_scale_size: Short side in px for validation, testing and prediction.
        test_crop_size: Height and width of a view there.
        clips_per_video: Clips of each training video from one decode, in forwards that follow each other: it divides
            the number of accumulated forwards. An update has as many clips as without, of fewer videos, and an epoch
            has as many times more updates.
        balanced_sampling: All classes come equally often in an epoch, which has as many clips as without. Videos of
            small classes come several times, with a clip drawn anew each time; of large classes some are left out,
            others in every epoch. Instead of model.balance_classes, which weights the loss.
        batch_size: Device batch: clips in one forward.
        num_workers: Processes that decode. Default: one a core, at most 8. With several devices they come from a fork
            server: a script of your own needs the usual `if __name__ == "__main__":` then. 0: the run's own process
            decodes, and a video that crashes the decoder, or hangs in it, takes the run with it.
        decoder: pyav (exact on every file, the fastest of these), decord or torchcodec (an optional extra).
        protocol: How `test` and `predict` see a video: clips x crops.
        clip_policy: Where test clips start: nonlocal (the paper's; the last ones wrap around) or spread (SlowFast's).
        skip_undecodable: Share of the videos of a list that may fail while a run is under way: 0.01 for one in a
            hundred. Within it the run goes on without them and counts them; past it, and by default at the first one,
            it stops and names them. Videos that are missing from the start are not among them. Those that crash their
            decoder are, with num_workers 1 or more.
        decode_seconds: That reading one video may take; one that takes longer has failed.
        index: File that keeps which packet of a video shows which frame, so that a video is looked through only once.
            Default: none; with the command, index.sqlite in the run's folder.
        predict_paths: Files and folders for `predict`.
        seed: Of order and augmentation. With the command, use --seed_everything.

    Raises:
        ValueError: A setting that is not possible.
    """

    # Settings that the paper's run does without, by name, and what they are where they are off.
    OFF: ClassVar[dict[str, Any]] = {
        "data.multi_label": False,
        "data.target_fps": None,
        "data.frames_per_second": None,
        "data.clips_per_video": 1,
        "data.balanced_sampling": False,
        "data.color_jitter": None,
        "data.rand_augment": None,
        "data.random_erasing": 0.0,
    }

    def __init__(
        self,
        root: str | None = None,
        *,
        train_list: str | None = None,
        val_list: str | None = None,
        test_list: str | None = None,
        list_columns: tuple[str, str] | None = None,
        frame_folders: bool | None = None,
        classes: str | None = None,
        exclude: str | None = None,
        allow_outside: bool = False,
        multi_label: bool = False,
        hold_out: float | None = None,
        num_frames: int = 32,
        frame_interval: int = 2,
        target_fps: float | None = None,
        frames_per_second: float | None = None,
        crop_size: int = 224,
        scale_size: int | tuple[int, int] = SCALE_SIZE,
        crop_area: tuple[float, float] | None = None,
        flip_probability: float = 0.5,
        color_jitter: tuple[float, float, float, float] | None = None,
        rand_augment: tuple[int, int] | None = None,
        random_erasing: float = 0.0,
        test_scale_size: int = 256,
        test_crop_size: int = 256,
        clips_per_video: int = 1,
        balanced_sampling: bool = False,
        batch_size: int = 8,
        num_workers: int | None = None,
        decoder: DecoderName = "pyav",
        protocol: ProtocolName = "10x3",
        clip_policy: ClipPolicy = "nonlocal",
        skip_undecodable: float | bool = 0.0,
        decode_seconds: float = DECODE_SECONDS,
        index: str | None = None,
        predict_paths: list[str] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.frame_interval = frame_interval
        self.target_fps = target_fps
        self.frames_per_second = frames_per_second
        self.crop_size = crop_size
        low, high = (scale_size, scale_size) if isinstance(scale_size, int) else scale_size
        self.scale_size = (low, high)
        self.crop_area = crop_area
        self.flip_probability = flip_probability
        self.color_jitter = color_jitter
        self.rand_augment = rand_augment
        self.random_erasing = random_erasing
        self.test_scale_size = test_scale_size
        self.test_crop_size = test_crop_size
        self.clips_per_video = clips_per_video
        self.balanced_sampling = balanced_sampling
        self.batch_size = batch_size
        self.num_workers = min(available_cores(), 8) if num_workers is None else num_workers
        self.decoder: DecoderName = decoder
        self.protocol: ProtocolName = protocol
        self.clip_policy: ClipPolicy = clip_policy
        self.skip_undecodable = allowed_share(skip_undecodable)
        self.decode_seconds = decode_seconds
        self.index = index
        self.predict_paths = predict_paths or []
        self.multi_label = multi_label
        self.hold_out = hold_out
        self.seed = seed
        check_settings(self)
        self._pixels = self._pixel_transforms()
        lists: dict[Split, str | None] = {"train": train_list, "val": val_list, "test": test_list}
        self.frame_folders = frame_folders
        self.catalog = Catalog(
            root,
            lists=lists,
            classes=classes,
            columns=list_columns,
            frame_folders=frame_folders,
            exclude=exclude,
            allow_outside=allow_outside,
            hold_out=hold_out,
            multi_label=multi_label,
        )
        # What this run has found out about the videos of each list; a training that goes on begins with its own.
        self.known: dict[Split, Known] = {split: Known() for split in lists}
        # Of a training that goes on: the epoch, and how many of its updates are done.
        self.begins = (0, 0)

    @property
    def classes(self) -> list[str]:
        """Class names in the order of their indices."""
        return self.catalog.classes

    @property
    def num_classes(self) -> int:
        """K: what the model's last layer has to have."""
        return len(self.classes)

    @property
    def _multi_hot(self) -> int | None:
        return self.num_classes if self.multi_label else None

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings that decide which clips a training sees, besides videos, seed and batch sizes, by name."""
        size = "scale_size" if self.crop_area is None else "crop_area"
        names = ("num_frames", "frame_interval", "crop_size", size, "flip_probability", "decoder")
        return {f"data.{name}": getattr(self, name) for name in names} | {
            name: getattr(self, name.removeprefix("data.")) for name in self.OFF
        }

    @property
    def test_extras(self) -> dict[str, Any]:
        """The settings of a test that the paper's does without, by name."""
        settings = {"data.target_fps": self.target_fps, "data.hold_out": self.catalog.hold_out}
        return {name: value for name, value in settings.items() if value is not None}

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of each device in an epoch."""
        return len(self._train_sampler()) // self.batch_size * self.clips_per_video

    def check_rates(self, records: Records) -> None:
        """Refuse target_fps for what has no frame rate: images, and folders of frames without frames_per_second.

        Raises:
            ValueError: There are such; the first is named.
        """
        if self.target_fps is not None:
            check_rates(records, frames_per_second=self.frames_per_second)

    def doubts(self) -> list[str]:
        """Return what a training should know of its videos, a sentence each; see `Catalog.doubts`."""
        has_test = self.catalog.lists["test"] is not None and self.catalog.hold_out is None
        splits: tuple[Split, ...] = ("train", "val", "test") if has_test else ("train", "val")
        return self.catalog.doubts() + [text for split in splits for text in self._doubts_of(split)]

    def doubts_of_test(self) -> list[str]:
        """Return what a test should know of its videos, a sentence each: of their length and rates."""
        wraps = self.clip_policy == "nonlocal" and PROTOCOLS[self.protocol].num_clips > 1
        return self._doubts_of("test", wraps=wraps)

    def _doubts_of(self, split: Split, *, wraps: bool = False) -> list[str]:
        return doubts(
            self.catalog.present(split),
            name=str(self.catalog.list_of(split)),
            num_frames=self.num_frames,
            frame_interval=self.frame_interval,
            target_fps=self.target_fps,
            by_frames=self.catalog.is_built_in,
            wraps=wraps,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches of one random view a video; the epoch's order is the sampler's."""
        # A run that goes on makes its loader here, and begins to read from it before anything calls set_epoch.
        progress: Any = self.trainer.fit_loop.epoch_progress.current if self.trainer is not None else None
        return self._train_loader(progress.processed if progress else 0)

    def _train_dataset(self) -> TrainDataset:
        return TrainDataset(
            self.catalog.present("train"),
            views=self._train_views(),
            seed=self.seed,
            decoder=self.decoder,
            index=self._index(),
            target_fps=self.target_fps,
            frames_per_second=self.frames_per_second,
            pixels=self._pixels,
            clips_per_video=self.clips_per_video,
            known=self.known["train"],
            decode_seconds=self.decode_seconds,
            multi_hot=self._multi_hot,
        )

    def _train_loader(self, epoch: int, **settings: Any) -> DataLoader[Batch]:
        dataset = self._train_dataset()
        sampler = self._train_sampler()
        sampler.set_epoch(epoch)
        return self._loader(dataset, self.clips_per_video, sampler=sampler, batch_size=self.batch_size, **settings)

    def train_batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the training batches of an epoch."""
        yield from self._train_loader(epoch, persistent_workers=False)

    def train_clips(self, epoch: int, indices: Sequence[int], *, clip: int = 0) -> Batch:
        """Return the clips of some training videos once more as an epoch shows them."""
        dataset = self._train_dataset()
        places = {record.index: place for place, record in enumerate(dataset.records)}
        batch = dataset.__getitems__([(epoch, places[index]) for index in indices])
        return list(forwards(batch, self.clips_per_video))[clip]

    def _train_views(self) -> TrainViews | RegionViews:
        clip, crop = (self.num_frames, self.frame_interval), (self.crop_size, self.flip_probability)
        if self.crop_area is not None:
            return RegionViews(*clip, self.crop_area, *crop)
        return TrainViews(*clip, self.scale_size, *crop)

    def _pixel_transforms(self) -> PixelTransforms | None:
        if self.color_jitter is None and self.rand_augment is None and not self.random_erasing:
            return None
        from videogn.data.views.pixels import PixelTransforms  # torchvision's transforms take a while

        return PixelTransforms(
            color_jitter=self.color_jitter, rand_augment=self.rand_augment, random_erasing=self.random_erasing
        )

    def _train_sampler(self) -> TrainSampler:
        rank, num_devices = self._place()
        accumulate = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        if accumulate % self.clips_per_video:
            raise ValueError(
                f"clips_per_video {self.clips_per_video} does not divide the {accumulate} forwards of an update, each "
                f"of which shows one clip of a video: give a larger --total_batch_size or a smaller --data.batch_size"
            )
        records = self.catalog.present("train")
        return TrainSampler(
            len(records),
            total_batch_size=self.batch_size * num_devices * accumulate,
            seed=self.seed,
            rank=rank,
            num_devices=num_devices,
            clips_per_video=self.clips_per_video,
            begins=self.begins,
            labels=records.labels() if self.balanced_sampling else None,
        )

    def val_batches(self, *, most: int) -> Iterator[VideoBatch]:
        """Yield batches of one centre view of some validation videos, evenly over the list."""
        records = self.catalog.present("val")
        wanted = np.zeros(len(records), np.bool_)
        wanted[np.linspace(0, len(records) - 1, min(most, len(records))).astype(int)] = True
        yield from self._test_loader(records.select(wanted), "1x1", split="val")

    def val_dataloader(self) -> DataLoader[VideoBatch]:
        """Return batches of one centre view a video."""
        return self._test_loader(self.catalog.records("val"), "1x1", split="val")

    def test_dataloader(self) -> DataLoader[VideoBatch]:
        """Return batches of all views of a video under the protocol."""
        return self._test_loader(self.catalog.records("test"), self.protocol, split="test")

    def predict_dataloader(self, records: Records | None = None) -> DataLoader[VideoBatch]:
        """Return batches as in testing, of videos whose labels are 0; default: those of `predict_paths`."""
        return self._test_loader(self.predict_records() if records is None else records, self.protocol)

    def predict_records(self) -> Records:
        """Return the videos and images of `predict_paths`, those of a folder in sorted order and without thumbnails.

        Raises:
            ListError: There are none, or a path does not exist.
        """
        records = read_given(self.predict_paths, frame_folders=bool(self.frame_folders))
        self.check_rates(records)
        return records

    def views_of(self, video: str | Path | Tensor | NDArray[np.uint8], *, fps: float | None = None) -> VideoViews:
        """Return the views of one video under `protocol`, as a test has them.

        Args:
            video: A video file, an image, a folder of frames; or decoded frames, uint8 [N, H, W, 3], RGB: all of them.
            fps: Frames a second of decoded frames or a folder of them, which do not say: what target_fps needs.

        Raises:
            DecodeError: It can't be decoded, or is no uint8 [N, H, W, 3].
            ValueError: Decoded frames, target_fps and no fps.
        """
        rate = self.frames_per_second if fps is None else fps
        if isinstance(video, str | Path):
            record, frames = Records([str(video)], labels=[0])[0], None
        else:
            frames = self._in_memory(video, rate)
            record = VideoRecord(frames.path, label=0, index=0, name=frames.path)
        return self._test_dataset([record], self.protocol, frames_per_second=rate).views_of(record, frames)

    def slide(
        self, video: str | Path | Tensor | NDArray[np.uint8] | Video, *, every_seconds: float, fps: float | None = None
    ) -> Iterator[SlidClip]:
        """Yield the clips of a window that slides over a video, with the crops of `protocol`; see `sliding.slide`.

        Args:
            video: As in `views_of`; or an open one, such as a camera, which is left open.
            every_seconds: From the beginning of one clip to that of the next.
            fps: Frames a second of decoded frames or a folder of them, which do not say.

        Raises:
            DecodeError: It can't be decoded.
            ValueError: every_seconds is not above 0, or the video's frames have no times.
        """
        if not 0 < every_seconds < math.inf:
            raise ValueError(f"every_seconds is {every_seconds}; expected seconds, more than 0")
        rate = self.frames_per_second if fps is None else fps
        opened: AbstractContextManager[Video]
        if isinstance(video, str | Path):
            opened = open_video(video, backend=self.decoder, frames_per_second=rate)
        elif isinstance(video, Tensor | np.ndarray):
            opened = nullcontext(self._in_memory(video, rate))
        else:
            opened = nullcontext(video)
        with opened as frames:
            views = at_rate(self._test_views(self.protocol), frames, target_fps=self.target_fps)
            yield from slide(frames, views, every_seconds=every_seconds)

    def _in_memory(self, video: Tensor | NDArray[np.uint8], rate: float | None) -> MemoryVideo:
        if self.target_fps is not None and rate is None:
            needs = f"which target_fps {self.target_fps:g} needs"
            raise ValueError(f"decoded frames do not say their rate, {needs}: give it as fps")
        return MemoryVideo(np.asarray(video.cpu() if isinstance(video, Tensor) else video), frames_per_second=rate)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Take note of videos that failed or had to be decoded in full, but in a prediction.

        With several devices, one alone must not stop: all of them do, after they have exchanged what they know.

        Raises:
            TooManyFailed: More videos of the list failed than may.
            Vanished: The folder of the videos is gone.
        """
        stage = self.trainer.state.stage if self.trainer is not None else None
        if self.trainer is not None and stage in _SPLITS:
            self._note(batch, _SPLITS[stage], epoch=self.trainer.current_epoch)
        return batch

    def _note(self, batch: Batch | VideoBatch, split: Split, *, epoch: int) -> None:
        known, after = self.known[split], epoch + 1 if split == "train" else 0
        for place, reason in batch["failures"]:
            path = self.catalog.records(split).of_line(place).path
            if path is not None:  # what was missing from the start was said then
                check_not_vanished(path, root=self.catalog.root_path)
                known.add_failed(place, reason, first_epoch=after)
        for place in batch["in_full"]:
            known.add_in_full(place, first_epoch=after)
        if self._place()[1] == 1:
            self.check_failed(split)

    def check_failed(self, split: Split) -> None:
        """Refuse to go on where more videos of a list are known to fail than may.

        Raises:
            TooManyFailed: More are.
        """
        if self.known[split].failed:
            name = {"train": "training", "val": "validation", "test": "test"}[split]
            self.known[split].check(share=self.skip_undecodable, num_videos=len(self.catalog.present(split)), name=name)

    def statistics_batches(self, num_batches: int) -> Iterator[Batch]:
        """Yield at most `num_batches` training batches of this device, the same ones whenever they are asked for.

        Raises:
            TooManyFailed: More training videos failed than may.
            Vanished: The folder of the videos is gone.
        """
        loader = self._train_loader(STATISTICS_EPOCH, persistent_workers=False)
        for batch in islice(loader, num_batches):
            self._note(batch, "train", epoch=STATISTICS_EPOCH)
            yield batch

    def _test_views(self, protocol: ProtocolName) -> TestViews:
        return TestViews(
            self.num_frames,
            self.frame_interval,
            self.test_scale_size,
            self.test_crop_size,
            PROTOCOLS[protocol],
            self.clip_policy,
        )

    def _test_dataset(
        self,
        records: Sequence[VideoRecord],
        protocol: ProtocolName,
        *,
        frames_per_second: float | None,
        split: Split | None = None,
    ) -> TestDataset:
        """Return videos of a split's list, or of none: a prediction's, whose labels are of no account."""
        return TestDataset(
            records,
            views=self._test_views(protocol),
            decoder=self.decoder,
            index=self._index(),
            target_fps=self.target_fps,
            frames_per_second=frames_per_second,
            known=Known() if split is None else self.known[split],
            decode_seconds=self.decode_seconds,
            multi_hot=None if split is None else self._multi_hot,
        )

    def _test_loader(
        self, records: Records, protocol: ProtocolName, *, split: Split | None = None
    ) -> DataLoader[VideoBatch]:
        dataset = self._test_dataset(records, protocol, frames_per_second=self.frames_per_second, split=split)
        rank, num_devices = self._place()
        videos = max(1, self.batch_size // PROTOCOLS[protocol].num_views)
        sampler = TestSampler(len(records), rank=rank, num_devices=num_devices)
        return self._loader(dataset, sampler=sampler, batch_size=videos)

    def _index(self) -> PacketIndex | None:
        return PacketIndex(self.index) if self.index is not None else None

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _loader(self, dataset: TrainDataset | TestDataset, clips: int = 1, **settings: Any) -> DataLoader[Any]:
        _, num_devices = self._place()
        defaults = {
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
            "multiprocessing_context": beside_devices() if num_devices > 1 and self.num_workers > 0 else None,
        }
        return VideoLoader(
            dataset,
            clips_per_video=clips,
            collate_fn=as_it_is,
            worker_init_fn=live_with_the_run,
            num_workers=self.num_workers,
            # Its own generator: the loader must neither depend on the global one nor move it.
            generator=torch.Generator().manual_seed(self.seed),
            **{**defaults, **settings},
        )
