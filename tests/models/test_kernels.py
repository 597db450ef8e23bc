"""Layers in half precision against float32: right ones pass, wrong ones are found wherever they are wrong."""

import json

import pytest
import torch
from torch import Tensor, nn

from tests.models.networks import build
from videogn.models.batch_norm import batch_norms
from videogn.models.i3d import i3d_r50
from videogn.models.kernels import ANYWHERE, OVERALL, Case, KernelError, cases_of, check_kernels, errors_of
from videogn.norms import NORMS

CPU = torch.device("cpu")
CLIPS = (2, 3, 16, 64, 64)  # 16: torch 2.15's own fault needs a clip of two frames behind the pools


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "videogn" / "kernels.json"


def flat(norm: str = "gn", **settings) -> nn.Module:
    """A network without convolutions over time, which a CPU may compute wrongly."""
    return build(norm, temporal_convs=False, crop_size=64, num_frames=16, **settings)


def check(model: nn.Module, *, training: bool = True, dtype: torch.dtype = torch.bfloat16) -> list[str]:
    said: list[str] = []
    check_kernels(cases_of(model, CLIPS, training=training), device=CPU, dtype=dtype, say=said.append)
    return said


def test_layers_that_are_alike_are_checked_once():
    model = i3d_r50("gn")
    layers = [module for module in model.modules() if "weight" in module._parameters]
    cases = cases_of(model, (8, 3, 32, 224, 224), training=True)
    assert len(layers) == 53 + 53 + 1
    assert len({(str(case), case.channels_last) for case in cases}) == len(cases) < 45
    assert {(str(case), case.gradients) for case in cases} == {
        (str(case), case.gradients) for case in cases_of(model, (8, 3, 32, 224, 224), training=True)
    }
    assert {case.gradients for case in cases[1:]} == {("input", "weight")}
    assert cases[0].gradients == ("weight",)  # no gradient goes into the clips
    assert cases[0].shape == (8, 3, 32, 224, 224)
    assert [case.shape for case in cases if case.name == "blocks.5.res_blocks.1.branch2.conv_b"] == [(8, 512, 4, 7, 7)]
    assert not any(case.gradients for case in cases_of(model, (8, 3, 32, 256, 256), training=False))


@pytest.mark.parametrize("nonlocal_blocks", [False, True])
def test_a_layer_is_checked_in_the_memory_format_that_it_meets(nonlocal_blocks):
    model = flat(nonlocal_blocks=nonlocal_blocks).to(memory_format=torch.channels_last_3d)
    met: dict[nn.Module, tuple] = {}

    def note(layer, inputs, _) -> None:
        is_last = inputs[0].ndim == 5 and inputs[0].is_contiguous(memory_format=torch.channels_last_3d)
        met[layer] = (tuple(inputs[0].shape), is_last)

    layers = [module for module in model.modules() if "weight" in module._parameters]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    model(torch.zeros(CLIPS).to(memory_format=torch.channels_last_3d))
    for hook in hooks:
        hook.remove()
    for case in cases_of(model, CLIPS, training=True):
        assert met[case.layer] == (case.shape, case.channels_last), case.name


def test_looking_at_a_network_leaves_no_trace():
    model = build("bn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check(model, training=False), cases_of(model, CLIPS, training=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(norm._sums is None for norm in batch_norms(model))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_right_kernels_are_off_by_rounding_alone(norm, dtype):
    rounding = {torch.bfloat16: 0.002, torch.float16: 0.001}[dtype]
    for case in cases_of(flat(norm), CLIPS, training=True):
        for what, error in errors_of(case, device=CPU, dtype=dtype).items():
            assert error.overall < rounding, (case.name, what)
            assert error.anywhere < ANYWHERE / 2, (case.name, what)
    check(flat(norm), dtype=dtype)


class Wrong(torch.autograd.Function):
    """x, or its gradient, times what they should be in half precision."""

    @staticmethod
    def forward(ctx, x: Tensor, forward: float, backward: float) -> Tensor:
        ctx.backward_factor = backward
        return x * forward

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.backward_factor, None, None


def plant(monkeypatch, where: str, factor: float) -> None:
    """Make 3x3 convolutions wrong in half precision: their output, or the gradient of their input or weight."""
    right = nn.Conv3d._conv_forward

    def wrong(self, input, weight, bias):
        if self.kernel_size == (1, 3, 3) and torch.is_autocast_enabled("cpu"):
            if where == "weight":
                weight = Wrong.apply(weight, 1.0, factor)
            elif where == "input":
                input = Wrong.apply(input, 1.0, factor)
            else:
                return Wrong.apply(right(self, input, weight, bias), factor, 1.0)
        return right(self, input, weight, bias)

    monkeypatch.setattr(nn.Conv3d, "_conv_forward", wrong)


@pytest.mark.parametrize(
    ("where", "says"), [("output", "output"), ("input", "gradient of the input"), ("weight", "gradient of the weight")]
)
@pytest.mark.parametrize("factor", [1.02, 0.0, float("nan"), 1e30])
def test_a_wrong_kernel_is_found(where, says, factor, monkeypatch, cache):
    plant(monkeypatch, where, factor)
    for _ in range(2):  # what failed is not taken for checked
        with pytest.raises(KernelError, match=rf"branch2\.conv_b: the {says} of Conv3d\(.*\) of \[2, .*in bfloat16"):
            check(flat())
    monkeypatch.undo()


def test_one_wrong_column_is_found(monkeypatch):
    right = nn.Conv3d._conv_forward

    def wrong(self, input, weight, bias):
        output = right(self, input, weight, bias)
        if self.stride == (1, 2, 2) and output.dtype == torch.bfloat16:
            output = torch.cat([output[..., :-1], output[..., -1:] * 1.2], dim=-1)
        return output

    monkeypatch.setattr(nn.Conv3d, "_conv_forward", wrong)
    with pytest.raises(KernelError, match="output"):
        check(flat(), training=False)


def test_a_cpus_own_fault_is_found():
    """Kernels of three frames on clips of two: torch 2.15 on a CPU with bf16 instructions."""
    layer = nn.Conv3d(32, 32, (3, 1, 1), padding=(1, 0, 0), bias=False)
    case = Case("conv", layer, (2, 32, 2, 14, 14), True, ("input", "weight"))
    error = errors_of(case, device=CPU, dtype=torch.bfloat16)["the gradient of the weight"]
    # The same in other words: each frame of the kernel is a matrix product.
    torch.manual_seed(0)
    x, gradient = (torch.randn(2, 32, 2, 14, 14).bfloat16() for _ in range(2))
    weight = layer.weight.detach().bfloat16().requires_grad_()
    found = torch.autograd.grad(nn.functional.conv3d(x, weight, padding=(1, 0, 0)), weight, gradient)[0]
    shifted = [(gradient[:, :, 1:], x[:, :, :-1]), (gradient, x), (gradient[:, :, :-1], x[:, :, 1:])]
    exact = torch.stack([torch.einsum("noths,niths->oi", g.float(), y.float()) for g, y in shifted], dim=2)[
        ..., None, None
    ]
    is_right = bool((found.float() - exact).abs().max() < 0.1 * exact.abs().max())
    assert (error.overall < OVERALL) == is_right
    if not is_right:
        with pytest.raises(KernelError, match="the gradient of the weight"):
            check_kernels([case], device=CPU, dtype=torch.bfloat16, say=lambda _: None)


class AddsToMemoryNeverWritten(torch.autograd.Function):
    """A convolution whose weight gradient is added to what memory happens to hold."""

    @staticmethod
    def forward(ctx, weight: Tensor) -> Tensor:
        return weight.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return torch.empty_like(gradient).add_(gradient)


@pytest.mark.parametrize(
    ("channels", "frames", "px"), [(8, 2, 7), (64, 4, 14), (256, 2, 14), (1024, 4, 14), (64, 16, 56), (512, 2, 7)]
)
def test_memory_that_was_never_written_is_seen(channels, frames, px, monkeypatch):
    """Whatever the sizes of blocks, which decide on where memory comes from."""
    right = nn.Conv3d._conv_forward

    def wrong(self, input, weight, bias):
        return right(self, input, AddsToMemoryNeverWritten.apply(weight), bias)

    monkeypatch.setattr(nn.Conv3d, "_conv_forward", wrong)
    layer = nn.Conv3d(channels, 64, (1, 3, 3), padding=(0, 1, 1), bias=False)
    case = Case("conv", layer, (2, channels, frames, px, px), True, ("input", "weight"))
    with pytest.raises(KernelError, match="the gradient of the weight"):
        check_kernels([case], device=CPU, dtype=torch.bfloat16, say=lambda _: None)


def test_what_passed_is_not_computed_again(cache, monkeypatch):
    assert len(check(flat())) == 1
    known = json.loads(cache.read_text())
    monkeypatch.setattr("videogn.models.kernels.errors_of", lambda *_, **__: pytest.fail("computed again"))
    assert check(flat()) == []
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    assert len(check(flat(), dtype=torch.float16)) == 1  # another dtype is another kernel
    assert len(check(flat(), training=False)) == 1
    assert json.loads(cache.read_text()).items() > known.items()
    cache.write_text("no JSON")
    assert len(check(flat())) == 1


def test_a_home_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(check(flat())) == len(check(flat())) == 1
