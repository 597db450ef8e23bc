"""ImageNet as people have it, through the data module: a tree of class folders, lists, folders to predict."""

import os
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from tests.data.images import picture, write_image
from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.lists.entries import ListError
from videogn.data.lists.formats import read_list
from videogn.data.lists.labels import classes_of

CLASSES = ("n01440764", "n01443537", "n02105855")


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine training and six validation images of three classes, of many sizes."""
    root = tmp_path_factory.mktemp("imagenet")
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(CLASSES):
            for place in range(count):
                seed = 10 * label + place
                path = root / split / name / f"{name}_{seed}.JPEG"
                write_image(path, picture(70 + 9 * seed, 120 - 2 * seed, seed), "PNG" if seed == 20 else "JPEG")
    return root


def module(root: Path, **settings) -> KineticsDataModule:
    base = {"num_frames": 1, "frame_interval": 1, "crop_size": 32, "test_scale_size": 40, "test_crop_size": 32}
    base |= {"crop_area": (0.08, 1.0), "batch_size": 3, "num_workers": 0, "protocol": "1x1"}
    return KineticsDataModule(str(root), **{**base, **settings})


def test_an_image_folder_is_read_as_torchvision_reads_it(imagenet):
    data = module(imagenet)
    for split in ("train", "val", "test"):
        theirs = ImageFolder(str(imagenet / ("train" if split == "train" else "val")))
        assert data.classes == theirs.classes
        assert [(r.path, r.label) for r in data.catalog.records(split)] == theirs.samples


def test_validation_sees_what_torchvisions_usual_transforms_give(imagenet):
    views = [video[0][0] for batch in module(imagenet).val_dataloader() for video in batch["views"]]
    assert [view.shape for view in views] == 6 * [(32, 32, 3)]
    scale = v2.Compose([v2.ToImage(), v2.Resize(40, antialias=True)])
    for view, (image, _) in zip(views, ImageFolder(str(imagenet / "val")), strict=True):
        scaled = scale(image)
        top, left = (scaled.shape[1] - 32) // 2, (scaled.shape[2] - 32) // 2
        assert torch.equal(view.permute(2, 0, 1), scaled[:, top : top + 32, left : left + 32])
        # Pillow's own scaling, which most ImageNet results used, is another implementation of the same filter.
        by_pillow = np.asarray(v2.Resize(40)(image))[top : top + 32, left : left + 32]
        assert np.abs(view.numpy().astype(int) - by_pillow).max() <= 1


def epoch(data: KineticsDataModule, number: int) -> list[tuple[int, bytes]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return [
        (index, views.numpy().tobytes())
        for batch in loader
        for index, views in zip(batch["indices"].tolist(), batch["views"], strict=True)
    ]


def test_training_crops_depend_on_seed_epoch_and_image_alone(imagenet):
    expected = epoch(module(imagenet), 2)
    assert len(expected) == 9
    assert len(set(expected[0][1])) > 50
    accumulating = module(imagenet, batch_size=1, num_workers=2)
    accumulating.trainer = lightning.Trainer(
        accelerator="cpu", accumulate_grad_batches=3, logger=False, enable_checkpointing=False
    )
    assert epoch(accumulating, 2) == expected
    assert dict(epoch(module(imagenet), 3)).keys() == dict(expected).keys()
    assert not set(epoch(module(imagenet), 3)) & set(expected)
    assert not set(epoch(module(imagenet, seed=1), 2)) & set(expected)


def test_without_crop_area_images_are_scaled_and_cropped_as_videos_are(imagenet):
    batch = next(iter(module(imagenet, crop_area=None, scale_size=(32, 40)).train_dataloader()))
    assert batch["views"].shape == (3, 1, 1, 32, 32, 3)
    assert batch["failures"] == []


def test_videos_take_random_regions_too(data_root):
    data = module(data_root, num_frames=8, frame_interval=2)
    batch = next(iter(data.train_dataloader()))
    assert batch["views"].shape == (3, 1, 8, 32, 32, 3)
    assert batch["failures"] == []


@pytest.mark.parametrize(
    "area", [(0.0, 1.0), (-0.1, 1.0), (0.5, 0.1), (0.5, 1.1), (float("nan"), 1.0), (0.1,), (0.1, 0.5, 1.0)]
)
def test_an_impossible_crop_area_is_refused(imagenet, area):
    with pytest.raises(ValueError, match=r"crop_area is \(.*\); expected two shares, 0 < low <= high <= 1"):
        module(imagenet, crop_area=area)


def test_scale_size_beside_crop_area_warns_and_does_not_bind(imagenet):
    with pytest.warns(UserWarning, match=r"scale_size \(16, 20\) has no effect: crop_area is given"):
        data = module(imagenet, scale_size=(16, 20))
    assert epoch(data, 0) == epoch(module(imagenet), 0)
    assert module(imagenet, crop_size=384).crop_size == 384  # above the default scale_size: no matter


def test_lists_name_images(imagenet, tmp_path):
    listing = tmp_path / "val.txt"
    listing.write_text("val/a b.JPEG goldfish, Carassius\nval/c.Png 3\nx.webp\tSt. Bernard\nclip.mp4 3\n")
    entries = read_list(listing, root=imagenet, split="val")
    assert [(e.name, e.label) for e in entries] == [
        ("val/a b.JPEG", "goldfish, Carassius"),
        ("val/c.Png", "3"),
        ("x.webp", "St. Bernard"),
        ("clip.mp4", "3"),
    ]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_in(root: Path) -> list[str]:
    return [entry.name for entry in read_list(root, root=root, split="train")]


def test_thumbnails_beside_their_videos_are_left_out_and_said(tmp_path):
    touch(tmp_path, "run/a.mp4", "run/a.jpg", "run/a.mp4.png", "run/b.MKV", "run/deep/c.d.avi", "run/deep/c.d.JPEG")
    touch(tmp_path, "jump/e.gif", "jump/e.webp")
    with pytest.warns(UserWarning, match=r"a video of the same name being beside: 4 images \(the first is 'jump/e.web"):
        assert names_in(tmp_path) == ["jump/e.gif", "run/a.mp4", "run/b.MKV", "run/deep/c.d.avi"]
    with pytest.warns(UserWarning, match=r"run: left out as thumbnails.*: 3 images \(the first is 'a.jpg'"):
        predicted = module(tmp_path, predict_paths=[str(tmp_path / "run")]).predict_records()
    assert [record.name for record in predicted] == [
        str(tmp_path / "run" / x) for x in ("a.mp4", "b.MKV", "deep/c.d.avi")
    ]
    given = str(tmp_path / "run" / "a.jpg")  # a file that is named is meant
    assert [record.name for record in module(tmp_path, predict_paths=[given]).predict_records()] == [given]


@pytest.mark.parametrize(
    "stray",
    [
        "run/clip.mp4",
        "run/clip.gif",
        "jump/a.mp4",
        "run/deep/a.mp4",
        "run/a.jpg.mp4",
        "run/A.mp4",
        "run/a2.mp4",
        "swim/a.mp4",
    ],
)
def test_one_video_in_a_tree_of_images_drops_none(tmp_path, stray):
    images = ["jump/c.jpg", "run/a.jpg", "run/b.png", "run/deep/d.jpg"]
    touch(tmp_path, *images)
    touch(tmp_path, stray)
    with pytest.warns(UserWarning, match=r"holds both 4 images and 1 video: all are taken") as said:
        assert set(names_in(tmp_path)) == {*images, stray}
    assert len(said) == 1
    predicted = module(tmp_path, predict_paths=[str(tmp_path)]).predict_records()  # here a mixture is no surprise
    assert {record.name for record in predicted} == {str(tmp_path / name) for name in (*images, stray)}


def test_classes_of_images_beside_classes_of_videos_stay(tmp_path):
    touch(tmp_path, "run/a.mp4", "run/a.jpg", "run/b.mp4", "jump/a.jpg", "jump/b.jpg", "swim/c.png")
    with pytest.warns(UserWarning, match="left out as thumbnails|all are taken") as said:
        entries = read_list(tmp_path, root=tmp_path, split="train")
    assert [e.name for e in entries] == ["jump/a.jpg", "jump/b.jpg", "run/a.mp4", "run/b.mp4", "swim/c.png"]
    assert classes_of(entries) == ["jump", "run", "swim"]
    messages = [str(warning.message) for warning in said]
    assert len(messages) == 2
    assert "left out as thumbnails" in messages[0]
    assert "being beside: 1 image (" in messages[0]
    assert "holds both 3 images and 2 videos: all are taken" in messages[1]


@pytest.mark.filterwarnings("ignore:.* left out: ")
def test_an_empty_training_class_folder_is_refused_as_image_folder_does(tmp_path):
    touch(tmp_path, "train/n01/a.jpg", "train/n02/notes.txt", "train/n03/b.jpg", "val/n01/a.jpg")
    with pytest.raises(FileNotFoundError):
        ImageFolder(str(tmp_path / "train"))
    for split in ("train", "val"):  # whatever is asked for first: the classes are training's
        with pytest.raises(ListError, match=r"train: class folder n02 holds no videos or images: fill it, remove it"):
            module(tmp_path).catalog.records(split)
    (tmp_path / "train" / "n04").mkdir()
    with pytest.raises(ListError, match=r"class folder n02 holds no videos or images \(and 1 more\)"):
        _ = module(tmp_path).classes
    (tmp_path / "classes.txt").write_text("n03\nn02\nn01\n")  # then the folders name no classes
    assert [record.label for record in module(tmp_path).catalog.records("train")] == [2, 0]


@pytest.mark.filterwarnings("ignore:.* left out: ")
def test_an_empty_validation_class_folder_needs_a_class_known_from_training(tmp_path):
    touch(tmp_path, "train/n01/a.jpg", "train/n02/b.jpg", "val/n01/notes.txt", "val/n02/c.jpg")
    catalog = module(tmp_path).catalog
    assert [(record.name, record.label) for record in catalog.records("val")] == [("n02/c.jpg", 1)]
    touch(tmp_path, "val/n03/notes.txt")
    with pytest.raises(ListError, match="val: class folder n03 holds no videos or images"):
        module(tmp_path).catalog.records("val")


def test_links_to_folders_are_followed_unless_they_lead_back(tmp_path):
    touch(tmp_path, "train/a/x.jpg", "train/a/deep/y.jpg", "train/b/z.jpg", "elsewhere/w.jpg")
    (tmp_path / "train" / "a" / "up").symlink_to("..")
    (tmp_path / "train" / "b" / "other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "train" / "b" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "train" / "self").symlink_to(".")  # no class
    assert [name for name in names_in(tmp_path / "train") if "loop" not in name] == [
        "a/deep/y.jpg",
        "a/x.jpg",
        "b/other/w.jpg",
        "b/z.jpg",
    ]
    predicted = module(tmp_path, predict_paths=[str(tmp_path / "train")]).predict_records()
    assert len(predicted) == 5  # and the link to itself, which will be said not to be there


def test_kinetics_never_takes_a_thumbnail_for_a_video(tmp_path):
    touch(tmp_path, "aaaaaaaaaaa_000000_000010.jpg", "aaaaaaaaaaa_000000_000010.mp4", "bbbbbbbbbbb.jpg")
    csv = tmp_path / "train.csv"
    csv.write_text("label,youtube_id,time_start,time_end,split\nx,aaaaaaaaaaa,0,10,train\nx,bbbbbbbbbbb,0,10,train\n")
    found = [e.path for e in read_list(csv, root=tmp_path, split="train")]
    assert found == [str(tmp_path / "aaaaaaaaaaa_000000_000010.mp4"), None]


def test_files_come_in_the_order_of_their_paths_whatever_the_depth(tmp_path):
    names = ["b/z.jpg", "b/d/z.jpg", "b/d-e/a.jpg", "b/d.jpg", "b/D.jpg", "a/10.jpg", "a/9.jpg", "a b/x.jpg"]
    touch(tmp_path, *names)
    entries = read_list(tmp_path, root=tmp_path, split="train")
    assert [e.name for e in entries] == [str(p) for p in sorted(map(Path, names))]
    assert classes_of(entries) == ["a", "a b", "b"]


def test_linked_classes_and_files_count_and_dead_links_are_missing(imagenet, tmp_path, capsys):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "fish").symlink_to(imagenet / "train" / CLASSES[0])
    touch(tmp_path, "train/dog/x.txt")
    (tmp_path / "train" / "dog" / "a.jpg").symlink_to(next((imagenet / "train" / CLASSES[2]).iterdir()))
    (tmp_path / "train" / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    catalog = module(tmp_path).catalog
    with pytest.warns(UserWarning, match=r"train: left out: "):
        assert catalog.classes == ["dog", "fish"]
    assert [record.label for record in catalog.records("train")] == [0, 0, 1, 1, 1]
    assert "1 of 5 videos are missing on disk (the first is 'dog/gone.jpg')" in capsys.readouterr().err
    names = [record.name for record in catalog.present("train")]
    assert names == ["dog/a.jpg", *(f"fish/{CLASSES[0]}_{place}.JPEG" for place in range(3))]


def test_a_folder_of_images_is_predicted(imagenet):
    data = module(imagenet, predict_paths=[str(imagenet / "val")])
    assert [record.name for record in data.predict_records()] == sorted(map(str, (imagenet / "val").rglob("*.JPEG")))
    videos = [video for batch in data.predict_dataloader() for video in batch["views"]]
    assert [view.shape for video in videos for view in video] == 6 * [(1, 32, 32, 3)]


def test_a_list_mixes_images_and_videos(tmp_path):
    write_video(tmp_path / "a.mp4", num_frames=10)
    write_image(tmp_path / "b.png")
    (tmp_path / "train.txt").write_text("a.mp4 x\nb.png y\n")
    data = module(tmp_path, num_frames=4, batch_size=2)
    batch = next(iter(data.train_dataloader()))
    assert batch["views"].shape == (2, 1, 4, 32, 32, 3)
    assert batch["failures"] == []


def test_a_broken_image_stops_no_test_and_is_named(imagenet, tmp_path):
    os.symlink(imagenet / "train", tmp_path / "train")
    (tmp_path / "val" / CLASSES[1]).mkdir(parents=True)
    (tmp_path / "val" / CLASSES[1] / "a.JPEG").write_bytes(b"gone")
    Image.new("L", (50, 60)).save(tmp_path / "val" / CLASSES[1] / "b.JPEG")
    (batch,) = module(tmp_path).val_dataloader()
    assert batch["labels"].tolist() == [1]
    assert batch["failures"][0][0] == 0
    assert "a.JPEG: no image" in batch["failures"][0][1]


def test_a_folder_without_media_is_refused(tmp_path):
    touch(tmp_path, "empty/notes.txt")
    with pytest.raises(ListError, match="no videos in this folder, and no images"):
        module(tmp_path, predict_paths=[str(tmp_path / "empty")]).predict_records()
    with pytest.raises(ListError, match="names no video"):
        read_list(tmp_path, root=tmp_path, split="train")
