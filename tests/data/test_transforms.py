"""Scaling, crops and flips against NumPy and against each other."""

import numpy as np
import pytest
import torch

from videogn.data.sampling import PROTOCOLS
from videogn.data.transforms import TestViews, TrainViews, long_side_offsets, scale_short_side


def ramp(frames: int = 3, height: int = 40, width: int = 60) -> torch.Tensor:
    """[F, H, W, 3]: red is the row, green the column, blue the frame."""
    f, h, w = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    return torch.from_numpy(np.stack([h, w, f], -1).astype(np.uint8))


def train(**settings) -> TrainViews:
    base = {"num_frames": 4, "frame_interval": 2, "scale_size": (40, 40), "crop_size": 24, "flip_probability": 0.0}
    return TrainViews(**{**base, **settings})


@pytest.mark.parametrize(("height", "width", "expected"), [(40, 60, (20, 30)), (61, 40, (30, 20)), (7, 7, (20, 20))])
def test_short_side(height, width, expected):
    assert scale_short_side(ramp(1, height, width)[0].numpy(), 20).shape == (*expected, 3)


def test_scaling_keeps_a_ramp():
    scaled = scale_short_side(ramp(1, 40, 60)[0].numpy(), 20).astype(float)
    rows = (np.arange(20) + 0.5) * 2 - 0.5
    np.testing.assert_allclose(scaled[2:-2, 2:-2, 0], np.broadcast_to(rows[2:-2, None], (16, 26)), atol=1)


def test_a_training_crop_is_one_window_of_all_frames():
    frames = ramp()
    seen = set()
    for seed in range(40):
        crop = train().crops(frames, np.random.default_rng(seed))
        assert crop.shape == (1, 3, 24, 24, 3)
        top, left = int(crop[0, 0, 0, 0, 0]), int(crop[0, 0, 0, 0, 1])
        assert torch.equal(crop[0], frames[:, top : top + 24, left : left + 24])
        seen.add((top, left))
    assert max(top for top, _ in seen) <= 16
    assert max(left for _, left in seen) <= 36
    assert len(seen) > 30


def test_flip_is_all_or_nothing_and_as_often_as_asked():
    frames, flipped = ramp(), 0
    for seed in range(200):
        crop = train(flip_probability=0.5).crops(frames, np.random.default_rng(seed))[0]
        steps = torch.diff(crop[..., 1].int(), dim=2)
        assert steps.unique().tolist() in ([1], [-1])
        flipped += int(steps[0, 0, 0]) == -1
    assert 70 < flipped < 130
    assert not (train(flip_probability=0.0).crops(frames, np.random.default_rng(0))[..., 1].diff(dim=3) < 0).any()


def test_scale_is_drawn_from_the_whole_range():
    frame = ramp(1)[0].numpy()
    drawn = [train(scale_size=(24, 28)).scaling(np.random.default_rng(seed))(frame) for seed in range(200)]
    assert {scaled.shape[0] for scaled in drawn} == {24, 25, 26, 27, 28}


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
    rng = np.random.default_rng(0)
    crops = views.crops(ramp(), rng)
    assert crops.shape == (3, 3, 40, 40, 3)
    assert [int(crop[0, 0, 0, 1]) for crop in crops] == [0, 10, 20]
    assert views.indices(100, rng).shape == (10, 4)
