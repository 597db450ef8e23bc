"""Random resized crops against torchvision's: which regions come, and what is shown of them."""

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from tests.videos import write_video
from videogn import decode_frames
from videogn.data.dataset import TrainDataset
from videogn.data.lists.records import VideoRecord
from videogn.data.views.training import NUM_ATTEMPTS, Region, RegionViews, region_of

IMAGENET = (0.08, 1.0)


def regions(height: int, width: int, area: tuple[float, float], count: int) -> np.ndarray:
    """[count, 4] of ours: top, left, height, width."""
    rng = np.random.default_rng(0)
    return np.array([region_of(height, width, area=area, draws=rng.random((NUM_ATTEMPTS, 4))) for _ in range(count)])


def torchvision_regions(height: int, width: int, area: tuple[float, float], count: int) -> np.ndarray:
    """[count, 4] of torchvision's."""
    frame = torch.empty(3, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return np.array([RandomResizedCrop.get_params(frame, [*area], [3 / 4, 4 / 3]) for _ in range(count)])


def largest_gap(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov and Smirnov's: the largest difference of two empirical distribution functions."""
    values = np.unique(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


@pytest.mark.parametrize(
    ("height", "width", "area"),
    [(375, 500, IMAGENET), (240, 100, IMAGENET), (64, 340, (0.3, 0.9)), (50, 50, (0.5, 0.5)), (256, 340, (0.9, 1.0))],
)
def test_regions_have_torchvisions_distribution(height, width, area):
    count = 8000
    ours, theirs = regions(height, width, area, count), torchvision_regions(height, width, area, count)
    bound = np.sqrt(np.log(2 / 1e-6) / count)  # passed by one pair of equal distributions in a million
    for name, measure in {
        "area": lambda r: r[:, 2] * r[:, 3],
        "aspect": lambda r: r[:, 3] / r[:, 2],
        "top": lambda r: r[:, 0],
        "left": lambda r: r[:, 1],
        "room above": lambda r: r[:, 0] / np.maximum(height - r[:, 2], 1),
    }.items():
        assert largest_gap(measure(ours), measure(theirs)) < bound, name
    assert (ours[:, 0] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] >= 0).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()


@pytest.mark.parametrize(
    ("height", "width"), [(10, 200), (200, 10), (11, 200), (200, 11), (1, 50), (50, 1), (100, 134), (134, 100)]
)
def test_where_no_attempt_fits_the_centre_is_taken_as_torchvision_does(height, width):
    area = (1.0, 1.0)
    expected = torchvision_regions(height, width, area, 1)[0]
    draws = np.full((NUM_ATTEMPTS, 4), [0.0, 0.0 if width > height else 1 - 1e-12, 0.9, 0.9])
    assert tuple(region_of(height, width, area=area, draws=draws)) == tuple(expected)


def test_the_first_attempt_that_fits_is_taken():
    draws = np.full((NUM_ATTEMPTS, 4), 0.5)
    draws[:3, :2] = (1.0 - 1e-9, 0.0)  # all of a wide frame's area, but narrow
    draws[3] = (0.25, 0.5, 0.0, 1 - 1e-12)
    region = region_of(100, 200, area=(0.0001, 1.0), draws=draws)
    assert region == Region(0, 200 - 71, 71, 71)  # a square of a quarter of the area


def test_all_frames_of_a_clip_show_one_region(tmp_path):
    path = write_video(tmp_path / "still.mp4", num_frames=12)
    dataset = TrainDataset([VideoRecord(str(path), 0, 0, "a")], views=RegionViews(4, 2, IMAGENET, 32, 0.5))
    windows = [dataset.views.window(np.random.default_rng(seed))(48, 64) for seed in (5, 5, 6)]
    assert windows[0] == windows[1] != windows[2]
    # The whole way: one rng makes clip, region and flip, in this order.
    rng = np.random.default_rng((0, 3, 0))
    start = int(rng.integers(12 - 7 + 1))
    region = region_of(48, 64, area=IMAGENET, draws=rng.random((NUM_ATTEMPTS, 4)))
    flips = rng.random() < 0.5
    frames = decode_frames(path, range(start, start + 8, 2)).permute(0, 3, 1, 2)
    expected = F.resized_crop(frames, *region, [32, 32], antialias=True)
    expected = F.horizontal_flip(expected) if flips else expected
    assert torch.equal(dataset[(3, 0)]["views"][0, 0], expected.permute(0, 2, 3, 1))


def test_flips_come_as_often_as_asked():
    for probability, low, high in ((0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)):
        views = RegionViews(2, 1, IMAGENET, 32, probability)
        flipped = [views.window(np.random.default_rng(seed))(48, 64).flip for seed in range(200)]
        assert low <= sum(flipped) <= high
