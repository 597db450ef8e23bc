"""Changes of pixels: torchvision's own, the same in all frames, and a function of the clip's place alone."""

from functools import partial

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from tests.videos import write_video
from videogn.data.batch import GREY
from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import TrainDataset
from videogn.data.lists.records import VideoRecord
from videogn.data.views.pixels import PixelTransforms
from videogn.data.views.training import TrainViews

KINDS = {
    "color_jitter": (0.4, 0.4, 0.4, 0.1),
    "rand_augment": (2, 9),
    "random_erasing": 1.0,
}
VIEWS = TrainViews(num_frames=4, frame_interval=2, scale_size=(48, 56), crop_size=48, flip_probability=0.5)
PLACE = (3, 1, 4, 0)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 40, 3), np.uint8)


def changed(clip: np.ndarray, place=PLACE, **settings) -> np.ndarray:
    clip = clip.copy()
    PixelTransforms(**settings)(clip, place)
    return clip


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_of_a_clip_change_alike(kind):
    still = np.stack([picture()] * 4)
    for seed in range(8):
        found = changed(still, (seed, 0, 0, 0), **{kind: KINDS[kind]})
        assert (found == found[0]).all()
    moving = np.stack([picture(seed) for seed in range(4)])
    together = changed(moving, **{kind: KINDS[kind]})
    if kind != "rand_augment":  # whose autocontrast and equalize look at each frame
        alone = [changed(frame[None], **{kind: KINDS[kind]})[0] for frame in moving]
        if kind == "random_erasing":
            assert ((together == GREY).all(-1) == (together[0] == GREY).all(-1)).mean() > 0.99
        assert np.array_equal(together, np.stack(alone))


def test_brightness_is_numpys():
    """Only brightness: a factor between 0.6 and 1.4, and the product cut to 0..255 and rounded down."""
    clip = np.stack([picture(seed) for seed in range(2)])
    factors = []
    for seed in range(40):
        found = changed(clip, (seed, 0, 0, 0), color_jitter=(0.4, 0.0, 0.0, 0.0)).astype(float)
        middle = (clip > 50) & (clip < 180)
        factor = float(np.median((found[middle] + 0.5) / clip[middle]))
        assert np.abs(np.clip(clip * factor, 0, 255) - found).max() <= 2
        factors.append(factor)
    assert 0.6 <= min(factors) < 0.75
    assert 1.25 < max(factors) <= 1.41


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("color_jitter", lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        ("rand_augment", lambda: v2.RandAugment(2, 9, interpolation=v2.InterpolationMode.BILINEAR, fill=GREY)),
        ("random_erasing", lambda: v2.RandomErasing(1.0, value=GREY)),
    ],
)
def test_pixels_are_torchvisions(kind, theirs, monkeypatch):
    seeds = []
    seed = torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda number: (seeds.append(number), seed(number))[1])
    clip = np.stack([picture(seed) for seed in range(3)])
    found = changed(clip, **{kind: KINDS[kind]})
    assert not np.array_equal(found, clip)
    seed(seeds[0])
    expected = theirs()(torch.from_numpy(clip.copy()).permute(0, 3, 1, 2).contiguous())
    assert np.array_equal(found, expected.permute(0, 2, 3, 1).numpy())


def test_hue_turns_colours_and_leaves_grey():
    grey = np.full((2, 8, 8, 3), 90, np.uint8)
    assert np.array_equal(changed(grey, color_jitter=(0, 0, 0, 0.5)), grey)
    red = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 200
    assert F.adjust_hue(red, 1 / 3)[0, :, 0, 0].tolist() == [0, 200, 0]  # what the setting's unit is


def test_what_is_drawn_depends_on_the_place_alone(tmp_path):
    records = [VideoRecord(str(write_video(tmp_path / f"{k}.mp4", num_frames=20, seed=k)), 0, k, "") for k in range(2)]
    pixels = PixelTransforms(**KINDS)
    make = partial(TrainDataset, records, views=VIEWS, seed=1, pixels=pixels)
    first = make()[(0, 0)]["views"]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    dataset = make()
    dataset[(0, 1)]
    assert torch.equal(dataset[(0, 0)]["views"], first)
    assert torch.equal(torch.get_rng_state(), state)  # dropout and all else draw what they drew before
    assert not torch.equal(dataset[(1, 0)]["views"], first)


def test_a_setting_leaves_the_others_as_they_are(tmp_path):
    """Crops, clips and flips are those without; erasing is the same with colours changed or not."""
    record = [VideoRecord(str(write_video(tmp_path / "a.mp4", num_frames=20)), 0, 0, "")]
    plain, erased, both = (
        TrainDataset(record, views=VIEWS, pixels=pixels)[(2, 0)]["views"]
        for pixels in (
            None,
            PixelTransforms(random_erasing=1.0),
            PixelTransforms(random_erasing=1.0, color_jitter=KINDS["color_jitter"]),
        )
    )
    where = (erased != plain).any(-1)
    assert where.any()
    assert (erased[where] == GREY).all()
    assert (both[where] == GREY).all()


def test_what_can_not_be_is_refused():
    with pytest.raises(ValueError, match="random_erasing is 2"):
        KineticsDataModule(random_erasing=2)
    with pytest.raises(ValueError, match=r"rand_augment is \[0, 9\]"):
        KineticsDataModule(rand_augment=(0, 9))
    with pytest.raises(ValueError, match="hue"):
        KineticsDataModule(color_jitter=(0, 0, 0, 0.7))
