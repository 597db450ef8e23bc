"""Samples, batches and order: determinism, one decode a video, failures counted and never replaced."""

import hashlib
from functools import partial

import lightning
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import NO_VIDEO, TestDataset, TrainDataset
from videogn.data.decoding import decode_frames
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.lists.entries import ListError
from videogn.data.lists.records import VideoRecord
from videogn.data.motions.synthesize import synthesize
from videogn.data.sampler import TestSampler, TrainSampler
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import protocol_clips
from videogn.data.views.testing import TestViews, long_side_offsets
from videogn.data.views.training import TrainViews

TRAIN = TrainViews(num_frames=8, frame_interval=2, scale_size=(32, 40), crop_size=32, flip_probability=0.5)
TEST = TestViews(8, 2, 32, 32, PROTOCOLS["10x3"], "nonlocal")


def records(*paths) -> list[VideoRecord]:
    return [VideoRecord(str(path), place % 2, place, path.name) for place, path in enumerate(paths)]


def short_side(frames: torch.Tensor, size_px: int) -> torch.Tensor:
    """[T, H, W, C] as torchvision scales them."""
    return F.resize(frames.permute(0, 3, 1, 2), [size_px], antialias=True).permute(0, 2, 3, 1)


def small_module(root, *, accumulate: int = 1, **settings) -> KineticsDataModule:
    base = {"num_frames": 8, "crop_size": 32, "scale_size": (32, 40), "test_scale_size": 32, "test_crop_size": 32}
    module = KineticsDataModule(str(root), **{**base, "batch_size": 4, "num_workers": 0, **settings})
    if accumulate > 1:
        module.trainer = lightning.Trainer(
            accelerator="cpu", accumulate_grad_batches=accumulate, logger=False, enable_checkpointing=False
        )
    return module


def test_test_views_are_clips_times_crops_of_the_right_frames(video):
    made = TestDataset(records(video), views=TEST)[(0, 0)]["views"][0]
    assert len(made) == 30
    views = torch.stack(list(made))
    assert views.shape == (30, 8, 32, 32, 3)
    assert views.dtype == torch.uint8
    frames = short_side(decode_frames(video, range(50)), 32)
    clips = protocol_clips(50, num_clips=10, num_frames=8, frame_interval=2)
    for j in (0, 4, 9):
        for c, (top, left) in enumerate(long_side_offsets(32, 42, 32, 3)):
            expected = frames[clips[j]][:, top : top + 32, left : left + 32]
            assert torch.equal(views[3 * j + c], expected)


def test_all_views_come_from_one_decode(video, monkeypatch):
    given = []
    read = PyAVVideo.read

    def counted(self, *args, **settings):
        for index, frame in read(self, *args, **settings):
            given.append(index)
            yield index, frame

    monkeypatch.setattr(PyAVVideo, "read", counted)
    TestDataset(records(video), views=TEST)[(0, 0)]
    assert given == np.unique(protocol_clips(50, num_clips=10, num_frames=8, frame_interval=2)).tolist()


def test_test_clips_go_by_the_exact_number_of_frames(shared_data):
    path = shared_data / "odd" / "torchvision_RATRACE_wave_f_nm_np1_fr_goo_37.avi"  # 73 packets, 72 frames
    # Clips of 4 frames never ask for the frame that is not there: only the decode to the end can tell.
    short = TestViews(4, 2, 32, 32, PROTOCOLS["10x3"], "nonlocal")
    views = TestDataset(records(path), views=short)[(0, 0)]["views"][0]
    starts = [int(protocol_clips(total, num_clips=10, num_frames=4, frame_interval=2)[9, 0]) for total in (72, 73)]
    assert starts == [64, 65]
    exact, by_packets = short_side(decode_frames(path, starts), 32)[:, :, :32]
    assert not torch.equal(exact, by_packets)
    assert torch.equal(views[27][0], exact)


def test_a_sample_depends_on_seed_epoch_and_video_alone(video):
    dataset = TrainDataset(records(video, video), views=TRAIN, seed=1)
    first = dataset[(0, 0)]["views"][0]
    dataset[(3, 1)]  # what else was asked for changes nothing
    torch.manual_seed(7)
    assert torch.equal(dataset[(0, 0)]["views"][0], first)
    others = [dataset[(1, 0)]["views"][0], dataset[(0, 1)]["views"][0]]
    others.append(TrainDataset(records(video), views=TRAIN, seed=2)[(0, 0)]["views"][0])
    assert not any(torch.equal(first, other) for other in others)


def test_a_short_video_loops(tmp_path):
    short = write_video(tmp_path / "short.mp4", num_frames=5)
    views = TrainViews(num_frames=8, frame_interval=2, scale_size=(48, 48), crop_size=48, flip_probability=0.0)
    sample = TrainDataset(records(short), views=views)[(0, 0)]["views"][0, 0]
    frames = decode_frames(short, [0, 2, 4, 1, 3, 0, 2, 4])
    left = next(x for x in range(17) if torch.equal(sample[0], frames[0][:, x : x + 48]))
    assert torch.equal(sample, frames[:, :, left : left + 48])


def test_a_clip_past_the_true_end_is_drawn_again_by_the_true_number(shared_data):
    path = shared_data / "odd" / "torchvision_TrumanShow_wave_f_nm_np1_fr_med_26.avi"  # 49 packets, 48 frames
    views = TrainViews(num_frames=49, frame_interval=1, scale_size=(32, 32), crop_size=32, flip_probability=0.0)
    batch = TrainDataset(records(path), views=views)[(0, 0)]
    assert not batch["failures"]
    assert torch.equal(batch["views"][0, 0, 48], batch["views"][0, 0, 0])  # 48 frames loop


def test_failures_are_named_and_never_replaced(video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    missing = VideoRecord(None, 1, 7, "gone")
    dataset = TestDataset([*records(video, broken), missing], views=TEST)
    keys = [(0, place) for place in (0, 1, 2, NO_VIDEO)]
    batch = dataset.__getitems__(keys)
    assert len(batch["views"]) == 1
    assert batch["indices"].tolist() == [0]
    assert [index for index, _ in batch["failures"]] == [1, 7]
    assert "broken.mp4: " in batch["failures"][0][1]
    assert "gone: no file" in batch["failures"][1][1]
    empty = dataset.__getitems__(keys[1:])
    assert empty["views"] == []
    assert len(empty["labels"]) == 0
    assert len(empty["failures"]) == 2


def test_a_training_batch_keeps_its_shape_and_gives_the_skipped_no_weight(video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    dataset = TrainDataset(records(broken, video, video), views=TRAIN)
    batch = dataset.__getitems__([(0, place) for place in range(3)])
    assert batch["views"].shape == (3, 1, 8, 32, 32, 3)
    assert batch["weights"].tolist() == [0.0, 1.0, 1.0]
    assert batch["missing"] == [0]
    assert batch["labels"].tolist() == [0, 1, 0]
    assert [index for index, _ in batch["failures"]] == [0]
    assert (batch["views"][0] == 115).all()  # whatever else is in the batch
    alone = dataset[(0, 0)]
    assert torch.equal(alone["views"][0], batch["views"][0])
    assert alone["weights"].tolist() == [0.0]


def test_the_same_clips_come_at_any_batch_size_and_number_of_workers(data_root):
    def epoch(batch_size: int, num_workers: int) -> list[tuple[int, int]]:
        module = small_module(data_root, batch_size=batch_size, accumulate=4 // batch_size, num_workers=num_workers)
        loader = module.train_dataloader()
        loader.sampler.set_epoch(2)
        return [
            (index, hash(views.numpy().tobytes()))
            for batch in loader
            for index, views in zip(batch["indices"].tolist(), batch["views"], strict=True)
        ]

    expected = epoch(4, 0)
    assert len(expected) == 12
    assert epoch(1, 0) == epoch(2, 2) == expected


def test_beside_other_devices_workers_come_from_a_process_without_threads(data_root):
    module = small_module(data_root, num_workers=1, protocol="1x1")
    alone = [index for batch in module.val_dataloader() for index in batch["indices"].tolist()]
    assert module.val_dataloader().multiprocessing_context is None
    module.trainer = lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False)
    loader = module.val_dataloader()
    assert loader.multiprocessing_context.get_start_method() == "forkserver"
    assert [index for batch in loader for index in batch["indices"].tolist()] == alone[::2]  # those of this device


def test_train_sampler_deals_the_same_steps_to_any_number_of_devices():
    def steps(num_devices: int) -> list[set[int]]:
        samplers = [
            TrainSampler(50, total_batch_size=12, seed=3, rank=rank, num_devices=num_devices)
            for rank in range(num_devices)
        ]
        for sampler in samplers:
            sampler.set_epoch(5)
        keys = [[place for epoch, place in sampler if epoch == 5] for sampler in samplers]
        share = 12 // num_devices
        assert all(len(k) == len(s) == 4 * share for k, s in zip(keys, samplers, strict=True))
        return [{p for k in keys for p in k[share * step : share * (step + 1)]} for step in range(4)]

    assert steps(1) == steps(2) == steps(3)
    assert all(len(step) == 12 for step in steps(2))
    assert len(set().union(*steps(1))) == 48


def test_train_sampler_has_another_order_every_epoch():
    sampler = TrainSampler(40, total_batch_size=8, seed=0)
    first = [place for _, place in sampler]
    assert first == [place for _, place in sampler]
    sampler.set_epoch(1)
    assert first != [place for _, place in sampler]
    assert set(first) == set(range(40))


def test_train_sampler_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="7 training videos do not fill one total batch of 8"):
        TrainSampler(7, total_batch_size=8, seed=0)
    with pytest.raises(ValueError, match="8 clips can't be dealt to 3 devices"):
        TrainSampler(70, total_batch_size=8, seed=0, num_devices=3)


@pytest.mark.parametrize("num_devices", [1, 2, 3])
def test_test_sampler_gives_each_video_once_and_as_many_steps_to_all(num_devices):
    parts = [list(TestSampler(5, rank=rank, num_devices=num_devices)) for rank in range(num_devices)]
    assert len({len(part) for part in parts}) == 1
    assert sorted(p for part in parts for _, p in part if p != NO_VIDEO) == [0, 1, 2, 3, 4]


def test_module_reads_a_folder_with_lists(data_root):
    module = small_module(data_root)
    assert module.classes == ["jump", "run"]
    assert module.num_classes == 2
    assert len(module.catalog.records("train")) == 12
    assert module.catalog.records("test") == module.catalog.records("val")
    batch = next(iter(module.val_dataloader()))
    assert [view.shape for video in batch["views"] for view in video] == 4 * [(8, 32, 32, 3)]
    (views,) = next(iter(module.test_dataloader()))["views"]
    assert [view.shape for view in views] == 30 * [(8, 32, 32, 3)]


def test_fingerprint_is_of_names_labels_and_sizes(data_root, tmp_path):
    fingerprint = small_module(data_root).catalog.fingerprint("val")
    assert fingerprint == small_module(data_root, test_list="val.csv").catalog.fingerprint("test")
    assert fingerprint != small_module(data_root).catalog.fingerprint("train")
    other = tmp_path / "val.csv"
    other.write_text(
        (data_root / "val.csv").read_text().replace("jump", "swap").replace("run", "jump").replace("swap", "run")
    )
    assert fingerprint != small_module(data_root, val_list=str(other)).catalog.fingerprint("val")


def test_fingerprint_is_the_one_that_results_hold(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"12345")
    (tmp_path / "train.txt").write_text("a.mp4 run\nü/gone.mp4 jump\n", encoding="utf-8")
    lines = "a.mp4\t1\t5\nü/gone.mp4\t0\t-1\n"
    expected = hashlib.sha256(lines.encode()).hexdigest()[:16]
    assert small_module(tmp_path).catalog.fingerprint("train") == expected == "7bd4c2dcc76d9500"


def test_missing_videos_are_counted_and_a_wrong_root_refused(data_root, tmp_path, capsys):
    listing = tmp_path / "some.csv"
    listing.write_text((data_root / "train.csv").read_text() + "gone.mp4 run\n")
    module = small_module(data_root, train_list=str(listing))
    assert len(module.catalog.records("train")) == 13
    assert "1 of 13 videos are missing on disk (the first is 'gone.mp4')" in capsys.readouterr().err
    assert module.train_dataloader().sampler.num_videos == 12
    (tmp_path / "train.csv").write_text("gone.mp4 0\nlost.mp4 1\n")
    with pytest.raises(ListError, match="none of its 2 videos lies below"):
        small_module(tmp_path).catalog.records("train")
    with pytest.raises(ListError, match="no list of val videos"):
        small_module(tmp_path).catalog.records("val")
    with pytest.raises(ListError, match="is no folder"):
        small_module(tmp_path / "nowhere").catalog.records("train")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_size": 64}, "scale_size is 32 to 40 px; it must rise and not be below crop_size"),
        ({"scale_size": (40, 32)}, "must rise"),
        ({"test_crop_size": 48}, "does not fit into test_scale_size"),
        ({"flip_probability": 1.5}, "flip_probability is 1.5"),
        ({"protocol": "30"}, "unknown protocol '30'; expected one of 10x3, 10x1, 1x1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_workers": -1}, "num_workers is -1"),
        ({"index": "nowhere/index.sqlite"}, "index is nowhere/index.sqlite; there is no such folder"),
    ],
)
def test_impossible_settings_are_refused(data_root, settings, message):
    with pytest.raises(ValueError, match=message):
        small_module(data_root, **settings)


def test_predict_paths_are_files_and_folders(data_root, tmp_path):
    module = small_module(data_root, predict_paths=[str(data_root / "val"), str(data_root / "train" / "00.mp4")])
    assert [record.path.split("/")[-1] for record in module.predict_records()] == [
        *(f"{k:02d}.mp4" for k in range(5)),
        "00.mp4",
    ]
    assert [(record.label, record.index) for record in module.predict_records()] == [(0, place) for place in range(6)]
    with pytest.raises(ListError, match="no videos in this folder"):
        small_module(data_root, predict_paths=[str(tmp_path)]).predict_records()
    with pytest.raises(ListError, match="no such file"):
        small_module(data_root, predict_paths=["none.mp4"]).predict_records()


def test_videos_without_a_root_are_refused_and_nothing_is_made_in_its_place(tmp_path, monkeypatch):
    """A config without a root would else train on the built-in videos, whose classes a flip changes."""
    monkeypatch.chdir(tmp_path)
    data = KineticsDataModule()
    for ask in (lambda: data.num_classes, data.train_dataloader, lambda: data.catalog.records("val")):
        with pytest.raises(ListError, match=r"data\.root is not given: .* --data\.root DIR"):
            ask()
    assert not list(tmp_path.iterdir())


def test_the_built_in_videos_are_made_where_they_are_asked_for_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = partial(synthesize, num_train=8, num_val=8, num_workers=0)
    monkeypatch.setattr("videogn.data.lists.catalog.synthesize", small)
    assert KineticsDataModule("data/motions").num_classes == 8
    assert "making the data set 'motions' in data/motions" in capsys.readouterr().err
    assert len(KineticsDataModule("data/motions").catalog.records("train")) == 8
    assert not capsys.readouterr().err
    with pytest.raises(ListError, match="'data/other' is no folder"):
        KineticsDataModule("data/other").catalog.records("train")
