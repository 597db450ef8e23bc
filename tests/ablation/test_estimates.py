"""Intervals against tables and NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation.report.estimates import binomial_error, estimate


# Two-sided 95 %, as printed tables give them.
@pytest.mark.parametrize(("num", "t"), [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (10, 2.262), (31, 2.042)])
def test_intervals_are_by_the_tabulated_quantiles(num, t):
    found = estimate([0.0, 1.0, *([0.5] * (num - 2))])
    assert found.half_width * math.sqrt(num) / found.deviation == pytest.approx(t, abs=5e-4)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_mean_and_deviation_equal_numpy(values):
    found = estimate(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_an_interval_by_hand():
    # 70, 64, 73: mean 69, variance 21, t(2) = 4.3027: 4.3027 * sqrt(21 / 3) = 11.384.
    found = estimate([70.0, 64.0, 73.0])
    assert (found.num, found.mean) == (3, 69.0)
    assert found.half_width == pytest.approx(11.384, abs=1e-3)
    assert (found.low, found.high) == pytest.approx((57.616, 80.384), abs=1e-3)


def test_one_value_has_no_interval_and_none_no_mean():
    assert estimate([]) is None
    assert estimate([3.0]).half_width is None
    assert not estimate([3.0]).excludes_zero


def test_values_that_agree_by_chance_keep_the_width_of_their_step():
    assert estimate([2.0, 2.0]).excludes_zero
    found = estimate([2.0, 2.0], least_deviation=0.3)
    assert found.deviation == 0.0
    assert found.half_width == pytest.approx(12.7062 * 0.3 / math.sqrt(2), rel=1e-4)


def test_the_error_of_a_share_is_that_of_drawing_videos():
    draws = np.random.default_rng(0).binomial(320, 0.9, size=40000) / 320 * 100
    assert binomial_error(90.0, num_videos=320) == pytest.approx(draws.std(), rel=0.02)
