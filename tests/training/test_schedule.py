"""The learning rate, value by value."""

import math

import lightning
import pytest

from videogn.training.optimizer import end_by_schedule, num_steps
from videogn.training.schedule import Schedule, in_steps, lr_factor, scaled_lr, stretch

POLICIES = ("equal_epochs", "equal_iterations", "nonlocal")


def factors(schedule: Schedule, steps, *, total_batch_size=64, steps_per_epoch: int = 10, total_steps: int = 400_000):
    run = {
        "total_batch_size": total_batch_size,
        "steps_per_epoch": steps_per_epoch,
        "total_steps": total_steps,
    }
    return [lr_factor(step, schedule, **run) for step in steps]


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


# The recipe of 64 clips (x0.1 at 150k and 300k, 400k in all) at other total batches: by hand.
@pytest.mark.parametrize(
    ("scaling", "total_batch_size", "milestones", "length"),
    [
        ("equal_epochs", 128, [75_000, 150_000], 200_000),
        ("equal_epochs", 64, [150_000, 300_000], 400_000),
        ("equal_epochs", 32, [300_000, 600_000], 800_000),
        ("equal_epochs", 16, [600_000, 1_200_000], 1_600_000),
        ("equal_epochs", 48, [200_000, 400_000], 533_333),
        ("equal_iterations", 128, [150_000, 300_000], 400_000),
        ("equal_iterations", 64, [150_000, 300_000], 400_000),
        ("equal_iterations", 32, [150_000, 300_000], 400_000),
        ("equal_iterations", 16, [150_000, 300_000], 400_000),
        ("nonlocal", 128, [100_000, 200_000], 266_667),
        ("nonlocal", 64, [150_000, 300_000], 400_000),
        ("nonlocal", 32, [225_000, 450_000], 600_000),
        ("nonlocal", 16, [337_500, 675_000], 900_000),
    ],
)
def test_the_recipe_at_another_total_batch(scaling, total_batch_size, milestones, length):
    schedule = Schedule(length=400_000, scaling=scaling)
    here = {"total_batch_size": total_batch_size, "steps_per_epoch": 7}
    assert [in_steps(m, schedule, **here) for m in schedule.milestones] == milestones
    assert in_steps(schedule.length, schedule, **here) == length
    first, second = milestones
    steps = [0, first - 1, first, second - 1, second, length - 1]
    found = factors(schedule, steps, total_batch_size=total_batch_size, total_steps=length)
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    # The clips of the whole run, beside those of the recipe.
    clips = length * total_batch_size / (400_000 * 64)
    halvings = math.log2(64 / total_batch_size)
    expected = {"equal_epochs": 1, "equal_iterations": 0.5**halvings, "nonlocal": 0.75**halvings}
    assert clips == pytest.approx(expected[scaling], rel=1e-5)


def test_the_learning_rate_is_linear_in_the_total_batch():
    assert [scaled_lr(0.01, total) for total in (16, 32, 64, 128)] == pytest.approx([0.0025, 0.005, 0.01, 0.02])


def test_the_nonlocal_release_to_the_letter():
    """configs/DBG_kinetics_resnet_{8gpu_300k,4gpu_600k,4gpu_300k}.yaml there: STEP_SIZES, added up."""
    eight_gpus = {"milestones": (150_000, 250_000), "length": 300_000}
    for scaling, ends in {
        "equal_epochs": [300_000, 500_000, 600_000],
        "equal_iterations": [150_000, 250_000, 300_000],
    }.items():
        schedule = Schedule(**eight_gpus, scaling=scaling)
        amounts = (*schedule.milestones, schedule.length)
        assert [in_steps(a, schedule, total_batch_size=32, steps_per_epoch=1) for a in amounts] == ends


@pytest.mark.parametrize("scaling", POLICIES)
def test_nothing_is_stretched_at_the_reference_batch(scaling):
    assert stretch(scaling, 64) == 1
    assert stretch(scaling, 32) >= 1 >= stretch(scaling, 128)


@pytest.mark.parametrize(("scaling", "warmup"), [("equal_epochs", 8), ("equal_iterations", 4), ("nonlocal", 6)])
def test_warm_up_is_stretched_too(scaling, warmup):
    schedule = Schedule(milestones=(100,), warmup=4, scaling=scaling)
    rise = [(step + 1) / (warmup + 1) for step in range(warmup)]
    assert factors(schedule, range(warmup + 2), total_batch_size=32) == pytest.approx([*rise, 1, 1])


def test_a_cosine_ends_with_the_run_and_only_its_warm_up_is_stretched():
    schedule = Schedule(shape="cosine", warmup=10, length=100)
    found = factors(schedule, [19, 20, 110, 200], total_batch_size=32, total_steps=200)
    assert found == pytest.approx([20 / 21, 1, 0.5, 0])
    # A quick try of 10 steps: its end is the run's, whatever the schedule's length.
    assert factors(Schedule(shape="cosine", length=100), [0, 5, 10], total_steps=10) == pytest.approx([1, 0.5, 0])


def test_settings_without_effect_warn():
    for settings in ({"milestones": (7,)}, {"scaling": "nonlocal"}):
        with pytest.warns(UserWarning, match="no effect"):
            Schedule(shape="cosine", **settings)
    Schedule(shape="cosine", scaling="nonlocal", length=7)
    Schedule(shape="cosine", scaling="nonlocal", warmup=7)


@pytest.mark.parametrize("total_batch_size", [16, 64, 128])
def test_epochs_are_the_same_at_any_total_batch(total_batch_size):
    schedule = Schedule(unit="epochs", milestones=(2,), warmup=1, length=3)
    here = {"total_batch_size": total_batch_size, "steps_per_epoch": 10}
    assert [in_steps(a, schedule, **here) for a in (1, 2, 3)] == [10, 20, 30]
    assert factors(schedule, [9, 10, 19, 20], total_batch_size=total_batch_size) == pytest.approx([10 / 11, 1, 1, 0.1])


def trainer(**limits) -> lightning.Trainer:
    return lightning.Trainer(**limits, accelerator="cpu", logger=False, enable_checkpointing=False)


def end(limits, schedule: Schedule, *, total_batch_size: int = 32) -> tuple[int, int | None]:
    """(max_steps, max_epochs) of the trainer that ran with these limits."""
    its = trainer(**limits)
    end_by_schedule(its, schedule, total_batch_size=total_batch_size)
    return its.max_steps, its.max_epochs


@pytest.mark.parametrize("nothing", [{}, {"max_epochs": -1}, {"max_steps": -1, "max_epochs": None}])
def test_the_schedule_ends_a_run_that_nothing_else_ends(nothing):
    given = nothing.get("max_epochs")
    assert end(nothing, Schedule(length=400_000)) == (800_000, given)
    assert end(nothing, Schedule(length=400_000, scaling="nonlocal")) == (600_000, given)
    assert end(nothing, Schedule(length=1), total_batch_size=256) == (1, given)
    assert end(nothing, Schedule(length=3, unit="epochs", milestones=(2,))) == (-1, 3)
    with pytest.raises(ValueError, match=r"no end: give --trainer\.max_steps, .* or --model\.schedule\.length"):
        end(nothing, Schedule())


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"max_steps": 10}, (10, None)), ({"max_epochs": 2}, (-1, 2)), ({"max_steps": 0}, (0, None))],
)
def test_what_the_trainer_is_given_ends_the_run(limits, expected):
    assert end(limits, Schedule()) == expected
    with pytest.warns(UserWarning, match=r"schedule\.length 400,000 has no effect beside trainer\.max_"):
        assert end(limits, Schedule(length=400_000)) == expected


def test_steps_of_an_epoch_and_of_the_run():
    assert num_steps(trainer(max_steps=100), batches_per_epoch=12) == (12, 100)
    assert num_steps(trainer(max_epochs=3, accumulate_grad_batches=4), batches_per_epoch=12) == (3, 9)
    for limit in (5, 0.45):
        limited = trainer(max_steps=100, max_epochs=3, limit_train_batches=limit)
        assert num_steps(limited, batches_per_epoch=12) == (5, 15)
    with pytest.raises(ValueError, match="the run has no end"):
        num_steps(trainer(max_epochs=-1), batches_per_epoch=12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"milestones": (3, 2)}, "must be positive and rise"),
        ({"milestones": (0,)}, "must be positive"),
        ({"milestones": (float("nan"),)}, "must be positive"),
        ({"shape": "linear"}, "shape is 'linear'; expected one of steps, cosine"),
        ({"scaling": "none"}, "scaling is 'none'; expected one of equal_epochs"),
        ({"unit": "hours"}, "unit is 'hours'"),
        ({"warmup": -1}, "warmup is -1"),
        ({"factor": 0.0}, "factor is 0.0"),
        ({"length": 0}, "length is 0; expected more than 0 iterations"),
        ({"length": 1.5, "unit": "epochs", "milestones": (1,)}, "length is 1.5 epochs; expected whole ones"),
        ({"unit": "epochs", "scaling": "nonlocal"}, "scaling is nonlocal and .* epochs.*give unit: iterations"),
        ({"unit": "epochs", "scaling": "equal_iterations"}, "leave scaling out"),
    ],
)
def test_impossible_schedules_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**settings)
