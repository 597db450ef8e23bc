"""The learning rate, value by value."""

import math

import pytest

from videogn.training.schedule import Schedule, accumulation, lr_factor, scaled_lr


def factors(schedule: Schedule, steps, *, steps_per_epoch: int = 10, total_steps: int = 400_000):
    return [lr_factor(s, schedule, steps_per_epoch=steps_per_epoch, total_steps=total_steps) for s in steps]


def test_the_papers_schedule():
    steps = [0, 149_999, 150_000, 299_999, 300_000, 399_999]
    assert factors(Schedule(), steps) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert scaled_lr(0.01, 64) == 0.01
    assert scaled_lr(0.01, 32) == 0.005


def test_units_in_epochs():
    schedule = Schedule(unit="epochs", milestones=(2, 3.5), factor=0.5, warmup=1)
    assert factors(schedule, [10, 19, 20, 34, 35, 99]) == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25])


def test_warm_up_rises_in_equal_steps_and_then_joins():
    schedule = Schedule(milestones=(100,), warmup=4)
    assert factors(schedule, range(6)) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_cosine_is_half_a_cosine_from_warm_up_to_the_end():
    schedule = Schedule(shape="cosine", unit="epochs", warmup=2)
    values = factors(schedule, [20, 60, 100, 70], steps_per_epoch=10, total_steps=100)
    assert values == pytest.approx([1, 0.5, 0, 0.5 * (1 + math.cos(math.pi * 50 / 80))])
    rising = factors(schedule, range(20), steps_per_epoch=10, total_steps=100)
    assert rising == sorted(rising)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"milestones": (3, 2)}, "must be positive and rise"),
        ({"milestones": (0,)}, "must be positive"),
        ({"warmup": -1}, "warmup is -1"),
        ({"factor": 0.0}, "factor is 0.0"),
    ],
)
def test_impossible_schedules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**settings)


def test_accumulation():
    assert accumulation(64, device_batch_size=8, num_devices=8) == 1
    assert accumulation(64, device_batch_size=2, num_devices=4) == 8
    with pytest.raises(ValueError, match=r"64 is no multiple of data\.batch_size 6 x 2 devices; the next that is: 72"):
        accumulation(64, device_batch_size=6, num_devices=2)
