"""torch.compile: one graph for training and one for evaluation, the numbers of eager mode, for every norm.

Most tests take the backend aot_eager: it traces the network, its backward pass and its changes of state as inductor
does, and then runs torch's own kernels, so that seconds are enough. The long ones take inductor.
"""

import copy
import os
from functools import partial

import pytest
import torch
import torch._dynamo
import torch.distributed
from torch._dynamo.utils import counters

from tests.models.networks import build, randomize_norms
from tests.runs import on_two_devices
from videogn.models.batch_norm import batch_norms, update_running_statistics
from videogn.models.compiled import compiled, positions
from videogn.norms import NORMS


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def without_inductor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def network(norm: str, **settings) -> torch.nn.Module:
    model = randomize_norms(build(norm, **settings)).to(memory_format=torch.channels_last_3d)
    for layer in batch_norms(model):
        layer.defer_update = True
        layer.num_batches_tracked.zero_()
        layer.forget()
    return model


def views(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 8, 48, 48, 3), dtype=torch.uint8, generator=generator)


def updates(model: torch.nn.Module, run) -> list[torch.Tensor]:
    """Two updates of two forwards, each followed by an evaluation: all that is computed, and the state afterwards."""
    found = []
    for update in range(2):
        for forward in range(2):
            logits = run(model.train(), views(4, seed=10 * update + forward))
            logits.square().sum().backward()
            found.append(logits.detach())
        update_running_statistics(batch_norms(model))
        with torch.inference_mode():
            found.append(run(model.eval(), views(4)))
    return [*found, *(parameter.grad for parameter in model.parameters()), *model.buffers()]


def far(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """The largest relative difference of a tensor."""
    pairs = [(a.double(), b.double()) for a, b in zip(found, expected, strict=True)]
    return max(float((a - b).norm() / b.norm().clamp_min(1e-12)) for a, b in pairs)


@pytest.mark.parametrize("norm", NORMS)
def test_two_graphs_and_the_numbers_of_eager_mode(norm, without_inductor, request):
    if norm not in ("gn", "bn", "brn", "sync_bn") and not request.config.getoption("full"):
        pytest.skip("the same code but for the norm: with --full")
    more = {"norm_batch_size": 2} if norm in ("bn", "brn") else {}
    more |= {"weight_standardization": True} if norm == "gn" else {}
    model = network(norm, **more)
    eager = copy.deepcopy(model)
    found = updates(model, compiled(positions))
    assert counters["stats"]["unique_graphs"] == 2
    assert not counters["graph_break"]
    assert far(found, updates(eager, positions)) < 1e-6


def test_in_half_precision_too(without_inductor):
    model = network("gn")
    eager = copy.deepcopy(model)
    with torch.autocast("cpu", torch.bfloat16):
        run = compiled(positions)
        found, expected = run(model.train(), views(4)), positions(eager.train(), views(4))
    assert found.dtype == expected.dtype == torch.bfloat16
    assert far([found.detach()], [expected.detach()]) < 0.02


def test_a_budget_keeps_less(without_inductor):
    def kept(budget: float) -> int:
        torch._dynamo.reset()
        total: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            total[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
            held.append(tensor)
            return tensor

        held: list[torch.Tensor] = []
        model = network("gn")
        run = compiled(positions, activation_memory_budget=budget)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = run(model.train(), views(4)).square().sum()
        loss.backward()
        gradients[budget] = [parameter.grad for parameter in model.parameters()]
        return sum(total.values())

    gradients: dict[float, list[torch.Tensor]] = {}
    half, all_of_it = kept(0.3), kept(1.0)
    assert half < 0.8 * all_of_it
    assert far(gradients[0.3], gradients[1.0]) < 1e-6


def test_dropout_draws_what_it_draws_in_eager_mode(without_inductor):
    model = network("gn", dropout=0.5)
    torch.manual_seed(3)
    found = compiled(positions)(model.train(), views(4))
    torch.manual_seed(3)
    torch.testing.assert_close(found, positions(model, views(4)))


def _on_one_of_two(rank: int, folder: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    torch.compile = partial(torch.compile, backend="aot_eager")
    found = []
    for run in (compiled(positions), positions):
        model = network("sync_bn")  # exchanges in the network itself, and those of the gradients
        copies = torch.nn.parallel.DistributedDataParallel(_Run(model, run))
        own = views(8).chunk(2)[rank]
        for _ in range(2):
            copies(own).square().sum().backward()
        update_running_statistics(batch_norms(model))
        found.append([*(parameter.grad for parameter in model.parameters()), *model.buffers()])
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


class _Run(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, run) -> None:
        super().__init__()
        self.model, self.run = model, run

    def forward(self, own: torch.Tensor) -> torch.Tensor:
        return self.run(self.model, own)


@pytest.mark.slow
@pytest.mark.skipif(torch.__version__ < "2.15", reason="torch 2.11 fails in the second backward pass of two devices")
def test_two_devices(tmp_path):
    on_two_devices(_on_one_of_two, str(tmp_path))
    for rank in range(2):
        by_compiler, eager = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert far(by_compiler, eager) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_the_compilers_own_kernels(norm, request):
    if not request.config.getoption("full"):
        pytest.skip("a minute each: with --full")
    more = {"norm_batch_size": 2} if norm in ("bn", "brn") else {}
    model = network(norm, dropout=0.5, **more)
    eager = copy.deepcopy(model)
    run = compiled(positions)
    found, expected = [], []
    for one, way, into in ((model, run, found), (eager, positions, expected)):
        torch.manual_seed(3)
        into += updates(one, way)
    assert far(found, expected) < 1e-4
