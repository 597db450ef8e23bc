"""The memory of a training step, counted without values, against what a real step on this CPU takes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.profiler import ProfilerActivity, profile

from tests.models.networks import NORM_SETTINGS
from videogn.models.i3d import i3d_r50
from videogn.models.input import normalize
from videogn.models.memory import StepMemory, step_memory
from videogn.models.summary import saved_bytes
from videogn.norms import NORMS

CLIP = {"num_frames": 16, "crop_size": 96}


def network(norm: str, **settings) -> nn.Module:
    return i3d_r50(**{**CLIP, "width": 32, "num_classes": 10, **NORM_SETTINGS[norm], **settings})


def real_peak(model: nn.Module, clips: int) -> int:
    """Most bytes that the allocator had given out at once, in a step after a first one; counted by torch's profiler."""
    model = model.train().to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4)
    views = torch.zeros(clips, 1, CLIP["num_frames"], CLIP["crop_size"], CLIP["crop_size"], 3, dtype=torch.uint8)
    labels = torch.zeros(clips, dtype=torch.int64)

    def forward() -> torch.Tensor:
        return F.cross_entropy(model(normalize(views)), labels, reduction="sum")

    forward().backward()
    optimizer.step()
    parameters = sum(parameter.nbytes for parameter in model.parameters())
    there = 3 * parameters + sum(buffer.nbytes for buffer in model.buffers()) + views.nbytes + labels.nbytes
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as of_forward:
        loss = forward()
    kept, most = allocated(of_forward)
    optimizer.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as of_backward:
        loss.backward()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as of_step:
        optimizer.step()
    return there + max(most, kept - parameters + allocated(of_backward)[1], allocated(of_step)[1])


def allocated(of: profile) -> tuple[int, int]:
    """(Bytes more at the end than at the beginning, most at once)."""
    events = [event for event in of.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return now, most


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")  # of torch 2.11
@pytest.mark.parametrize(
    ("norm", "settings"),
    [
        ("gn", {}),
        ("bn", {}),
        ("brn", {}),
        ("bn", {"layout": "slowfast"}),
        ("gn", {"nonlocal_blocks": True}),
    ],
)
def test_a_step_takes_what_the_allocator_gives_out(norm, settings):
    """Within 5 %: kernels of the CPU take some memory for themselves."""
    counted = step_memory(lambda: network(norm, **settings), **CLIP, autocast=None, multiple_of=2)
    assert counted.at(4) == pytest.approx(real_peak(network(norm, **settings), 4), rel=0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")  # of torch 2.11
@pytest.mark.parametrize("parts", [("stem", "res2"), ("stem", "res2", "pool2", "res3", "res4", "res5")])
def test_activations_that_are_computed_again_spare_what_the_allocator_says(parts):
    """Within 15 %: what kernels of the CPU take for themselves is more beside them."""
    plain, recomputing = (
        lambda chosen=chosen: network("bn", activation_checkpointing=chosen) for chosen in ((), parts)
    )
    counted = [step_memory(build, **CLIP, autocast=None, multiple_of=2).at(4) for build in (plain, recomputing)]
    real = [real_peak(build(), 4) for build in (plain, recomputing)]
    assert counted[0] - counted[1] == pytest.approx(real[0] - real[1], rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "num_frames", "layout"),
    [*((norm, 32, "nonlocal") for norm in NORMS), *((norm, 64, "slowfast") for norm in ("gn", "bn", "brn"))],
)
def test_what_is_kept_is_what_a_real_forward_keeps(norm, num_frames, layout):
    settings = {**NORM_SETTINGS[norm], "num_frames": num_frames, "crop_size": 64, "layout": layout}
    settings |= {"depth": 14, "width": 32}
    counted = step_memory(
        lambda: i3d_r50(**settings), num_frames=num_frames, crop_size=64, autocast=None, multiple_of=2
    )
    model = i3d_r50(**settings).train().to(memory_format=torch.channels_last_3d)
    clips = torch.zeros(4, 3, num_frames, 64, 64).to(memory_format=torch.channels_last_3d)
    real = saved_bytes(model, clips) - saved_bytes(model, clips[:2].clone())
    assert counted.saved_clip == pytest.approx(real / 2, rel=0.01)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_kept_in_half_precision_is_what_a_real_forward_keeps(norm, monkeypatch):
    pool = nn.MaxPool3d.forward

    def as_on_a_gpu(self, clips):  # a CPU's autocast pools in float32
        with torch.autocast("cpu", enabled=False):
            return pool(self, clips)

    monkeypatch.setattr(nn.MaxPool3d, "forward", as_on_a_gpu)
    counted = step_memory(lambda: network(norm), **CLIP, autocast=torch.bfloat16, multiple_of=2)
    model = network(norm).train().to(memory_format=torch.channels_last_3d)
    views = torch.zeros(4, 1, CLIP["num_frames"], CLIP["crop_size"], CLIP["crop_size"], 3, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        clips = normalize(views)
        real = saved_bytes(model, clips) - saved_bytes(model, clips[:2].clone())
    assert counted.saved_clip == pytest.approx(real / 2, rel=0.01)


def test_gn_takes_what_bn_takes():
    found = {
        (norm, dtype): step_memory(lambda norm=norm: network(norm), **CLIP, autocast=dtype, multiple_of=2)
        for norm in ("gn", "bn")
        for dtype in (torch.bfloat16, None)
    }
    for dtype in (torch.bfloat16, None):
        assert found["gn", dtype].at(8) == pytest.approx(found["bn", dtype].at(8), rel=0.01)
    assert found["gn", torch.bfloat16].clip < 0.6 * found["gn", None].clip


def test_it_grows_by_the_same_for_each_clip():
    few, more = (step_memory(lambda: network("bn"), **CLIP, autocast=None, multiple_of=n) for n in (2, 6))
    assert few.clip == pytest.approx(more.clip, rel=0.01)
    assert few.at(12) == pytest.approx(more.at(12), rel=0.01)


def test_a_split_and_several_devices():
    whole = step_memory(lambda: network("bn"), **CLIP, autocast=None, multiple_of=2)
    split = step_memory(lambda: network("bn", norm_batch_size=2), **CLIP, autocast=None, multiple_of=2)
    assert whole.clip <= split.clip < 1.6 * whole.clip  # the groups' outputs are put together
    devices = step_memory(lambda: network("bn"), **CLIP, autocast=None, multiple_of=2, more_copies=1)
    assert devices.fixed - whole.fixed == whole.parameters


def test_how_many_clips_fit():
    memory = StepMemory(parameters=10, fixed=40, clip=7, saved_clip=6)
    for size in range(100):
        most = memory.most_clips(size)
        assert (most == 0) or memory.at(most) <= size
        assert memory.at(most + 1) > size
