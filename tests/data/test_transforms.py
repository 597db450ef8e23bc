"""Scaling, crops and flips against torchvision, NumPy and each other."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from videogn.data.decoding.window import Window, cut
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews, long_side_offsets
from videogn.data.views.training import TrainViews


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    """[H, W, 3]: red is the row, green the column."""
    h, w = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([h, w, np.zeros_like(h)], -1).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def train(**settings) -> TrainViews:
    base = {"num_frames": 4, "frame_interval": 2, "scale_size": (40, 40), "crop_size": 24, "flip_probability": 0.0}
    return TrainViews(**{**base, **settings})


def window_of(views, seed: int, height: int = 40, width: int = 60) -> Window:
    return views.window(np.random.default_rng(seed))(height, width)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 40), (7, 7), (333, 481), (256, 340)])
@pytest.mark.parametrize("size_px", [20, 64])
def test_test_frames_are_torchvisions_resize(height, width, size_px):
    frame = noise(height, width)
    views = TestViews(4, 2, size_px, size_px, PROTOCOLS["1x1"], "nonlocal")
    expected = F.resize(torch.from_numpy(frame).permute(2, 0, 1), [size_px], antialias=True).permute(1, 2, 0)
    np.testing.assert_array_equal(cut(frame, window_of(views, 0, height, width)), expected.numpy())


@pytest.mark.parametrize("flip", [False, True])
def test_a_window_is_torchvisions_resized_crop(flip):
    frame = noise(60, 90)
    for region in ((5, 9, 40, 37), (0, 0, 60, 90), (59, 89, 1, 1), (3, 4, 24, 24)):
        planes = torch.from_numpy(frame).permute(2, 0, 1).contiguous()
        expected = F.resized_crop(planes, *region, [24, 24], antialias=True)
        expected = (F.horizontal_flip(expected) if flip else expected).permute(1, 2, 0)
        np.testing.assert_array_equal(cut(frame, Window(*region, 24, 24, flip)), expected.numpy())


def test_training_crops_lie_anywhere_in_the_frame():
    seen = set()
    for seed in range(400):
        window = window_of(train(), seed)  # the short side is as it is: nothing is scaled
        crop = cut(ramp(), window)
        assert crop.shape == (24, 24, 3)
        top, left = crop[0, 0, :2].tolist()
        np.testing.assert_array_equal(crop, ramp()[top : top + 24, left : left + 24])
        seen.add((top, left))
    assert {top for top, _ in seen} == set(range(17))
    assert {left for _, left in seen} == set(range(37))


def test_a_training_crop_is_what_scaling_first_and_cropping_then_would_show():
    """The same scale and the same place, to the half pixel that a crop of whole pixels may be off."""
    smooth = np.stack(3 * [np.add.outer(np.arange(256.0), np.arange(340.0)) / 3], -1)
    frame = smooth.astype(np.uint8)
    for seed in range(20):
        views = train(scale_size=(256, 320), crop_size=224)
        scale_size = int(np.random.default_rng(seed).integers(256, 321))
        window = window_of(views, seed, 256, 340)
        assert abs(window.height - 224 * 256 / scale_size) <= 0.5
        assert window.height == window.width
        scaled = F.resize(torch.from_numpy(frame).permute(2, 0, 1), [scale_size], antialias=True).permute(1, 2, 0)
        top, left = (round(place * scale_size / 256) for place in (window.top, window.left))
        top, left = min(top, scaled.shape[0] - 224), min(left, scaled.shape[1] - 224)
        expected = scaled[top : top + 224, left : left + 224].numpy().astype(int)
        assert (
            np.abs(cut(frame, window) - expected).max() <= 2
        )  # of 256 levels; a pixel is 2/3 of a level from the next


def test_flip_is_as_often_as_asked():
    views = train(flip_probability=0.5)
    assert 70 < sum(window_of(views, seed).flip for seed in range(200)) < 130
    assert not any(window_of(train(flip_probability=0.0), seed).flip for seed in range(200))
    assert all(window_of(train(flip_probability=1.0), seed).flip for seed in range(200))


def test_scale_is_drawn_from_the_whole_range():
    sides = [window_of(train(scale_size=(24, 28)), seed, 280, 400).height for seed in range(200)]
    assert set(sides) == {round(24 / size * 280) for size in (24, 25, 26, 27, 28)}


@pytest.mark.parametrize(("height", "width"), [(1, 500), (500, 1), (3, 3)])
def test_frames_smaller_than_a_crop_are_scaled_up(height, width):
    assert cut(noise(height, width), window_of(train(), 1, height, width)).shape == (24, 24, 3)


@pytest.mark.parametrize(("height", "width"), [(256, 340), (340, 256), (256, 256)])
def test_three_crops_cover_the_long_side(height, width):
    offsets = long_side_offsets(height, width, 256, 3)
    assert offsets[1] == long_side_offsets(height, width, 256, 1)[0]
    assert {0, max(height, width) - 256} == {offsets[0][height < width], offsets[2][height < width]}
    assert all(0 <= top <= height - 256 and 0 <= left <= width - 256 for top, left in offsets)
    with pytest.raises(ValueError, match="2 crops"):
        long_side_offsets(height, width, 256, 2)


def test_test_views_are_fixed_windows():
    views = TestViews(4, 2, 40, 40, PROTOCOLS["10x3"], "nonlocal")
    part, corners = views.crops(ramp())
    np.testing.assert_array_equal(part, ramp())
    assert corners == [(0, 0), (0, 10), (0, 20)]
    one = TestViews(4, 2, 40, 24, PROTOCOLS["1x1"], "nonlocal")
    part, corners = one.crops(ramp())  # what no crop shows is not kept
    np.testing.assert_array_equal(part, ramp()[8:32, 18:42])
    assert corners == [(0, 0)]
    assert views.indices(100, np.random.default_rng(0)).shape == (10, 4)
