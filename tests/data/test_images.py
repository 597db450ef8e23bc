"""Images as videos of one frame: the pixels that torchvision's ImageFolder gives, or an error with a reason."""

import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS, pil_loader

from tests.data.images import picture, write_image, write_kinds
from videogn import decode_frames
from videogn.data.dataset import TestDataset, TrainDataset
from videogn.data.decoding import DecodeError, TooFewFrames, open_video
from videogn.data.lists.records import VideoRecord
from videogn.data.media import IMAGE_SUFFIXES
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews
from videogn.data.views.training import RegionViews, TrainViews


def folder_pixels(path: Path) -> np.ndarray:
    """What torchvision.datasets.ImageFolder reads."""
    with warnings.catch_warnings(action="ignore"):
        return np.asarray(pil_loader(str(path)))


def test_every_kind_of_image_has_the_pixels_that_image_folder_has(tmp_path):
    paths = write_kinds(tmp_path)
    assert {path.suffix.lower() for path in paths} == IMAGE_SUFFIXES == set(IMG_EXTENSIONS)
    for path in paths:
        with open_video(path) as video:
            assert video.num_frames == video.count_frames() == 1
        for backend in ("pyav", "decord"):  # of images, neither is asked
            frames = decode_frames(path, [0, 0], backend=backend)
            assert frames.dtype == torch.uint8
            assert frames.shape == (2, 60, 90, 3), path.name
            for frame in frames:
                np.testing.assert_array_equal(frame.numpy(), folder_pixels(path), err_msg=path.name)


def test_pixels_are_those_of_the_picture_that_was_saved(tmp_path):
    """Not only equal to another reader: colour range, order of channels and grey are right."""
    rgb = np.asarray(picture()).astype(int)
    mean_bounds = {"rgb.png": 0, "a.tif": 0, "444.jpeg": 2, "cmyk.JPEG": 2, "turned.jpg": 12, "palette.png": 25}
    write_kinds(tmp_path)
    for name, bound in mean_bounds.items():
        difference = np.abs(decode_frames(tmp_path / name, [0])[0].numpy() - rgb)
        assert difference.mean() <= bound, name
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None], 16, axis=0))
    full = decode_frames(write_image(tmp_path / "ramp.jpg", ramp, quality=100), [0])[0].numpy()
    assert np.abs(full.astype(int) - np.asarray(ramp)[..., None]).max() <= 2  # 0 is 0 and 255 is 255


def test_sixteen_bits_of_grey_keep_the_upper_eight(tmp_path):
    grey = np.asarray(picture().convert("L")).astype(np.uint16)
    path = write_image(tmp_path / "deep.png", Image.fromarray(grey * 256 + 77))
    frame = decode_frames(path, [0])[0].numpy()
    np.testing.assert_array_equal(frame, np.repeat(grey[..., None], 3, axis=2))
    assert (folder_pixels(path) == 255).mean() > 0.9  # why not as ImageFolder does


ODD_NAMES = ("100%d_off", "a%03d", "%", "[x]", "{a,b}", "*", "?", "-dash", "col:on", "http:x", "pipe:0", "üñ 图")


@pytest.mark.parametrize("name", [f"{stem}.jpg" for stem in (*ODD_NAMES, "a b & c", "a,b", ".jpg", "x.mp4")])
def test_odd_names_are_read_as_themselves(tmp_path, monkeypatch, name):
    write_image(tmp_path / "a001.jpg", picture(seed=1))  # what a pattern would find
    path = write_image(tmp_path / name, kind="JPEG")
    monkeypatch.chdir(tmp_path)
    for given in (path, name):
        np.testing.assert_array_equal(decode_frames(given, [0])[0].numpy(), folder_pixels(path))


def broken_images(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name -> a file that can't be read, and what the error must say."""
    good = write_image(folder / "good.jpg").read_bytes()
    contents = {
        "truncated.jpg": (good[: len(good) // 2], "truncated"),
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"404: not found", "no image; expected one of JPEG, PNG"),
        "html.png": (b"<html></html>", "no image"),
        "eps.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n", "no image"),
        "header.png": (b"\x89PNG\r\n\x1a\n", "no image"),
        "bomb.bmp": (write_image(folder / "small.bmp").read_bytes(), "decompression bomb"),
    }
    bomb = bytearray(contents["bomb.bmp"][0])
    bomb[18:26] = (20_000).to_bytes(4, "little") * 2  # the header promises 400 megapixels
    contents["bomb.bmp"] = (bytes(bomb), "decompression bomb")
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    broken = {name: (folder / name, reason) for name, (_, reason) in contents.items()}
    real = write_image(folder / "real.tif", Image.fromarray(np.zeros((4, 4), np.float32)))
    return broken | {"real.tif": (real, "mode F"), "none.jpg": (folder / "none.jpg", "no such file")}


def test_broken_images_are_named_with_a_reason_and_counted(tmp_path):
    broken = broken_images(tmp_path)
    for path, reason in broken.values():
        with pytest.raises(DecodeError, match=reason) as error:
            decode_frames(path, [0])
        assert str(error.value).startswith(f"{path}: ")
    paths = [tmp_path / "good.jpg", *(path for path, _ in broken.values())]
    records = [VideoRecord(str(path), 0, place, path.name) for place, path in enumerate(paths)]
    views = TestViews(1, 1, 32, 32, PROTOCOLS["1x1"], "nonlocal")
    dataset = TestDataset(records, views=views)
    batch = dataset.__getitems__([(0, place) for place in range(len(records))])
    assert batch["indices"].tolist() == [0]
    assert [index for index, _ in batch["failures"]] == list(range(1, len(records)))


def test_damaged_images_give_a_frame_or_an_error_and_leak_no_handles(tmp_path):
    kinds = [path.read_bytes() for path in write_kinds(tmp_path) if path.suffix.lower() not in {".tif", ".tiff"}]
    rng = random.Random(0)
    handles = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else None
    outcomes = {"frames": 0, "errors": 0}
    damaged = tmp_path / "damaged.jpg"
    for trial in range(300):
        data = bytearray(rng.choice(kinds))
        if trial % 2:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.choice([1, 10, 100])):
                data[rng.randrange(len(data))] = rng.randrange(256)
        damaged.write_bytes(data)
        try:
            assert decode_frames(damaged, [0]).shape[0] == 1
            outcomes["frames"] += 1
        except DecodeError as error:
            outcomes["errors"] += bool(error.reason)
    assert sum(outcomes.values()) == 300
    assert min(outcomes.values()) > 20, outcomes
    if handles is not None:
        assert len(os.listdir("/proc/self/fd")) <= handles + 1


def test_an_image_has_one_frame(tmp_path):
    path = write_image(tmp_path / "a.jpg")
    with pytest.raises(TooFewFrames, match="frame 1 was asked for, but only 1"):
        decode_frames(path, [0, 1])
    for indices in ([], [-1]):
        with pytest.raises(ValueError, match="frame"):
            decode_frames(path, indices)
    with pytest.raises(ValueError, match="unknown decoder 'opencv'"):
        decode_frames(path, [0], backend="opencv")


@pytest.mark.parametrize(
    "views",
    [
        TrainViews(8, 4, (32, 40), 32, 0.5),
        RegionViews(8, 4, (0.08, 1.0), 32, 0.5),
        TestViews(8, 4, 32, 32, PROTOCOLS["10x3"], "nonlocal"),
        TestViews(8, 4, 32, 32, PROTOCOLS["1x1"], "spread"),
    ],
)
def test_a_clip_of_an_image_stands_still(tmp_path, views):
    path = write_image(tmp_path / "a.jpg")
    dataset = TestDataset if isinstance(views, TestViews) else TrainDataset
    batch = dataset([VideoRecord(str(path), 0, 0, "a.jpg")], views=views)[(0, 0)]
    assert not batch["failures"]
    clips = torch.stack(list(batch["views"][0]))
    assert clips.shape[1:] == (8, 32, 32, 3)
    assert torch.equal(clips, clips[:, :1].expand_as(clips))
