"""What a run says of itself before it begins, word by word."""

from dataclasses import replace

import pytest

from videogn.models.batch_renorm import RenormBounds
from videogn.training.batch_sizes import BatchSizes
from videogn.training.plan import Plan, summary, without_effect
from videogn.training.schedule import Schedule

PAPER = Plan(
    run_dir="runs/i3d_gn",
    architecture={"layout": "nonlocal", "depth": 50, "norm": "gn", "num_groups": 32, "channels_per_group": None},
    num_parameters=28_043_472,
    start="from scratch",
    read_as="Kinetics' CSV",
    num_videos=240_000,
    num_classes=400,
    num_frames=32,
    frame_interval=2,
    crop_size=224,
    sizes=BatchSizes(None, 8, accumulate=8),
    renorm=None,
    precise_bn_batches=0,
    base_lr=0.01,
    schedule=Schedule(length=400_000),
    weight_decay=1e-4,
    norm_weight_decay=0.0,
    steps_per_epoch=3_750,
    total_steps=400_000,
)


def line(name: str, **changes) -> str:
    """What stands behind a name in the summary of the paper's run with something changed."""
    found = [text for text in summary(replace(PAPER, **changes)).split("\n") if text.startswith(f"{name}  ")]
    assert len(found) == 1, name
    return found[0].removeprefix(name).strip()


def test_the_papers_run():
    assert summary(PAPER).split("\n") == [
        "run                  runs/i3d_gn",
        "network              i3d, depth 50, layout nonlocal, gn with 32 groups; 28,043,472 parameters",
        "start                from scratch",
        "data                 240,000 videos, 400 classes; clips of 32 frames x interval 2, 224 px",
        "list read as         Kinetics' CSV",
        "normalisation batch  none: clips share no statistics",
        "device batch         8 clips",
        "total batch          64 clips = 8 x 1 device x 8 accumulated",
        "learning rate        0.01 (0.01 at 64 clips), x0.1 at 150,000 and 300,000 updates",
        "weight decay         0.0001; norms 0",
        "length               400,000 updates = 106.67 epochs of 3,750 updates",
    ]


def test_a_warm_up_that_the_run_does_not_see_the_end_of_is_said():
    schedule = Schedule(shape="cosine", unit="epochs", warmup=4)
    plan = replace(PAPER, schedule=schedule, steps_per_epoch=10, total_steps=20)
    [found] = without_effect(plan, precise_bn_batches=0)
    assert found.startswith("the warm-up takes 40 updates and the run ends after 20")
    assert without_effect(replace(plan, total_steps=40), precise_bn_batches=0) == []


def test_the_three_batch_sizes():
    some = BatchSizes(2, 1, num_devices=2, accumulate=16)
    assert PAPER.sizes.total == 64
    assert line("device batch", sizes=some) == "1 clip"
    assert line("total batch", sizes=some) == "32 clips = 1 x 2 devices x 16 accumulated"
    assert line("normalisation batch", sizes=some) == "2 clips share batch statistics"
    precise = "2 clips share batch statistics; running ones re-estimated from 200 batches"
    assert line("normalisation batch", sizes=some, precise_bn_batches=200) == precise


def test_the_networks_norm():
    names = {"layout": "slowfast", "depth": 101}
    assert "depth 101, layout slowfast, bn; " in line("network", architecture={**names, "norm": "bn"})
    narrow = {**names, "norm": "gn", "num_groups": None, "channels_per_group": 16}
    assert "gn with 16 channels a group; " in line("network", architecture=narrow)
    other = {**narrow, "weight_standardization": True, "temporal_convs": False, "nonlocal_blocks": True}
    assert line("network", architecture=other).startswith(
        "c2d with non-local blocks, depth 101, layout slowfast, gn with 16 channels a group and weight standardization;"
    )
    c3d = {"network": "c3d", "width": 16, "layout": None, "depth": None, "norm": "none"}
    assert line("network", architecture=c3d).startswith("c3d, width 16, none; ")


@pytest.mark.parametrize(
    ("scaling", "falls", "factor"),
    [
        ("equal_epochs", "300,000 and 600,000", "x2"),
        ("equal_iterations", "150,000 and 300,000", "x1"),
        ("nonlocal", "225,000 and 450,000", "x1.5"),
    ],
)
def test_another_total_batch_says_how_the_recipe_was_stretched(scaling, falls, factor):
    small = {"sizes": BatchSizes(None, 8, accumulate=4), "schedule": Schedule(scaling=scaling), "total_steps": 800_000}
    assert line("learning rate", **small) == f"0.005 (0.01 at 64 clips), x0.1 at {falls} updates"
    assert line("scaling", **small) == f"{scaling}: the schedule's iterations (64 clips) {factor}"
    epochs = {**small, "schedule": Schedule(unit="epochs", milestones=(30, 60))}
    assert "scaling" not in summary(replace(PAPER, **epochs))
    assert line("learning rate", **epochs).endswith("x0.1 at 112,500 and 225,000 updates")


def test_the_learning_rate_in_words():
    cosine = Schedule(shape="cosine", warmup=500)
    assert line("learning rate", schedule=cosine).endswith(
        "linear warm-up over 500 updates, half a cosine to 0 at 400,000 updates"
    )
    assert line("learning rate", total_steps=10).endswith("x0.1 beyond the end, at 150,000 and 300,000 updates")
    one = line("learning rate", total_steps=150_001)
    assert one.endswith("x0.1 at 150,000 updates, x0.1 beyond the end, at 300,000 updates")


def test_the_length_in_words():
    assert line("length", total_steps=3_750) == "3,750 updates = 1 epoch of 3,750 updates"
    assert line("length", total_steps=1, steps_per_epoch=1) == "1 update = 1 epoch of 1 update"
    assert line("length", total_steps=37_500) == "37,500 updates = 10 epochs of 3,750 updates"
    assert line("length", total_steps=7_500, steps_before=3_750).endswith("; goes on after update 3,750")


def test_images():
    assert line("network", architecture={**PAPER.architecture, "layout": "image"}).startswith("resnet, depth 50, ")
    assert line("data", num_frames=1) == "240,000 videos, 400 classes; single frames or images of 224 px"


def test_batch_renormalization_says_when_it_corrects():
    expected = "r up to 1.5, d up to 0.5; none before update 100, in full from 1,000 and 500"
    assert line("correction", renorm=RenormBounds(1.5, 0.5, 100, 1_000, 500)) == expected
    assert "correction" not in summary(PAPER)


def test_a_decay_that_the_run_is_too_short_for_is_said():
    short = replace(PAPER, extras={"model.ema": 0.999}, total_steps=891)
    [said] = without_effect(short, precise_bn_batches=0)
    assert said.startswith("ema 0.999 is never reached: its warm-up ends at 0.99, with the run, after 891 updates")
    assert not without_effect(replace(short, total_steps=9_000), precise_bn_batches=0)
