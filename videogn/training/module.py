"""The LightningModule: a network, what it starts from, how it is trained, and what a checkpoint says of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
import torch.distributed
import torch.nn.functional as F
from lightning.pytorch.trainer.states import TrainerFn
from numpy.typing import NDArray
from torch import Tensor

from videogn.data.batch import Batch
from videogn.models.batch_norm import batch_norms, update_running_statistics
from videogn.models.batch_renorm import RenormBounds
from videogn.models.build import OF_I3D, NetworkName, build_network
from videogn.models.compiled import compiled, positions
from videogn.models.i3d import PartName
from videogn.models.input import InputName
from videogn.models.layout import Depth, LayoutName
from videogn.models.weights import LoadReport, load_weights, read_weights
from videogn.norms import DEFAULT_NUM_GROUPS, HELP, NormName, find_norm
from videogn.training.batch_sizes import BatchSizes, batch_sizes
from videogn.training.checkpoint import CHECKPOINT_KEY, check_same_model, own_part
from videogn.training.checkpoint_content import check_optimizer
from videogn.training.ema import WeightAverage, taken_from
from videogn.training.epoch_figures import EpochFigures
from videogn.training.errors import CheckpointError, NonFiniteLoss
from videogn.training.log_points import WHAT_MAY_HELP, LossWatch, Moment, at_log_point, before_log_point
from videogn.training.missing import filled, groups_without_clips
from videogn.training.non_finite import first_not_finite, origin_of
from videogn.training.optimizer import OptimizerName, limited, num_steps, optimizer_of
from videogn.training.position import Position, begin_at, position_of
from videogn.training.recipe import check_same_recipe, recipe_of
from videogn.training.record import fingerprint_of, record_of, train_videos_of
from videogn.training.result import train_videos_text
from videogn.training.schedule import Schedule, lr_factor, scaled_lr
from videogn.training.scoring import Scorer
from videogn.training.update import Update


class VideoClassifier(Scorer):
    """Trains and tests a network on clips.

    Args:
        norm: One of NORMS.
        num_groups: gn: groups per layer; 32 by default.
        channels_per_group: gn: channels in a group, instead of num_groups.
        weight_standardization: Standardise the convolutions' kernels; meant for gn (Qiao et al. 2019).
        input: rgb (normalised by fixed constants, as in the paper), standardized (each clip by the mean and the
            standard deviation of its own pixels: for dark or flat videos, which gn hardly learns from scratch
            otherwise), or motion (grey, its change to the next frame, and the size of that, likewise by clip: for few
            videos, from scratch, in which the scene must not give the class away).
        norm_batch_size: bn, brn: clips that share statistics; divides the device batch. Default: all of a forward.
        renorm: brn: how far it corrects, by optimiser steps done.
        network: i3d, or c3d: eight 3x3x3 convolutions without residual branches (Tran et al. 2015), a norm behind each;
            clips of 16 frames or more, from scratch. What is said to be of i3d, c3d does not have.
        layout: Of i3d: nonlocal (the paper's), slowfast (PyTorchVideo's zoo) or image (a 2-D ResNet, for num_frames 1).
        depth: Of i3d: 50 or 101; 26 and 14 are small ones.
        width: Channels of the first convolution.
        temporal_convs: Of i3d: false for C2D: kernels see one frame, only pools see time (Wang et al. 2018).
        nonlocal_blocks: Of i3d: behind every second block of res3 and res4 a non-local block (Wang et al. 2018).
        weights: Of i3d: file to start from: ImageNet or Kinetics weights (videogn weights --help) or a run's
            checkpoint. Read when the model is built; 2-D kernels are inflated; a head of another class count is left
            out.
        dropout: Rate before the last layer; of c3d, before the last two.
        base_lr: Learning rate at a total batch of 64 clips; scales with the total batch.
        schedule: How it falls.
        optimizer: sgd (with Nesterov's momentum) or adamw, which takes a base_lr ten to a hundred times as low.
        momentum: Of sgd; adamw's beta1.
        weight_decay: On convolutions and the last layer.
        norm_weight_decay: On gamma and beta of the norms (0 in the paper's released code).
        label_smoothing: 0 for none.
        mixup: Mix each clip with its neighbour in the forward, by shares of a Beta distribution of this alpha (Zhang et
            al. 2018; 0.2 is usual), and the labels likewise. 0 for none.
        cutmix: Put a box of the neighbour into each clip, alike in all frames (Yun et al. 2019; 1 is usual). 0: none.
        balance_classes: Weight each clip's loss by the inverse of its class's share of the training videos, such that
            all classes count the same; data.balanced_sampling shows them equally often instead.
        ema: Decay of an exponential moving average of the weights, such as 0.999; 0 for none. The average is what is
            validated, tested and kept in checkpoints, while training goes on without it. It begins with a smaller
            decay, (1 + n) / (10 + n) after n updates.
        compile: Whether torch.compile makes the network's kernels: minutes before the first update and the first
            evaluation, and faster steps on a GPU from then on. The numbers differ by rounding alone.
        activation_memory_budget: With compile: the share of the activations to keep for the backward pass, 0 to 1. The
            others are computed again. Less memory, more time.
        activation_checkpointing: Of i3d, without compile: parts of the network (stem, res2, pool2, res3, res4, res5)
            whose activations are not kept but computed again in the backward pass. Less memory, more time, the same
            numbers; [stem,res2] pays most. videogn fits says what it saves.
        multi_label: Whether a video has any number of labels: the loss is then binary cross-entropy, the mean over the
            classes, and each class has a probability of its own. With the command, it comes from the data.
        num_classes: K. With the command, it comes from the data.
        num_frames: Frames of a clip. With the command, it comes from the data.
        crop_size: Height and width of a training clip in px. With the command, it comes from the data.
        device_batch_size: Clips in one forward: also how many views a test forwards at once. With the command, it comes
            from the data. The total batch, which the learning rate scales with, is as many clips x the trainer's
            devices x its accumulate_grad_batches.

    Raises:
        ValueError: A setting that is not possible, e.g. groups that do not divide some layer's channels.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        norm: NormName = "gn",
        *,
        num_groups: int | None = None,
        channels_per_group: int | None = None,
        weight_standardization: bool = False,
        input: InputName = "rgb",
        norm_batch_size: int | None = None,
        renorm: RenormBounds = RenormBounds(),  # noqa: B008 (frozen; and its fields are the command's defaults)
        network: NetworkName = "i3d",
        layout: LayoutName = "nonlocal",
        depth: Depth = 50,
        width: int = 64,
        temporal_convs: bool = True,
        nonlocal_blocks: bool = False,
        weights: str | None = None,
        dropout: float = 0.5,
        base_lr: float = 0.01,
        schedule: Schedule = Schedule(),  # noqa: B008 (frozen; and its fields are the command's defaults)
        optimizer: OptimizerName = "sgd",
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        norm_weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        balance_classes: bool = False,
        ema: float = 0.0,
        compile: bool = False,
        activation_memory_budget: float = 1.0,
        activation_checkpointing: Sequence[PartName] = (),
        multi_label: bool = False,
        num_classes: int = 400,
        num_frames: int = 32,
        crop_size: int = 224,
        device_batch_size: int = 8,
    ) -> None:
        row = find_norm(norm)
        on_one_device = batch_sizes(norm, device=device_batch_size, norm_batch_size=norm_batch_size)
        if base_lr <= 0:
            raise ValueError(f"base_lr is {base_lr}; it must be positive")
        for name, value in {"label_smoothing": label_smoothing, "momentum": momentum, "ema": ema}.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value}; expected a number in [0, 1)")
        if (mixup or cutmix) and device_batch_size < 2:
            raise ValueError("mixup and cutmix mix the clips of a forward, and the device batch is 1: give 2 or more")
        for name, value in {
            "weight_decay": weight_decay,
            "norm_weight_decay": norm_weight_decay,
            "mixup": mixup,
            "cutmix": cutmix,
        }.items():
            if value < 0:
                raise ValueError(f"{name} is {value}; expected 0 or more")
        for name, is_on in {"label_smoothing": label_smoothing, "balance_classes": balance_classes}.items():
            if multi_label and is_on:
                raise ValueError(f"{name} is for videos of one class each, and multi_label is on: leave it out")
        if optimizer not in get_args(OptimizerName):
            raise ValueError(f"unknown optimizer {optimizer!r}; expected one of {', '.join(get_args(OptimizerName))}")
        if not 0 <= activation_memory_budget <= 1:
            raise ValueError(f"activation_memory_budget is {activation_memory_budget}; expected a share in [0, 1]")
        if activation_memory_budget < 1 and not compile:
            raise ValueError("activation_memory_budget is for compile: give it, or activation_checkpointing instead")
        if activation_checkpointing and compile:
            raise ValueError("activation_checkpointing is for eager mode: with compile give activation_memory_budget")
        architecture: dict[str, Any] = {
            "network": network,
            "norm": norm,
            "num_groups": DEFAULT_NUM_GROUPS
            if "num_groups" in row.settings and (num_groups, channels_per_group) == (None, None)
            else num_groups,
            "channels_per_group": channels_per_group,
            "weight_standardization": weight_standardization,
            "input": input,
            "layout": layout,
            "depth": depth,
            "width": width,
            "temporal_convs": temporal_convs and layout != "image",
            "nonlocal_blocks": nonlocal_blocks,
            "num_classes": num_classes,
            "num_frames": num_frames,
            "crop_size": crop_size,
        }
        if network != "i3d" and weights is not None:
            raise ValueError(
                f"weights are of i3d, and network is {network}, which is trained from scratch: leave them out"
            )
        built = build_network(
            norm_batch_size=norm_batch_size,
            renorm=renorm,
            dropout=dropout,
            activation_checkpointing=activation_checkpointing,
            **architecture,
        )
        if network != "i3d":  # what it does not have is nothing that a checkpoint or a result should say
            architecture |= {name: None for name in OF_I3D if name in architecture}
        if multi_label:
            architecture["multi_label"] = True
        super().__init__(
            built,
            num_classes=num_classes,
            multi_label=multi_label,
            device_batch_size=device_batch_size,
            compiled=compiled(positions, activation_memory_budget=activation_memory_budget) if compile else None,
        )
        self.architecture = architecture
        self.weights: dict[str, str] | None = None  # what it started from: file, kind, sha256
        self.weights_report: LoadReport | None = None
        if weights is not None:
            found = read_weights(weights)
            self.weights_report = load_weights(
                self.model,
                found,
                norm=norm,
                num_groups=self.architecture["num_groups"],
                channels_per_group=channels_per_group,
                weight_standardization=weight_standardization,
                input=input,
                layout=layout,
            )
            self.weights = {"file": Path(weights).name, "kind": found.kind, "sha256": found.sha256}
        self.renorm = renorm if "renorm" in row.settings else None
        self.norm_batch_size = norm_batch_size
        if on_one_device.norm == 1 and not row.over_devices and self.model.last_norm_size == (1, 1, 1):
            raise ValueError(
                f"{num_frames} frames of {crop_size} px leave one value of each channel in res5, and a normalisation "
                f"batch of 1 clip nothing to normalise it by: give more frames, a larger crop or a larger batch"
            )
        self.base_lr = base_lr
        self.schedule = schedule
        self.optimizer: OptimizerName = optimizer
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.norm_weight_decay = norm_weight_decay
        self.dropout = dropout
        self.activation_checkpointing = tuple(activation_checkpointing)
        self.label_smoothing = label_smoothing
        self.mixup, self.cutmix = mixup, cutmix
        self.mixing = _mixing(mixup, cutmix, num_classes) if mixup or cutmix else None
        self.balance_classes = balance_classes
        self.ema = ema
        self.average: WeightAverage | None = None  # from the beginning of a training with ema
        self._average_before: dict[str, Any] | None = None  # of the loaded checkpoint
        # [K]: of each class's clips in the loss; from the training videos, when a training begins.
        self.register_buffer("class_weights", None, persistent=False)
        self.update = Update(num_classes, multi_label=multi_label)
        self.losses = LossWatch()
        self.epoch_figures = EpochFigures(["loss", *(f"top{k}" for k in self.update.ks)])
        self._steps_before_epoch = 0
        self.begins_at = Position(epochs=0, updates=0)
        self.is_validating = False  # whether a checkpoint that is saved now is saved within a validation of a training
        self.ended_early = False  # whether something else than its length ended the training
        self.training_run: dict[str, Any] = {}  # of the loaded checkpoint: steps, seconds, batch sizes, seed
        self.precise_bn: dict[str, int] | None = None  # batches asked for and clips seen, of re-estimated statistics
        # The validation with the highest score so far: that, by its name, step, and what all its rivals were on, too.
        self.best: dict[str, Any] | None = None
        self.kernels_checked: bool | None = None  # in half precision: whether its layers were held against float32
        self.is_best = False  # whether a checkpoint that is saved now is saved because it is the best
        self._steps_per_epoch = 1
        self.planned_steps: int | None = None
        self.skipped_clips: Tensor | int = 0  # in all updates so far, on all devices
        self._seconds_before = 0.0
        self._started: float | None = None

    @property
    def batch_sizes(self) -> BatchSizes:
        """Those of the run: by the trainer's devices and its accumulated forwards."""
        return batch_sizes(
            self.architecture["norm"],
            device=self.device_batch_size,
            num_devices=self.trainer.world_size,
            norm_batch_size=self.norm_batch_size,
            accumulate=self.trainer.accumulate_grad_batches,
        )

    @property
    def learning_rate(self) -> float:
        """The peak learning rate, scaled to the total batch."""
        return scaled_lr(self.base_lr, self.batch_sizes.total)

    @property
    def train_seconds(self) -> float:
        """How long it has trained, in all parts of the training."""
        return self._seconds_before + (time.monotonic() - self._started if self._started is not None else 0.0)

    def num_steps(self) -> tuple[int, int]:
        """Return the optimiser steps of (an epoch, the run)."""
        return num_steps(self.trainer, batches_per_epoch=self.data.batches_per_epoch if self.data else None)

    # Training

    def check_classes(self) -> None:
        """Refuse to balance classes by videos that are not known, or twice.

        Raises:
            ValueError: It is asked for.
        """
        if self.balance_classes and self.data is None:
            raise ValueError("balance_classes needs the training videos: give a KineticsDataModule")
        if self.balance_classes and self.data and self.data.balanced_sampling:
            raise ValueError(
                "data.balanced_sampling shows all classes equally often, and model.balance_classes weights them as if "
                "they came by their number of videos: small classes would count twice. Give one of the two"
            )

    def on_fit_start(self) -> None:
        self.check_classes()
        if self.data is not None:
            self.data.check_failed("train")
        if self.balance_classes:
            assert self.data is not None
            labels = self.data.catalog.present("train").labels()
            self.class_weights = balanced_weights(labels, self.num_classes).to(self.device)
        # Of a training that was stopped within an update, nothing is left.
        self.update, self.losses = Update(self.num_classes, multi_label=self.multi_label), LossWatch()
        for norm in batch_norms(self.model):
            norm.defer_update = True
            norm.forget()
        if self.begins_at.updates and (found := self.training_run.get("epoch_figures")) is not None:
            self.epoch_figures.go_on(found, device=self.device)
        if self.ema:
            self.average = WeightAverage(self.model, self.ema, before=self._average_before)
            self._average_before = None
        self._started = time.monotonic()

    def on_train_start(self) -> None:
        check_optimizer(self.trainer.optimizers[0])

    def on_train_epoch_start(self) -> None:
        self._steps_before_epoch = self.global_step
        self.epoch_figures.begin()

    def on_train_epoch_end(self) -> None:
        self.epoch_figures.end(self)

    @property
    def position(self) -> Position:
        """How far the training is, with whole updates."""
        epoch = max(0, self.trainer.fit_loop.epoch_progress.current.ready - 1)
        updates = self.global_step - self._steps_before_epoch
        if self.is_validating and not self.trainer.fit_loop.epoch_loop._should_accumulate():
            return Position(epoch, updates, is_validating=True)
        return Position(epoch + 1, 0) if updates >= self._steps_per_epoch else Position(epoch, updates)

    def on_train_end(self) -> None:
        self.exchange_known()
        if self.trainer.is_global_zero and (said := train_videos_text(train_videos_of(self))):
            print(said, flush=True)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self.stop_together()
        # Dropout too derives from the seed and the place in the run: one that goes on is the one that never stopped.
        self.seed_forward(self.global_step, batch_idx)

    def seed_forward(self, num_updates: int, batch_idx: int) -> None:
        """Make what is random in a forward that of its place in the run."""
        entropy = (self.data.seed if self.data else 0, num_updates, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return what the gradient is taken of: the sum of the losses of a forward; see `Update`."""
        labels = targets = batch["labels"]
        if self.mixing is not None:
            batch, targets = self.mixing(batch)
        logits = self.training_logits(batch).float()
        if self.multi_label:
            losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
        else:
            losses = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing, reduction="none")
        if self.class_weights is not None:
            losses = losses * (self.class_weights[labels] if targets is labels else targets @ self.class_weights)
        loss = self.update.loss(losses, logits=logits, labels=labels, weights=batch["weights"])
        moment = Moment(self.current_epoch, batch_idx, self.global_step)
        self.losses.add_forward(loss, indices=batch["indices"], where=moment)
        return loss

    def training_logits(self, batch: Batch) -> Tensor:
        """Return logits [B, K]; those of a clip that could not be decoded are another clip's, and to be left out."""
        norm_batch = self.batch_sizes.norm
        if norm_batch is None:
            return self(batch["views"])
        size = min(norm_batch, len(batch["labels"]))
        without = groups_without_clips(batch, norm_batch=size)
        for norm in batch_norms(self.model):
            norm.without_clips = without
        # A graph of its own for such a batch would take minutes.
        with torch.compiler.set_stance("force_eager") if without else nullcontext():
            logits = self(filled(batch, norm_batch=size))
        for norm in batch_norms(self.model):
            norm.without_clips = frozenset()
        return logits

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        sums, clips, skipped = self.update.finish(
            self.model.parameters(),
            accumulate=self.trainer.accumulate_grad_batches,
            num_devices=self.trainer.world_size,
        )
        self.losses.add_update(sums["loss"])
        if before_log_point(self.trainer):  # while the network is still the one that was finite
            self._check_losses()
        update_running_statistics(batch_norms(self.model))
        self.precise_bn = None  # running averages again
        for name, total in sums.items():
            # Never with prog_bar=True: Lightning then reads the value at every batch, with a bar or without.
            self.log(f"train/{name}_step", total / clips)
        if before_log_point(self.trainer):  # a number of the host's that goes to the device waits for it
            self.log("lr", optimizer.param_groups[0]["lr"])
        self.skipped_clips = self.skipped_clips + skipped
        self.epoch_figures.add(sums, clips, skipped=skipped)
        self.epoch_figures.log(self)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if at_log_point(self.trainer, batch_idx):
            self._check_losses()

    def _check_losses(self) -> None:
        """Look at the losses since the last look.

        Raises:
            NonFiniteLoss: One is not finite; says of which forward, and where in the network it began.
        """
        try:
            self.losses.check()
        except NonFiniteLoss as error:
            if error.forward is None:
                raise
            raise NonFiniteLoss(f"{error}; {origin_of(self, *error.forward)}") from error

    def on_validation_epoch_start(self) -> None:
        self._check_losses()
        super().on_validation_epoch_start()

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule, by update."""
        self._steps_per_epoch, self.planned_steps = self.num_steps()
        factor = partial(
            lr_factor,
            schedule=self.schedule,
            total_batch_size=self.batch_sizes.total,
            steps_per_epoch=self._steps_per_epoch,
            total_steps=self.planned_steps,
        )
        optimizer = optimizer_of(
            self.model,
            self.optimizer,
            lr=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            norm_weight_decay=self.norm_weight_decay,
        )
        if self.ema:  # as often as weights change: a step that a loss scaler leaves out does not count
            optimizer.register_step_post_hook(lambda *_: self._update_average())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # The average of the weights

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the average of the weights into the network for a while; nothing without ema."""
        self._show_average()
        try:
            yield
        finally:
            self._hide_average()

    def _update_average(self) -> None:
        assert self.average is not None
        self.average.update(self.model)

    def _show_average(self) -> None:
        if self.average is not None:
            self.average.show(self.model)

    def _hide_average(self) -> None:
        if self.average is not None:
            self.average.hide(self.model)

    on_validation_start = on_test_start = on_predict_start = _show_average
    on_validation_end = on_test_end = on_predict_end = _hide_average

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.exchange_known()  # no checkpoint is saved behind an update that has missed more videos than may fail
        self._check_losses()
        # The last update's gradients may have been infinite where its loss was not.
        if (broken := first_not_finite(self.model)) is not None:
            raise NonFiniteLoss(
                f"the weights are not finite after {self.global_step} updates, first {broken}: {WHAT_MAY_HELP}"
            )
        if self.average is not None and not self.average.is_finite():
            raise NonFiniteLoss(f"the weights are not finite after {self.global_step} updates, in their average")
        checkpoint[CHECKPOINT_KEY] = record_of(self)
        if self.average is not None:
            self.average.put_into(checkpoint)

    def _begin_where_it_was(self, checkpoint: dict[str, Any]) -> None:
        training = own_part(checkpoint)["training"]
        steps, per_epoch = training["steps"], self.num_steps()[0] if self.data else None
        position = position_of(checkpoint, training, updates_per_epoch=per_epoch)
        self.begins_at = position
        accumulate = self.trainer.accumulate_grad_batches
        batches = limited(self.data.batches_per_epoch, self.trainer.limit_train_batches) if self.data else None
        loops = checkpoint["loops"]["fit_loop"]
        begin_at(position, loops, steps=steps, accumulate=accumulate, batches_per_epoch=batches)
        self._steps_before_epoch = steps - position.updates
        if self.data is not None:
            self.data.begins = (position.epochs, position.updates)
            if (known := training.get("known")) is not None:  # an earlier version did not say it
                num_lines = len(self.data.catalog.records("train"))
                if any(place >= num_lines for place, *_ in [*known["failed"], *known["in_full"]]):
                    raise CheckpointError(
                        f"the checkpoint knows of videos beyond the {num_lines:,} of the training list: videogn did "
                        f"not write it so"
                    )
                self.data.known["train"].add(known)
        self.skipped_clips = (training.get("train_videos") or {}).get("num_skipped_clips", 0)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another network, class count or, to go on with, recipe, before anything is loaded."""
        own = own_part(checkpoint)
        check_same_model(own, architecture=self.architecture, classes=self.class_names)
        if self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING:
            check_same_recipe(own, recipe_of(self), fingerprint=fingerprint_of(self))
            self._begin_where_it_was(checkpoint)
            if self.ema:
                self._average_before = taken_from(checkpoint)
        self.average = None  # what is loaded is what counts
        self.training_run = dict(own["training"])
        self.validated_at_step = own["training"]["validated_at_step"]
        self.num_validations = own["training"].get("num_validations", 0)
        self.best = own["training"].get("best")
        self.weights = own["training"].get("weights")
        self.precise_bn = own["training"].get("precise_bn")
        self._seconds_before = float(own["training"]["train_seconds"])


def _mixing(mixup: float, cutmix: float, num_classes: int) -> Callable[[Batch], tuple[Batch, Tensor]]:
    from videogn.training.mixing import Mixing  # torchvision's transforms take a while

    return Mixing(mixup=mixup, cutmix=cutmix, num_classes=num_classes)


def balanced_weights(labels: NDArray[np.int32], num_classes: int) -> Tensor:
    """Return weights [K] by which the clips of each class weigh the same in all, and a clip 1 on average."""
    counts = np.bincount(labels, minlength=num_classes)
    num_present = int((counts > 0).sum())
    return torch.from_numpy(len(labels) / num_present / counts.clip(1)).float()


# The help of `videogn fit` is made of this docstring.
VideoClassifier.__doc__ = (VideoClassifier.__doc__ or "").replace("One of NORMS.", HELP)
