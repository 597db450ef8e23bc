"""Normalised input: numbers, order of dimensions, memory."""

import numpy as np
import pytest
import torch

from videogn.models.input import normalize


def test_normalize_is_the_papers_arithmetic_in_channels_last_memory():
    views = torch.randint(0, 256, (2, 3, 4, 5, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clips = normalize(views)
    expected = (views.numpy().astype(np.float64).reshape(6, 4, 5, 6, 3) - 114.75) / 57.375
    np.testing.assert_allclose(clips.numpy(), expected.transpose(0, 4, 1, 2, 3), atol=1e-6)
    assert clips.dtype == torch.float32
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(normalize(views.flatten(0, 1)), clips)


@pytest.mark.parametrize("bad", [torch.zeros(1, 4, 5, 6, 3), torch.zeros(1, 3, 4, 5, 6, dtype=torch.uint8)])
def test_other_inputs_are_refused(bad):
    with pytest.raises(ValueError, match="expected uint8"):
        normalize(bad)
