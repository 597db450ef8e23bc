"""Activation checkpointing: the same numbers to the bit, less memory, and batch statistics counted once."""

import os

import pytest
import torch
import torch.distributed
from torch import nn

from tests.models.networks import build, clips, randomize_norms
from tests.runs import on_two_devices
from videogn.models.batch_norm import batch_norms, update_running_statistics
from videogn.models.i3d import I3D
from videogn.models.summary import saved_bytes
from videogn.norms import NORMS

ALL = ("stem", "res2", "pool2", "res3", "res4", "res5")


def pair(norm: str, parts: tuple[str, ...] = ALL, **settings) -> tuple[I3D, I3D]:
    """The same network without and with parts that are computed again."""
    built = [
        randomize_norms(build(norm, activation_checkpointing=chosen, **settings)).train() for chosen in ((), parts)
    ]
    for norm_layer in (layer for model in built for layer in batch_norms(model)):
        norm_layer.defer_update = True
        norm_layer.num_batches_tracked.zero_()
    return built[0], built[1]


def two_updates(model: nn.Module, x: torch.Tensor) -> None:
    """Gradients and statistics of two updates of two forwards each."""
    for _ in range(2):
        for half in x.split(len(x) // 2):
            model(half).square().sum().backward()
        update_running_statistics(batch_norms(model))


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_and_statistics_are_the_same_to_the_bit(norm):
    more = {"norm_batch_size": 2} if norm in ("bn", "brn") else {}
    more |= {"weight_standardization": True} if norm == "gn" else {}
    plain, recomputing = pair(norm, nonlocal_blocks=True, **more)
    for model in (plain, recomputing):
        two_updates(model, clips(8))
    for (name, expected), found in zip(plain.named_parameters(), recomputing.parameters(), strict=True):
        assert torch.equal(found.grad, expected.grad), name
    for (name, expected), found in zip(plain.named_buffers(), recomputing.buffers(), strict=True):
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("norm", ["gn", "bn", "brn"])
def test_less_is_kept(norm):
    x = clips(4)
    plain, recomputing = pair(norm)
    assert saved_bytes(recomputing, x) < 0.45 * saved_bytes(plain, x)
    _, some = pair(norm, ("stem", "res2"))
    assert saved_bytes(recomputing, x) < saved_bytes(some, x) < 0.75 * saved_bytes(plain, x)


def test_each_block_of_the_parts_is_a_unit():
    model = build("gn", depth=26, nonlocal_blocks=True, activation_checkpointing=("stem", "res3"))
    stage = model.blocks[3]
    assert model.recomputed == [model.blocks[0], stage.res_blocks[0], stage.res_blocks[1], stage.nonlocal_blocks["1"]]
    passes = dict.fromkeys(model.recomputed, 0)

    def note(unit: nn.Module, _: object) -> None:
        passes[unit] += 1

    for unit in model.recomputed:
        unit.register_forward_pre_hook(note)
    model.train()(clips(2)).sum().backward()
    assert set(passes.values()) == {2}
    model.eval()(clips(2))  # nothing to keep, nothing to compute again
    with torch.no_grad():
        model.train()(clips(2))
    assert set(passes.values()) == {4}


def test_an_error_while_computing_again_leaves_the_norms_as_they_were():
    model = build("bn", activation_checkpointing=("res2",)).train()
    block = model.blocks[1].res_blocks[0]
    loss = model(clips(2)).sum()

    def fail(*_: object) -> None:
        raise OSError("planted")

    block.branch2.conv_b.register_forward_pre_hook(fail)
    with pytest.raises(OSError, match="planted"):
        loss.backward()
    assert not any(norm.recomputes for norm in batch_norms(model))


def test_brn_needs_its_statistics_to_rest():
    model = build("brn", activation_checkpointing=("res2",)).train()
    with pytest.raises(RuntimeError, match="needs defer_update"):
        model(clips(2)).sum().backward()


@pytest.mark.parametrize("parts", [("res6",), ("head",), ("stem", "stem2")])
def test_unknown_parts(parts):
    with pytest.raises(ValueError, match=r"activation_checkpointing names .*expected some of stem, res2, pool2, res3"):
        build("gn", activation_checkpointing=parts)


def _on_one_of_two(rank: int, folder: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = []
    for model in pair("sync_bn"):
        copies = nn.parallel.DistributedDataParallel(model)
        two_updates_of = clips(8).chunk(2)[rank]
        for half in two_updates_of.split(2):
            copies(half).square().sum().backward()
        update_running_statistics(batch_norms(model))
        found.append(
            [*(parameter.grad for parameter in model.parameters()), *(buffer.clone() for buffer in model.buffers())]
        )
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_devices_with_synchronised_statistics(tmp_path):
    on_two_devices(_on_one_of_two, str(tmp_path))
    for rank in range(2):
        plain, recomputing = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert all(torch.equal(a, b) for a, b in zip(plain, recomputing, strict=True))
