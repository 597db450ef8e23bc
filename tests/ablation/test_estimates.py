"""Intervals against tables and NumPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.ablation.recomputed import closed
from videogn.ablation.report.estimates import estimate, holm
from videogn.intervals import Claim, Spread, binomial_error


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


def test_values_that_agree_by_chance_keep_the_width_of_their_step():
    assert estimate([2.0, 2.0]).low > 0
    found = estimate([2.0, 2.0], least_deviation=0.3)
    assert found.deviation == 0.0
    assert found.half_width == pytest.approx(12.7062 * 0.3 / math.sqrt(2), rel=1e-4)


def test_the_error_of_a_share_is_that_of_drawing_videos():
    draws = np.random.default_rng(0).binomial(320, 0.9, size=40000) / 320 * 100
    assert binomial_error(90.0, num_videos=320) == pytest.approx(draws.std(), rel=0.02)


@given(st.integers(0, 40), st.integers(1, 40))
def test_an_accuracy_of_independent_videos_has_scipys_wilson_interval(right, more):
    num = right + more
    share = right / num
    error = 100 * math.sqrt(share * (1 - share) / num)
    claim = Claim(100 * share, (Spread(error, 1e12, num),), 0.05, is_share=True)
    theirs = stats.binomtest(right, num).proportion_ci(method="wilson")
    assert (claim.low / 100, claim.high / 100) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(st.lists(st.integers(-1, 1), min_size=12, max_size=12), min_size=n, max_size=n)
    ),
    st.sampled_from([None, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]]),
)
def test_what_is_shown_of_videos_like_these_is_shown_of_these(rows, groups):
    scores = 100.0 * np.array(rows)
    found = estimate(scores.mean(axis=1).tolist(), scores=scores, groups=groups)
    assert found.num_groups == (12 if groups is None else 6)
    assert found.videos.half_width >= found.seeds.half_width
    assert found.videos.p >= found.seeds.p
    assert found.videos.p_within(5.0) >= found.seeds.p_within(5.0)
    for claim in (found.seeds, found.videos):  # an interval and its p-value say the same
        assert (claim.p <= 0.05) == (claim.low > 0 or claim.high < 0) or abs(claim.p - 0.05) < 1e-6


def test_videos_of_one_source_say_nothing_of_others():
    scores = np.array([[100.0, 0.0, 100.0], [0.0, 0.0, 100.0]])
    assert estimate([66.7, 33.3], scores=scores, groups=[0, 0, 0]).videos is None
    assert estimate([66.7, 33.3], scores=scores, groups=[0, 0, 1]).videos is not None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0, 1))
def test_holms_procedure_is_a_test_of_every_combination(others, own):
    (adjusted, *_) = closed([{("", "p"): p} for p in (own, *others)])
    assert holm(own, others) == pytest.approx(adjusted["", "p"])


def test_holm_by_hand():
    assert [holm(p, others) for p, others in ((0.01, [0.04, 0.03]), (0.03, [0.01, 0.04]), (0.04, [0.01, 0.03]))] == [
        pytest.approx(p) for p in (0.03, 0.06, 0.06)
    ]
