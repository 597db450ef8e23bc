"""Normalised input: numbers, order of dimensions, memory."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from videogn.models.fake_cuda import fake_cuda
from videogn.models.input import normalize


def test_normalize_is_the_papers_arithmetic_in_channels_last_memory():
    views = torch.randint(0, 256, (2, 3, 4, 5, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clips = normalize(views)
    expected = (views.numpy().astype(np.float64).reshape(6, 4, 5, 6, 3) - 114.75) / 57.375
    np.testing.assert_allclose(clips.numpy(), expected.transpose(0, 4, 1, 2, 3), atol=1e-6)
    assert clips.dtype == torch.float32
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(normalize(views.flatten(0, 1)), clips)


@pytest.mark.parametrize("level", [3, 120])
def test_by_its_own_mean_and_deviation_a_clip_is_the_same_at_any_brightness_and_contrast(level):
    views = np.random.default_rng(level).integers(0, 60, (2, 4, 5, 6, 3))
    views[1] += level
    clips = normalize(torch.from_numpy(views).to(torch.uint8), kind="standardized")
    own = views.astype(np.float64)
    expected = (own - own.mean((1, 2, 3, 4), keepdims=True)) / own.std((1, 2, 3, 4), keepdims=True)
    np.testing.assert_allclose(clips.numpy(), expected.transpose(0, 4, 1, 2, 3), atol=1e-5)
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    doubled = normalize(torch.from_numpy(2 * views[:1] + 7).to(torch.uint8), kind="standardized")
    torch.testing.assert_close(doubled, clips[:1], rtol=0, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(normalize(torch.from_numpy(views).to(torch.uint8), kind="standardized"), clips.bfloat16())


def test_motion_is_grey_its_change_and_the_size_of_that():
    views = np.random.default_rng(5).integers(0, 200, (2, 4, 5, 6, 3))
    clips = normalize(torch.from_numpy(views).to(torch.uint8), kind="motion")
    grey = views.astype(np.float64).mean(-1)
    change = np.concatenate([np.diff(grey, axis=1), np.zeros((2, 1, 5, 6))], axis=1)
    change /= change.std((1, 2, 3), keepdims=True)
    grey = (grey - grey.mean((1, 2, 3), keepdims=True)) / grey.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(clips.numpy(), np.stack([grey, change, abs(change)], axis=1), atol=1e-5)
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    still = np.repeat(views[:, :1], 4, axis=1)
    assert not normalize(torch.from_numpy(still).to(torch.uint8), kind="motion")[:, 1:].any()


def test_a_flat_clip_is_not_raised_to_full_contrast():
    views = torch.full((1, 4, 8, 8, 3), 9, dtype=torch.uint8)
    assert torch.equal(normalize(views, kind="standardized"), torch.zeros(1, 3, 4, 8, 8))
    views[0, 0, 0, 0] = 10
    clips = normalize(views, kind="standardized")
    assert clips.max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_every_value_is_rounded_once_to_its_dtype(dtype):
    values = torch.arange(256, dtype=torch.uint8)
    views = values[:, None].expand(256, 3).reshape(2, 1, 128, 1, 1, 3)
    with torch.autocast("cpu", dtype):
        clips = normalize(views)
    exact = ((values.double() - 114.75) / 57.375).to(dtype)
    assert torch.equal(clips.permute(0, 2, 3, 4, 1).reshape(256, 3), exact[:, None].expand(256, 3))
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)


def test_under_autocast_there_is_no_float32_copy():
    with fake_cuda(torch.bfloat16), Sizes() as sizes:
        normalize(torch.empty(2, 1, 8, 32, 32, 3, dtype=torch.uint8))
    assert sizes.largest == {torch.uint8: 49152, torch.bfloat16: 49152, torch.float32: 1}


class Sizes(TorchDispatchMode):
    """The most values of each dtype that an operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.largest: dict[torch.dtype, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, tree_iter(found)):
            self.largest[tensor.dtype] = max(tensor.numel(), self.largest.get(tensor.dtype, 0))
        return found


@pytest.mark.parametrize("bad", [torch.zeros(1, 4, 5, 6, 3), torch.zeros(1, 3, 4, 5, 6, dtype=torch.uint8)])
def test_other_inputs_are_refused(bad):
    with pytest.raises(ValueError, match="expected uint8"):
        normalize(bad)
