"""Intervals against tables, numeric integration and NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation.report.statistics import (
    binomial_error,
    central_probability,
    estimate,
    paired_difference,
    student_t,
)


# Two-sided 95 % and 99 %, as printed tables give them.
@pytest.mark.parametrize(
    ("degrees", "t95", "t99"),
    [
        (1, 12.706, 63.657),
        (2, 4.303, 9.925),
        (3, 3.182, 5.841),
        (4, 2.776, 4.604),
        (9, 2.262, 3.250),
        (30, 2.042, 2.750),
    ],
)
def test_quantiles_are_the_tabulated_ones(degrees, t95, t99):
    assert round(student_t(degrees), 3) == t95
    assert round(student_t(degrees, confidence=0.99), 3) == t99


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 13, 40])
@pytest.mark.parametrize("t", [0.3, 1.0, 2.5, 7.0])
def test_probability_is_the_integral_of_the_density(degrees, t):
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    x = np.linspace(-t, t, 20001)
    density = scale * (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    assert central_probability(t, degrees=degrees) == pytest.approx(np.trapezoid(density, x), abs=1e-6)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_mean_and_deviation_equal_numpy(values):
    found = estimate(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    width = student_t(len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    assert found.half_width == pytest.approx(width, abs=1e-6)


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


def test_only_seeds_that_both_have_are_paired():
    found = paired_difference({0: 5.0, 1: 7.0, 3: 50.0}, {0: 4.0, 1: 5.0, 2: 0.0})
    assert (found.num, found.mean) == (2, 1.5)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_values_that_agree_by_chance_keep_the_width_of_their_step():
    assert estimate([2.0, 2.0]).excludes_zero
    found = estimate([2.0, 2.0], least_deviation=0.3)
    assert found.deviation == 0.0
    assert found.half_width == pytest.approx(12.7062 * 0.3 / math.sqrt(2), rel=1e-4)


def test_the_error_of_a_share_is_that_of_drawing_videos():
    draws = np.random.default_rng(0).binomial(320, 0.9, size=40000) / 320 * 100
    assert binomial_error(90.0, num_videos=320) == pytest.approx(draws.std(), rel=0.02)
