"""Index arithmetic against its definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.sampling import clip_indices, clip_span, clip_starts, protocol_clips, random_clip

totals, lengths, intervals = st.integers(1, 2000), st.integers(1, 64), st.integers(1, 8)


@given(totals, lengths, intervals, st.integers(0, 2**32))
def test_a_training_clip_is_exact_and_inside(total, num_frames, frame_interval, seed):
    clip = random_clip(total, num_frames=num_frames, frame_interval=frame_interval, rng=np.random.default_rng(seed))
    span = clip_span(num_frames, frame_interval)
    assert clip.dtype == np.int64
    assert clip.shape == (num_frames,)
    if span <= total:
        assert (np.diff(clip) == frame_interval).all()
        assert clip[0] >= 0
        assert clip[-1] - clip[0] + 1 == span
        assert clip[-1] < total
    else:
        assert clip.tolist() == [(k * frame_interval) % total for k in range(num_frames)]


def test_training_starts_are_uniform_over_every_place_that_fits():
    rng = np.random.default_rng(0)
    starts = [int(random_clip(19, num_frames=8, frame_interval=2, rng=rng)[0]) for _ in range(5000)]
    counts = np.bincount(starts, minlength=5)
    assert len(counts) == 5  # 0 ... 19 - 15
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 18.5  # 4 degrees of freedom, p = 0.001


def test_64x1_is_64_consecutive_frames():
    clip = random_clip(64, num_frames=64, frame_interval=1, rng=np.random.default_rng(0))
    assert clip.tolist() == list(range(64))


@given(totals, lengths, intervals, st.sampled_from(["nonlocal", "spread"]))
def test_test_clips_lie_in_the_video(total, num_frames, frame_interval, policy):
    clips = protocol_clips(total, num_clips=10, num_frames=num_frames, frame_interval=frame_interval, policy=policy)
    assert clips.shape == (10, num_frames)
    assert clips.min() >= 0
    assert clips.max() < total
    assert (np.diff(clips[:, 0]) >= 0).all()


def test_the_papers_ten_clips_start_at_tenths_and_wrap_around():
    clips = protocol_clips(300, num_clips=10, num_frames=32, frame_interval=2)
    assert clips[:, 0].tolist() == [0, 30, 60, 90, 120, 150, 180, 210, 240, 270]
    assert clips[9].tolist() == [(270 + 2 * k) % 300 for k in range(32)]
    assert clip_starts(95, 10, span=63) == [0, 9, 19, 28, 38, 47, 57, 66, 76, 85]


def test_spread_clips_reach_both_ends_and_never_wrap():
    assert clip_starts(300, 10, span=63, policy="spread") == [0, 26, 52, 79, 105, 131, 158, 184, 210, 237]
    assert clip_starts(20, 10, span=63, policy="spread") == [0] * 10


@given(totals, st.integers(1, 600), st.sampled_from(["nonlocal", "spread"]))
def test_one_clip_is_the_centre(total, span, policy):
    (start,) = clip_starts(total, 1, span=span, policy=policy)
    before, after = start, total - span - start
    assert start == 0 if span > total else abs(before - after) <= 1


def test_protocols_count_views():
    assert {name: p.num_views for name, p in PROTOCOLS.items()} == {"10x3": 30, "10x1": 10, "1x1": 1}


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="0 frames"):
        clip_indices(0, 0, num_frames=8, frame_interval=1)
    with pytest.raises(ValueError, match="frame_interval 0"):
        clip_indices(0, 9, num_frames=8, frame_interval=0)
    with pytest.raises(ValueError, match="unknown clip policy 'random'"):
        clip_starts(9, 2, span=3, policy="random")
