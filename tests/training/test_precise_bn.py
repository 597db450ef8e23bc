"""Re-estimated statistics against fvcore's precise BN and against one pass over everything."""

import copy

import lightning
import numpy as np
import pytest
import torch
from fvcore.nn.precise_bn import update_bn_stats

from tests.models.networks import build, clips, randomize_norms
from videogn.data.datamodule import KineticsDataModule
from videogn.models.batch_norm import batch_norms
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import PreciseBatchNorm, estimate_statistics, precise_norms

pytestmark = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")


def test_estimates_are_fvcores_over_the_same_batches():
    ours = randomize_norms(build("bn"))
    theirs = copy.deepcopy(ours).train()
    batches = [clips(4, seed=seed) for seed in range(5)]
    estimate_statistics(ours, batches, ours)
    update_bn_stats(theirs, batches, num_iters=5)
    for norm, other in zip(batch_norms(ours), batch_norms(theirs), strict=True):
        torch.testing.assert_close(norm.running_mean, other.running_mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, other.running_var, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("split", [None, 2])
def test_the_first_norm_has_the_mean_and_variance_of_all_it_saw(split):
    model = randomize_norms(build("bn", norm_batch_size=split))
    batches = [clips(4, seed=seed) * (seed + 1) + seed for seed in range(3)]
    estimate_statistics(model, batches, model)
    with torch.no_grad():
        seen = torch.cat([model.blocks[0].conv(batch) for batch in batches]).double().numpy()
    norm = model.blocks[0].norm
    np.testing.assert_allclose(norm.running_mean.numpy(), seen.mean((0, 2, 3, 4)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), seen.var((0, 2, 3, 4)), rtol=1e-4)


def test_nothing_else_changes():
    model = randomize_norms(build("bn", dropout=0.5)).train()
    model.blocks[4].eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    batch_norms(model)[0].defer_update = True
    estimate_statistics(model, [clips(4)], model)
    assert torch.equal(torch.random.get_rng_state(), state)  # dropout was off
    assert [module.training for module in model.modules()] == modes
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("running" in name for name in changed)
    assert all(norm.population is None and norm._sums is None for norm in batch_norms(model))


def test_a_failure_leaves_statistics_as_they_were():
    model = randomize_norms(build("bn"))
    before = copy.deepcopy(model.state_dict())

    def broken():
        yield clips(4)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        estimate_statistics(model, broken(), model)
    with pytest.raises(ValueError, match="no batch was seen"):
        estimate_statistics(model, [], model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(norm.population is None for norm in batch_norms(model))


@pytest.mark.parametrize("norm", ["gn", "ln", "in", "frozen_bn", "brn", "none"])
def test_norms_without_batch_statistics_and_batch_renorm_are_left_alone(norm):
    assert not precise_norms(build(norm))
    assert precise_norms(build("sync_bn"))


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="num_batches is 0"):
        PreciseBatchNorm(0)


def test_running_averages_lag_behind_changed_weights_and_estimates_do_not():
    """The reason for it. Four updates with momentum 0.1 from 1, then weights times 3: variances times 9."""
    model = build("bn").train()
    batches = [clips(8, seed=seed) for seed in range(4)]
    for batch in batches:
        model(batch)
    with torch.no_grad():
        model.blocks[0].conv.weight.mul_(3)
    norm = model.blocks[0].norm
    variance = (norm.running_var - 0.9**4) / (1 - 0.9**4)
    estimate_statistics(model, batches, model)
    torch.testing.assert_close(norm.running_var, 9 * variance, rtol=0.05, atol=0)


def test_estimation_has_the_precision_of_the_run(data_root):
    """Of a mixed-precision run, the statistics are those of half-precision activations."""
    size = {"num_frames": 8, "crop_size": 48}
    views = {"scale_size": 48, "test_scale_size": 48, "test_crop_size": 48}
    data = KineticsDataModule(str(data_root), **size, **views, batch_size=4, num_workers=0)
    model = VideoClassifier("bn", **size, depth=14, width=8, num_classes=2, device_batch_size=4)
    seen: list[torch.dtype] = []
    norm = model.model.blocks[1].res_blocks[0].branch2.norm_a
    norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype) if module.population else None)
    trainer = lightning.Trainer(
        max_epochs=1, limit_train_batches=1, limit_val_batches=0, accelerator="cpu", precision="bf16-mixed",
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, use_distributed_sampler=False, callbacks=[PreciseBatchNorm(2)],
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    assert seen == [torch.bfloat16] * 2
    assert model.precise_bn == {"batches": 2, "clips": 8}


def test_estimates_do_not_depend_on_how_a_batch_with_a_failure_is_cut(data_root, tmp_path):
    """Normalisation batches of 2 in forwards of 4 and of 2: the one without all its clips is left out, and no other."""
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    lines = (data_root / "train.csv").read_text().splitlines()
    listed = [f"{data_root / line}" for line in lines[1:]] + [f"{tmp_path / 'broken.mp4'} jump"]
    (tmp_path / "train.csv").write_text("\n".join(listed) + "\n")
    size = {"num_frames": 8, "crop_size": 48}
    views = {"scale_size": 48, "test_scale_size": 48, "test_crop_size": 48}
    found = {}
    for device_batch in (4, 2):
        data = KineticsDataModule(
            str(data_root), train_list=str(tmp_path / "train.csv"), **size, **views, batch_size=device_batch,
            num_workers=0, skip_undecodable=1, allow_outside=True,
        )  # fmt: skip
        torch.manual_seed(0)
        model = VideoClassifier(
            "bn", **size, depth=14, width=8, num_classes=2, norm_batch_size=2, base_lr=1e-9,
            device_batch_size=device_batch,
        )  # fmt: skip
        trainer = lightning.Trainer(
            max_epochs=1, limit_val_batches=0, accelerator="cpu", accumulate_grad_batches=4 // device_batch,
            logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            num_sanity_val_steps=0, use_distributed_sampler=False, callbacks=[PreciseBatchNorm(3)],
        )  # fmt: skip
        trainer.fit(model, datamodule=data)
        assert model.precise_bn == {"batches": 3, "clips": 10}
        found[device_batch] = [(norm.running_mean, norm.running_var) for norm in batch_norms(model.model)]
    torch.testing.assert_close(found[4], found[2], rtol=1e-3, atol=1e-4)
