"""That cells which a study takes for one computation are one, shown by training the real network both ways."""

import copy

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from tests.models.networks import randomize_norms
from videogn.ablation.cells import Cell, cells_of
from videogn.ablation.study import Study
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule

BASE = {"model.norm": "gn", "model.depth": 14, "model.width": 8, "data.batch_size": 4, "total_batch_size": 4}
UPDATES = 3
Weights = dict[str, torch.Tensor]


def cell(norm: str, size: int) -> Cell:
    axes = {"model.norm": ["gn", "bn"], "norm_batch_size": [4, 2]}
    cells = {c.name: c for c in cells_of(Study(base="b", axes=axes), BASE)}
    found = cells[f"{norm}-nb{size}-seed0"]
    return cells[found.same_as] if found.same_as else found


def trained(settings: dict, *, device: int) -> tuple[Weights, Weights]:
    """Parameters before and after a few updates of 4 clips, in forwards of `device` clips."""
    torch.manual_seed(0)
    model = VideoClassifier(
        **{name.removeprefix("model."): value for name, value in settings.items() if name.startswith("model.")},
        channels_per_group=4 if settings["model.norm"] == "gn" else None,
        num_frames=8, crop_size=48, num_classes=5, dropout=0.0, base_lr=0.1, schedule=Schedule(milestones=(100,)),
        device_batch_size=device,
    )  # fmt: skip
    randomize_norms(model.model)  # with gammas of zero nothing would be seen
    before = copy.deepcopy(dict(model.named_parameters()))
    generator = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (4 * UPDATES, 1, 8, 48, 48, 3), dtype=torch.uint8, generator=generator)
    batches = [
        {
            "views": views,
            "labels": labels,
            "indices": labels,
            "weights": torch.ones(device),
            "missing": [],
            "failures": [],
        }
        for views, labels in zip(clips.split(device), (torch.arange(4 * UPDATES) % 5).split(device), strict=True)
    ]
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, accumulate_grad_batches=4 // device, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, DataLoader(batches, batch_size=None))
    assert trainer.global_step == UPDATES
    return before, dict(model.named_parameters())


def trained_cell(norm: str, size: int) -> tuple[Weights, Weights]:
    """As the study runs the cell."""
    found = cell(norm, size)
    return trained(dict(found.effective), device=found.batches.device)


def difference(a: tuple[Weights, Weights], b: tuple[Weights, Weights]) -> float:
    """Largest share of the way that a tensor went by which the two ends differ."""
    assert all(torch.equal(a[0][name], b[0][name]) for name in a[0])
    return max(float((a[1][n] - b[1][n]).detach().norm() / (a[1][n] - a[0][n]).detach().norm()) for n in a[1])


def test_gn_at_any_normalisation_batch_is_one_run_and_bn_is_not():
    """Beside each, the plain way to that batch: forwards of so many clips, accumulated."""
    gn = trained_cell("gn", 2)
    assert difference(gn, trained({"model.norm": "gn", **_small()}, device=4)) == 0
    accumulated = difference(gn, trained({"model.norm": "gn", **_small()}, device=2))
    bn = difference(trained_cell("bn", 2), trained_cell("bn", 4))
    assert accumulated < 5e-3
    assert bn > 0.1


def test_what_gn_is_told_of_a_normalisation_batch_has_no_effect_on_it():
    with pytest.warns(UserWarning, match="norm_batch_size=2 has no effect"):
        told = trained({"model.norm": "gn", "model.norm_batch_size": 2, **_small()}, device=4)
    assert difference(told, trained_cell("gn", 4)) == 0


def test_a_split_forward_is_the_accumulated_one():
    split = trained_cell("bn", 2)
    assert difference(split, trained({"model.norm": "bn", **_small()}, device=2)) < 5e-3
    assert difference(split, trained({"model.norm": "bn", **_small()}, device=4)) > 0.1


def _small() -> dict:
    return {name: BASE[name] for name in ("model.depth", "model.width")}
