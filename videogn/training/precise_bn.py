"""Precise batch normalization: running statistics re-estimated under fixed weights.

Sources: the Non-local release (lib/utils/bn_helper.py: 200 batches, before each validation and checkpoint); Wu &
Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from videogn.models.batch_norm import BatchNorm, PopulationStatistics, batch_norms
from videogn.models.batch_renorm import BatchRenorm
from videogn.norms import NORMS
from videogn.training.missing import filled
from videogn.training.module import VideoClassifier

Between = Callable[[Trainer, LightningModule], None]


class PreciseBatchNorm(Callback):
    """Re-estimates running statistics before each validation, checkpoint and test.

    It reads training clips of its own, always the same ones: neither the order of the training's clips nor anything
    random in it changes, and the same weights get the same statistics at any time. Batch renormalization is left alone:
    there, running statistics are part of the training. A model without batch statistics is left alone too. With an
    average of the weights (ema), the statistics are those of the average.

    Args:
        num_batches: Total batches (the clips of an optimiser step); at most an epoch of them.
        between: Called between two batches before a validation of a training, on all devices; what it raises ends it.
    """

    def __init__(self, num_batches: int, *, between: Between | None = None) -> None:
        if num_batches < 1:
            raise ValueError(f"num_batches is {num_batches}; expected at least 1 batch")
        self.num_batches = num_batches
        self.between = between
        self._estimated_at: int | None = None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            fitting = trainer.state.fn == TrainerFn.FITTING
            self._estimate(trainer, pl_module, between=self.between if fitting else None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._estimate(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._estimate(trainer, pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._estimate(trainer, pl_module)

    def _estimate(self, trainer: Trainer, module: LightningModule, *, between: Between | None = None) -> None:
        assert isinstance(module, VideoClassifier)
        if not precise_norms(module.model) or self._estimated_at == trainer.global_step:
            return
        # Of norms in training in a network in evaluation, torch.compile would make a graph of its own.
        with module.averaged(), trainer.precision_plugin.forward_context(), torch.compiler.set_stance("force_eager"):
            clips = estimate_statistics(module.model, self._views(module, between), module)
        on_all = trainer.strategy.reduce(torch.tensor(clips, device=module.device), reduce_op="sum")
        module.precise_bn = {"batches": self.num_batches, "clips": int(on_all)}
        self._estimated_at = trainer.global_step

    def _views(self, module: VideoClassifier, between: Between | None) -> Iterator[Tensor]:
        # A normalisation batch in which a clip is missing is left out: one in its place would count twice. Where all
        # devices share statistics, all must go on, and one does stand in its place.
        norm_batch, keep_all = module.batch_sizes.norm, NORMS[module.architecture["norm"]].over_devices
        assert norm_batch is not None
        if module.data is None:
            raise ValueError("PreciseBatchNorm reads training clips of its own: give the trainer a KineticsDataModule")
        for batch in module.data.statistics_batches(self.num_batches * module.trainer.accumulate_grad_batches):
            if between is not None:
                between(module.trainer, module)
            if keep_all:
                views = filled(batch, norm_batch=len(batch["labels"]))
            else:
                without = {row // norm_batch for row in batch["missing"]}
                groups = enumerate(batch["views"].split(norm_batch))
                views = torch.cat([views for place, views in groups if place not in without] or [batch["views"][:0]])
            if len(views):
                yield module.transfer_batch_to_device(views, module.device, 0)


def precise_norms(model: nn.Module) -> list[BatchNorm]:
    """Return the norms whose statistics can be re-estimated: gn, ln, ... have none, and those of brn are left alone."""
    return [norm for norm in batch_norms(model) if not isinstance(norm, BatchRenorm)]


@torch.no_grad()
def estimate_statistics(model: nn.Module, batches: Iterable[Tensor], forward: Callable[[Tensor], Any]) -> int:
    """Replace running statistics by the mean and variance of all that passes each norm.

    Each group of clips that shares statistics is normalised by its own, as in training; nothing else of the model is in
    training mode.

    Args:
        model: Its batch normalizations are changed, and nothing else.
        batches: What `forward` takes, one after the other.
        forward: Runs the model on a batch.

    Returns:
        How many clips (or views) this device saw.

    Raises:
        ValueError: There was no batch.
    """
    norms = precise_norms(model)
    seen = 0
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for norm in norms:
        norm.train()
        norm.population = PopulationStatistics(norm.num_features, norm.weight.device)
    try:
        for batch in batches:
            forward(batch)
            seen += len(batch)
        for norm in norms:
            assert norm.population is not None
            assert norm.running_mean is not None
            assert norm.running_var is not None
            mean, var = norm.population.result()
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
    finally:
        for norm in norms:
            norm.population = None
        for module, mode in modes.items():
            module.training = mode
    return seen
