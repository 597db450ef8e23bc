"""Folders of frames: their images are the frames of one video, and give what the frames themselves would."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding import DecodeError, TooFewFrames, decode_frames, open_video
from videogn.data.decoding.frames import in_order
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import ListError
from videogn.data.lists.formats import read_list


def write_frames(folder: Path, num_frames: int, *, seed: int = 0, name: str = "img_{:05d}.png", first: int = 1) -> Path:
    """The frames of a real video as images without loss."""
    video = write_video(folder.parent / f"{folder.name}_{seed}.tmp.mp4", num_frames=num_frames, seed=seed)
    frames = decode_frames(video, range(num_frames)).numpy()
    video.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for place, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(place + first))
    return folder


@pytest.mark.parametrize("name", ["img_{:05d}.png", "{}.png", "v2_x3_frame{:02d}_rgb.png"])
@pytest.mark.parametrize("first", [0, 1, 95])
def test_frames_come_in_the_order_of_their_numbers(tmp_path, name, first):
    video = write_video(tmp_path / "v.mp4", num_frames=12)
    expected = decode_frames(video, range(12))
    folder = write_frames(tmp_path / "v", 12, name=name, first=first)
    (folder / ".hidden_1.png").touch()
    (folder / "notes.txt").touch()
    wanted = [11, 0, 5, 5]
    assert decode_frames(folder, wanted).equal(expected[wanted])
    assert decode_frames(folder, wanted, backend="decord").equal(expected[wanted])
    with open_video(folder) as opened:
        assert opened.num_frames == opened.count_frames() == 12
    with pytest.raises(TooFewFrames, match="frame 12 was asked for, but only 12 can be decoded"):
        decode_frames(folder, [12])


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True),
    st.integers(1, 8),
    st.text(st.sampled_from("ab_. é3"), max_size=5),
)
def test_any_numbers_in_any_padding(numbers, width, prefix):
    names = [f"{prefix}x{number:0{width}d}.jpg" for number in numbers]
    assert in_order(names) == [f"{prefix}x{number:0{width}d}.jpg" for number in sorted(numbers)]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "no images in this folder"),
        (["flow_x_1.jpg", "flow_y_1.jpg"], "flow_x_1.jpg and flow_y_1.jpg are named by two patterns"),
        (["1_1.jpg", "2_2.jpg"], "differ in two numbers"),
        (["1_1.jpg", "1_2.jpg", "2_1.jpg"], "differ in two numbers"),
        (["a_1.jpg", "a_01.jpg"], "two frames of one number"),
        (["a_1.jpg", "a_2.jpg", "a_02.jpg"], "two frames of one number"),
    ],
)
def test_an_order_that_names_do_not_tell_is_refused(tmp_path, names, says):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DecodeError, match=says), open_video(tmp_path):
        pass


def test_a_damaged_frame_and_frames_of_two_sizes_are_named(tmp_path):
    folder = write_frames(tmp_path / "v", 6)
    (folder / "img_00003.png").write_bytes(b"gone")
    assert decode_frames(folder, [0, 1]).shape == (2, 48, 64, 3)
    with pytest.raises(DecodeError, match=r"img_00003.png: no image"):
        decode_frames(folder, [0, 2])
    Image.new("RGB", (30, 20)).save(folder / "img_00003.png")
    with pytest.raises(DecodeError, match=r"two sizes: img_00001.png has 64 x 48 px, and img_00003.png 30 x 20"):
        decode_frames(folder, [0, 2])


@pytest.fixture(scope="module")
def frames_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    for split, count in (("train", 3), ("val", 2)):
        for label, name in enumerate(("run", "walk")):
            for number in range(count):
                write_frames(root / split / name / f"v{number}", 24 + number, seed=10 * label + number)
    return root


def module(root: Path, **settings) -> KineticsDataModule:
    sizes = {"crop_size": 32, "scale_size": (36, 40), "test_scale_size": 36, "test_crop_size": 32}
    clip = {
        "num_frames": 8,
        "frame_interval": 2,
        "batch_size": 2,
        "num_workers": 0,
        "protocol": "10x3",
        "frame_folders": True,
    }
    return KineticsDataModule(str(root), **{**sizes, **clip, **settings})


def test_training_and_test_views_are_those_of_the_frames(frames_root, monkeypatch):
    """Against a video whose frames are given as arrays, in the place of a file."""
    data = module(frames_root)
    trained = [batch["views"] for batch in data.train_dataloader()]
    tested = [[view.clone() for view in video] for batch in data.test_dataloader() for video in batch["views"]]
    assert len(trained) == 3
    assert [len(views) for views in tested] == [30] * 4

    class Arrays:
        """The frames of a folder, all read by Pillow itself."""

        def __init__(self, path, *, frames_per_second=None):
            self.path, self.rate = str(path), None
            self.frames = [np.array(Image.open(file)) for file in sorted(Path(path).iterdir())]
            self.num_frames = len(self.frames)

        def count_frames(self):
            return self.num_frames

        def read(self, indices, *, window=None, exact_count=False):
            from videogn.data.decoding.window import cut, whole

            for index in sorted(set(indices)):
                frame = self.frames[index]
                yield index, cut(frame, (window or whole)(*frame.shape[:2]))

        def close(self):
            pass

    monkeypatch.setattr("videogn.data.decoding.frames.FramesVideo", Arrays)
    again = module(frames_root)
    for found, expected in zip(again.train_dataloader(), trained, strict=True):
        assert found["views"].equal(expected)
    videos = [video for batch in again.test_dataloader() for video in batch["views"]]
    for video, expected in zip(videos, tested, strict=True):
        assert all(view.equal(other) for view, other in zip(video, expected, strict=True))


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_of(folder: Path, *, frame_folders: bool | None) -> list[str]:
    entries = read_list(folder, root=folder, split="train", frame_folders=frame_folders)
    return [entry.name for entry in entries]


def test_folders_of_images_are_what_the_user_says(tmp_path):
    images = [f"{video}/img_{number:05d}.jpg" for video in ("run/v1", "walk/deep/v2") for number in range(1, 25)]
    touch(tmp_path, *images, "walk/b.mp4")
    says = r"2 folders of images below the class folders \(the first is 'run/v1' with 24\): say whether .*frame_folders"
    with pytest.raises(ListError, match=says):
        names_of(tmp_path, frame_folders=None)
    assert names_of(tmp_path, frame_folders=True) == ["run/v1", "walk/b.mp4", "walk/deep/v2"]
    with pytest.warns(UserWarning, match="holds both 48 images and 1 video"):
        assert names_of(tmp_path, frame_folders=False) == sorted([*images, "walk/b.mp4"])


def test_images_in_class_folders_are_no_question(tmp_path):
    touch(tmp_path, *(f"{name}/n1_{number}.JPEG" for name in ("cat", "dog") for number in range(5)))
    assert len(names_of(tmp_path, frame_folders=None)) == 10
    touch(tmp_path, "cat/v/1.jpg")
    with pytest.raises(ListError, match=r"cat/n1_0.JPEG lies in no folder of a video"):
        names_of(tmp_path, frame_folders=True)


def test_gaps_are_said_and_one_frame_is_a_video(tmp_path):
    touch(tmp_path, *(f"run/v/{number}.jpg" for number in (10, 20, 30)), "walk/w/7.png")
    with pytest.warns(UserWarning, match=r"1 of 2 folders of frames have gaps .*'run/v': 18 missing\)"):
        assert names_of(tmp_path, frame_folders=True) == ["run/v", "walk/w"]


@pytest.mark.parametrize(
    ("stray", "says"),
    [
        ("cover.jpg", "run/v is no folder of frames: 0.jpg and cover.jpg are named by two patterns"),
        ("0.png", "run/v is no folder of frames: 0.jpg and 0.png: two frames of one number"),
        ("v.mp4", "run/v holds both images and a video"),
    ],
)
def test_a_stray_file_among_frames_is_named(tmp_path, stray, says):
    touch(tmp_path, *(f"run/v/{number}.jpg" for number in range(5)), f"run/v/{stray}")
    with pytest.raises(ListError, match=says):
        names_of(tmp_path, frame_folders=True)


def test_what_is_predicted_is_what_was_trained_on(tmp_path):
    write_frames(tmp_path / "a", 3)
    write_frames(tmp_path / "b", 4, seed=1)
    paths = {"predict_paths": [str(tmp_path), str(tmp_path / "b")]}
    of_videos = [Path(record.name) for record in module(tmp_path, **paths).predict_records()]
    assert of_videos == [tmp_path / "a", tmp_path / "b", tmp_path / "b"]
    batches = module(tmp_path, **paths).predict_dataloader()
    assert sum(len(batch["labels"]) for batch in batches) == 3
    assert len(module(tmp_path, frame_folders=None, **paths).predict_records()) == 3 + 4 + 4


def test_lists_of_folders_of_frames(tmp_path):
    for number in range(3):
        write_frames(tmp_path / "frames" / f"v{number}", 20, seed=number)
    (tmp_path / "train.txt").write_text("frames/v0 20 0\nframes/v1 20 1\nframes/gone 20 1\n")
    (tmp_path / "val.txt").write_text("frames/v2 20 1\n")
    data = module(tmp_path, num_frames=4)
    assert [record.name for record in data.catalog.present("train")] == ["frames/v0", "frames/v1"]
    assert data.catalog.read_as["train"] == "path frames label, space between"
    [batch] = islice(data.train_dataloader(), 1)
    assert batch["failures"] == []
    assert batch["views"].shape == (2, 1, 4, 32, 32, 3)
    before = data.catalog.fingerprint("train")
    os.remove(tmp_path / "frames" / "v0" / "img_00020.png")
    again = Catalog(str(tmp_path), lists={"train": None, "val": None, "test": None}, classes=None)
    assert again.fingerprint("train") != before
