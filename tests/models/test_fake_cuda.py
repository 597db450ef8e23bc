"""What a GPU would keep, and in which dtype: every norm costs what batch normalization costs, in half precision too.

Nothing is computed: see videogn/models/fake_cuda.py.
"""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.autograd.graph import saved_tensors_hooks

from tests.models.networks import NORM_SETTINGS
from videogn.models.fake_cuda import fake_cuda
from videogn.models.i3d import I3D, i3d_r50
from videogn.models.norm import norm_factory
from videogn.models.summary import saved_bytes
from videogn.norms import NORMS

HALF = [torch.bfloat16, torch.float16]
CLIPS = (4, 3, 16, 112, 112)


def network(**settings) -> I3D:
    return i3d_r50(num_frames=CLIPS[2], crop_size=CLIPS[3], **settings).train()


def kept_by(autocast: torch.dtype | None, **settings) -> int:
    with fake_cuda(autocast):
        return saved_bytes(network(**settings), torch.empty(CLIPS))


@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_keeps_its_inputs_dtype(norm, dtype):
    """So has all that it keeps of its inputs' size; parameters stay float32."""
    kept: list[Tensor] = []
    with fake_cuda(None if dtype == torch.float32 else dtype):
        layer = norm_factory(**NORM_SETTINGS[norm])(num_features=64).train()
        x = torch.empty(2, 64, 4, 14, 14, dtype=dtype, requires_grad=True)
        with saved_tensors_hooks(lambda tensor: (kept.append(tensor), tensor)[1], lambda tensor: tensor):
            output = layer(x)
        assert (output.dtype, output.device.type) == (dtype, "cuda")
        assert layer.weight.dtype == layer.bias.dtype == torch.float32
        assert {tensor.dtype for tensor in kept if tensor.numel() == x.numel()} == {dtype}


@pytest.mark.parametrize("dtype", [*HALF, None])
@pytest.mark.parametrize("norm", NORMS)
def test_a_network_keeps_for_backward_what_batch_norms_network_keeps(norm, dtype):
    if (norm, dtype) == ("brn", None):
        pytest.skip("in float32 batch renorm keeps its normalised input too: the losses on record are of that form")
    assert kept_by(dtype, norm=norm) == pytest.approx(kept_by(dtype, norm="bn"), rel=0.005)


def test_half_precision_keeps_half_of_it():
    """But for the parameters' copies in half precision, which float32 does not need."""
    halved = {norm: kept_by(torch.bfloat16, norm=norm) / kept_by(None, norm=norm) for norm in ("gn", "bn")}
    assert halved["gn"] == pytest.approx(halved["bn"], rel=0.005)
    assert 0.5 < halved["gn"] < 0.75


def test_weight_standardization_keeps_no_second_kernel():
    plain = kept_by(torch.bfloat16, norm="gn")
    assert kept_by(torch.bfloat16, norm="gn", weight_standardization=True) == pytest.approx(plain, rel=0.005)


def test_plain_group_norm_would_keep_twice_as_much():
    """What is measured here is seen here: nn.GroupNorm under CUDA's autocast computes in float32."""
    for layer, dtype in ((nn.GroupNorm(8, 64), torch.float32), (norm_factory("gn")(num_features=64), torch.bfloat16)):
        with fake_cuda(torch.bfloat16):
            moved = type(layer)(layer.num_groups, layer.num_channels)
            assert moved(torch.empty(2, 64, 4, 14, 14, dtype=torch.bfloat16)).dtype == dtype


def test_reading_a_value_is_seen():
    with fake_cuda(), pytest.raises(DataDependentOutputException):
        torch.ones(3).sum().item()
    assert not torch.is_autocast_enabled("cuda")
    assert torch.ones(3).sum().item() == 3
