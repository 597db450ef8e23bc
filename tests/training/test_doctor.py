"""What the doctor says of clips whose answer is known, and of range tests in closed form."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from videogn.models.batch_norm import batch_norms
from videogn.models.c3d import C3D
from videogn.tools.doctor import learning as learning_file
from videogn.tools.doctor import motion as motion_file
from videogn.tools.doctor import training as training_file
from videogn.tools.doctor.learning import Clips, learnt_after, rate_range, rising, warmed_up
from videogn.tools.doctor.motion import motion
from videogn.tools.doctor.subject import Subject
from videogn.tools.doctor.training import Rates, by_heart, learning_rate, variants
from videogn.training.module import VideoClassifier

ARCHITECTURE = {
    "norm": "gn", "num_groups": None, "channels_per_group": 16, "weight_standardization": False, "input": "rgb",
    "layout": "nonlocal", "depth": 14, "width": 16, "temporal_convs": True, "nonlocal_blocks": False, "num_classes": 2,
    "num_frames": 8, "crop_size": 32,
}  # fmt: skip
RATES = Rates(base_lr=0.05, momentum=0.9, weight_decay=1e-4, norm_weight_decay=0.0)


def subject(**settings) -> Subject:
    return Subject({**ARCHITECTURE, **settings}, torch.device("cpu"))


def squares(num: int, *, seed: int, moving: bool, low: int = 60, high: int = 200) -> Clips:
    """Squares on noise: class 1 moves right and class 0 left; or, not moving, class 1 is bright and class 0 dark."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % 2
    views = rng.integers(low, low + (high - low) // 4, (num, 8, 32, 32, 3))
    for clip, label in enumerate(labels):
        top, start = rng.integers(2, 20, 2)
        for frame in range(8):
            step = (2 * label - 1) * 2 * frame if moving else 0
            left = (int(start) + step) % 24
            views[clip, frame, top : top + 8, left : left + 8] = high if moving or label else low
    return Clips(torch.from_numpy(views).to(torch.uint8), torch.from_numpy(labels))


def test_learnt_is_a_tenth_of_the_loss_of_guessing():
    assert learnt_after([0.7, 0.08, 0.06, 0.01], 2) == 2
    assert learnt_after([0.7, 0.08], 2) is None


def test_rates_warm_up_and_rise():
    assert warmed_up(1.0, 5, warmup=3) == [0.25, 0.5, 0.75, 1.0, 1.0]
    rates = rising(3.0, 21)
    assert (rates[0], rates[-1]) == (pytest.approx(0.1), pytest.approx(90.0))
    np.testing.assert_allclose(np.diff(np.log(rates)), math.log(900) / 20)


def test_a_range_test_finds_where_the_loss_is_least_and_where_it_breaks():
    rates = rising(1.0, 41)
    losses = [2.0 - 0.04 * step if step < 30 else 2.0 + 3.0 * (step - 29) for step in range(41)]
    found = rate_range(losses, rates)
    assert found.best == rates[29]
    assert rates[30] <= found.breaks <= rates[32]  # smoothed
    assert rates[5] <= found.begins <= rates[9]
    assert rate_range([2.0 - 0.04 * step for step in range(41)], rates).breaks is None
    assert rate_range([*losses[:20], math.nan], rates).breaks == rates[20]


def test_batch_statistics_are_over_as_many_clips_as_in_the_run():
    def groups(norm_batch_size: int | None) -> set[int | None]:
        network = replace(subject(norm="bn", channels_per_group=None), norm_batch_size=norm_batch_size).network()
        return {norm.norm_batch_size for norm in batch_norms(network)}

    assert groups(2) == {2}
    assert groups(None) == {None}
    assert groups(64) == {None}  # no more than there are


def test_c3d_is_asked_about_by_a_small_c3d():
    own = VideoClassifier("bn", network="c3d", width=4, num_frames=20, crop_size=80).architecture
    small = Subject(own, torch.device("cpu")).in_small()
    assert isinstance(small.network(), C3D)
    kept = ("network", "width", "num_frames", "crop_size", "layout")
    assert [small.architecture[name] for name in kept] == ["c3d", 16, 16, 64, None]
    for changes in variants(small.architecture).values():
        assert isinstance(small.network(**changes), C3D)


def test_variants_leave_out_what_the_run_is_already():
    names = list(variants(ARCHITECTURE))
    assert names[0] == "as configured"
    assert "gn" not in names
    assert len(names) == 5
    assert "bn" not in variants({**ARCHITECTURE, "norm": "bn", "channels_per_group": None})


def test_dark_clips_are_not_learnt_by_gn_and_the_way_out_is_named():
    """Clips of 4 to 9 of 255, as real ones in the dark: their offset from the usual mean is 40 times what varies."""
    clips = squares(16, seed=0, moving=True, low=4, high=9)
    found = by_heart(subject(), clips, RATES, num_classes=2, deadline=math.inf)
    assert found.verdict == "look"
    assert found.figures["as configured"]["updates"] is None
    assert found.advice.endswith("--model.input standardized")
    assert found.not_tried == []


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], float]:
    """A clock on which a second passes whenever it is looked at; returns the time in some seconds."""
    ticks = count(1.0)
    fake = SimpleNamespace(monotonic=lambda: next(ticks))
    for file in (learning_file, motion_file, training_file):
        monkeypatch.setattr(file, "time", fake)
    return lambda seconds: next(ticks) + seconds


def test_what_there_is_no_time_for_is_named(clock):
    clips = squares(16, seed=0, moving=True, low=4, high=9)
    others = list(variants(ARCHITECTURE))[1:]
    found = by_heart(subject(), clips, RATES, num_classes=2, deadline=clock(59))  # just enough for its 60 updates
    assert (found.verdict, list(found.figures), found.not_tried) == ("look", ["as configured"], others)
    assert found.advice == "there was no time to try other norms: give more --minutes"
    found = by_heart(subject(), clips, RATES, num_classes=2, deadline=clock(3))
    assert (found.verdict, found.advice, found.not_tried) == ("look", "give more --minutes", others)
    assert len(found.figures["as configured"]["losses"]) < 6


def test_a_range_test_stands_beside_those_of_other_norms(clock):
    clips = squares(64, seed=0, moving=False)
    found = learning_rate(subject(), clips, RATES, deadline=math.inf)
    norms = ["as configured", "bn", "gn, weight standardization"]
    assert (list(found.figures["norms"]), found.not_tried) == (norms, [])
    assert all(f"{name}: {its['best']:.2g}" in found.evidence for name, its in found.figures["norms"].items())
    found = learning_rate(subject(), clips, RATES, deadline=clock(50))
    assert (list(found.figures["norms"]), found.not_tried) == (norms[:1], norms[1:])
    found = learning_rate(subject(), clips, RATES, deadline=clock(5))
    assert (found.verdict, found.not_tried) == ("look", norms)
    assert "no time for a range test of 40 updates" in found.evidence


def test_motion_is_not_asked_where_there_is_no_time(clock):
    clips = squares(32, seed=1, moving=True)
    found = motion(subject(), clips, clips, num_classes=2, seconds=5)  # an eleventh update begins a second later
    assert (found.verdict, found.evidence) == ("look", "there was no time to ask")


def test_a_network_that_is_small_already_is_its_own():
    own = subject(depth=14, width=32, num_frames=16, crop_size=64)
    assert not own.in_small().is_small
    assert replace(own, architecture={**own.architecture, "width": 64}).in_small().is_small


@pytest.mark.parametrize(("base_lr", "verdict"), [(0.2, "fine"), (50.0, "look"), (0.001, "look")])
def test_a_learning_rate_that_is_far_off_is_named(base_lr, verdict):
    clips = squares(64, seed=0, moving=False)
    network = subject(norm="bn", channels_per_group=None)
    found = learning_rate(network, clips, replace(RATES, base_lr=base_lr), deadline=math.inf)
    assert found.verdict == verdict
    if verdict == "look":
        suggested = float(found.advice.partition("--model.base_lr ")[2].split(",")[0])
        assert 0.005 < suggested < 2


@pytest.mark.slow
@pytest.mark.parametrize("moving", [True, False])
def test_motion_is_needed_where_it_alone_tells_the_classes_apart(moving, monkeypatch):
    monkeypatch.setattr(motion_file, "MOST_UPDATES", 100)  # as many on any machine
    train, test = squares(128, seed=1, moving=moving), squares(64, seed=2, moving=moving)
    found = motion(subject(), train, test, num_classes=2, seconds=1000)
    assert found.figures["clips"] > 0.8
    assert found.verdict == ("fine" if moving else "look")
    if moving:
        assert found.figures["one frame of each"] < 0.7
    else:
        assert found.advice.startswith("one frame does as well")


@pytest.mark.slow
def test_where_nothing_can_be_learnt_there_is_no_answer(monkeypatch):
    monkeypatch.setattr(motion_file, "MOST_UPDATES", 25)  # as many on any machine
    train, test = squares(64, seed=1, moving=True), squares(64, seed=2, moving=True)
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 2, 64))
    found = motion(subject(), replace(train, labels=labels), test, num_classes=2, seconds=1000)
    assert found.verdict == "look"
    assert "no answer" in found.advice
