"""fit, validate, test and predict: LightningCLI with the run's folder, batch sizes and checkpoints looked after."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from lightning import Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import ProgressBar as AnyProgressBar
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from videogn.commands import half_precision, processes, report
from videogn.commands.beats import Beats
from videogn.commands.configs import resolve_configs
from videogn.commands.failures import as_told, refuse_odd_checkpoints
from videogn.commands.predictions import report_predictions
from videogn.commands.run_folder import (
    alone,
    check_own,
    check_weights,
    default_run_dir,
    find_checkpoint,
    going_on,
    read_checkpoint,
    weights_of,
    with_run_config,
)
from videogn.commands.sliding import Asked, asked_of, slide_over
from videogn.commands.trainer_arguments import ODD, TrainerArguments
from videogn.commands.usage import RunAgain, UsageError, check_json, check_places, in_a_line
from videogn.data.lists.entries import Split
from videogn.files import add_name, is_partial, replacing, write_json
from videogn.locks import OF_RUNS
from videogn.machine import available_cores
from videogn.trained.folder import classes_file
from videogn.trained.model import TrainedModel
from videogn.training.batch_sizes import batch_sizes
from videogn.training.best_and_last import Checkpoints, every
from videogn.training.callbacks import ProgressBar, ProgressLines, ResultWriter, Throughput
from videogn.training.checkpoint import CHECKPOINT_KEY
from videogn.training.checkpoint_file import WholeFiles
from videogn.training.device import dtype_of
from videogn.training.errors import CheckpointError, ToldToEnd
from videogn.training.loggers import Events, MetricsCSV
from videogn.training.optimizer import end_by_schedule, limited
from videogn.training.plan import FROM_SCRATCH, Plan, plan_of, summary, without_effect
from videogn.training.position import Position, position_of
from videogn.training.precise_bn import PreciseBatchNorm, precise_norms
from videogn.training.recipe import check_same_recipe, recipe_of
from videogn.training.result import SCORES
from videogn.training.stopping import Stop

SPLITS: dict[str, tuple[Split, ...]] = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}

# Warnings of libraries about what is meant to be so.
QUIET = (
    ".*does not have many workers.*",
    "Be aware that when using `ckpt_path`, callbacks used to create the checkpoint.*",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    ".*GPU available but not used.*",
    "You're resuming from a checkpoint that ended before the epoch ended.*",  # its loader begins there
    ".*it is recommended to use `self.log\\(.*sync_dist=True\\)`.*",
    "(?s).*Grad strides do not match bucket view strides.*",
    "(?s).*(instantiate_classes.. was deprecated|JSONARGPARSE_DEPRECATION_WARNINGS)",
)


def run(words: Sequence[str]) -> int:
    """Run `fit ...`, `validate ...`, `test ...` or `predict ...`; return the exit status.

    Raises:
        UsageError: Something that can't be asked for.
        RunError: The work failed.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)
    stop = Stop()
    try:
        with stop.listening():
            VideoCLI(resolve_configs(with_run_config(list(words))), stop=stop)
    except ToldToEnd as error:
        raise RunAgain(f"{error}; run it again to go on") from error
    return 0


class VideoCLI(TrainerArguments):
    """The work behind the arguments."""

    def __init__(self, words: Sequence[str], *, stop: Stop | None = None) -> None:
        self.stop = stop or Stop()
        self.goes_on_by_itself = False
        self.sliding: Asked | None = None
        super().__init__(words)

    # From settings to objects

    def before_instantiate_classes(self) -> None:
        settings = self.config[self.subcommand]
        if self.subcommand == "predict":
            check_json(settings.json)
            self.sliding = asked_of(settings)
            settings.data.predict_paths = settings.videos
        self.run_dir = Path(settings.run_dir) if settings.run_dir else default_run_dir(self.words)
        if settings.total_batch_size is not None and settings.trainer.accumulate_grad_batches != 1:
            raise UsageError("give --total_batch_size or --trainer.accumulate_grad_batches, not both")
        try:
            self.saves = every(str(settings.checkpoint_every))
        except ValueError as error:
            raise UsageError(f"--checkpoint_every: {error}") from error
        if self.subcommand == "fit":
            self.goes_on_by_itself = self.find_run(settings)
        settings.ckpt_path = find_checkpoint(
            settings.ckpt_path, run_dir=self.run_dir, default=None if self.subcommand == "fit" else "last"
        )
        if settings.precise_bn_batches < 0:
            raise UsageError(f"--precise_bn_batches is {settings.precise_bn_batches}; expected 0 (off) or more")
        self.weights_given = settings.model.weights
        if settings.ckpt_path is not None:
            settings.model.weights = None  # the checkpoint has all of them
            self.checkpoint = read_checkpoint(settings.ckpt_path)
            self.training_found = self.checkpoint[CHECKPOINT_KEY]["training"]
            if self.subcommand == "fit":
                check_own(settings.ckpt_path, run_dir=self.run_dir)
                run_dir = Path(settings.ckpt_path).parent.parent
                if self.weights_given not in (None, weights_of(run_dir)):  # the run's own config names its own
                    check_weights(self.weights_given, self.training_found["weights"])
        if settings.trainer.sync_batchnorm:
            raise UsageError("--trainer.sync_batchnorm would replace the norms under study: use --model.norm sync_bn")
        if settings.trainer.overfit_batches:
            raise UsageError(
                "--trainer.overfit_batches would replace the order of videos: give --trainer.limit_train_batches, or "
                "ask `videogn doctor`, which learns a batch by heart"
            )
        if settings.trainer.precision not in {None, 32, "32", "32-true", 16, "16", "16-mixed", "bf16", "bf16-mixed"}:
            raise UsageError(
                f"--trainer.precision is {settings.trainer.precision}; expected 32-true, bf16-mixed or 16-mixed"
            )
        goes_on = self.subcommand == "fit" and settings.ckpt_path is not None
        trained = self.training_found.get("recipe", {}).get("trainer.precision") if goes_on else None
        half_precision.only_where_it_pays(settings, self.words, trained=trained)
        if self.subcommand != "fit" and settings.data.classes is None:
            # The run knows its classes: its training list may lie on another machine.
            settings.data.classes = classes_file(Path(settings.ckpt_path).parent.parent)

    def find_run(self, settings: Namespace) -> bool:
        """Set the checkpoint that fit goes on from, where a run is there; return whether nobody named it."""
        found = going_on(settings.ckpt_path, run_dir=self.run_dir, resume=settings.resume)
        by_itself = settings.ckpt_path is None and found is not None
        settings.ckpt_path = found
        return by_itself

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except (ValueError, MisconfigurationException) as error:
            raise UsageError(str(error)) from error
        except ODD as error:
            raise UsageError(f"a setting is of another kind than expected: {in_a_line(error)}") from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        fitting = self.subcommand == "fit"
        at_terminal = sys.stdout.isatty()
        callbacks: list[Any] = [ResultWriter(self.run_dir)]
        wanted = self.config[self.subcommand].precise_bn_batches
        self.estimates = wanted > 0 and (
            fitting or wanted != (self.training_found.get("precise_bn") or {}).get("batches")
        )
        checkpoints = Checkpoints(self.run_dir / "checkpoints", every=self.saves, stop=self.stop)
        if self.estimates:
            callbacks.append(PreciseBatchNorm(wanted, between=checkpoints.between_statistics))
        if not at_terminal:
            callbacks.append(ProgressLines())
        if fitting:
            callbacks += [Throughput(), checkpoints]
        settings = self._get(self.config_init, "trainer")
        given = settings.get("callbacks") or []
        settings["callbacks"] = [*(given if isinstance(given, list) else [given]), *callbacks]
        if settings.get("enable_progress_bar") is None:
            settings["enable_progress_bar"] = at_terminal
        if settings["enable_progress_bar"] and not any(isinstance(c, AnyProgressBar) for c in settings["callbacks"]):
            settings["callbacks"].append(ProgressBar())
        if settings.get("enable_model_summary") is None:
            settings["enable_model_summary"] = False
        if settings.get("logger") is None:
            found = self.training_found if self.config[self.subcommand].ckpt_path else {}
            steps = found.get("steps", 0)
            position = Position(**found["position"]) if "position" in found else None
            metrics = MetricsCSV(self.run_dir, first_step=steps, position=position)
            settings["logger"] = [metrics, Events(self.run_dir, first_step=steps)] if fitting else False
        if self.subcommand == "predict":
            settings["devices"] = 1  # one table, one file
        settings["default_root_dir"] = str(self.run_dir)
        torch.backends.cudnn.allow_tf32 = self.config[self.subcommand].allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.config[self.subcommand].allow_tf32
        settings["use_distributed_sampler"] = False  # ours deals the videos, and none twice
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except RuntimeError as error:  # Lightning's words on variables of SLURM's
            raise UsageError(str(error)) from error
        processes.check_number(trainer)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # Lightning's own, not one that was asked for
            trainer.strategy.checkpoint_io = WholeFiles()
        return trainer

    def after_instantiate_classes(self) -> None:
        trainer, data, model = self.trainer, self.datamodule, self.model
        if data.index is None and (self.subcommand == "fit" or os.access(self.run_dir, os.W_OK)):
            data.index = str(self.run_dir / "index.sqlite")
        if trainer.strategy.root_device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            # Threads that wait for cores which the decoding workers hold make small steps tens of times slower.
            torch.set_num_threads(max(1, available_cores() - data.num_workers))
        try:
            sizes = batch_sizes(
                model.architecture["norm"],
                device=data.batch_size,
                num_devices=trainer.world_size,
                norm_batch_size=model.norm_batch_size,
                total=self.config[self.subcommand].total_batch_size,
                accumulate=trainer.accumulate_grad_batches,
            )
            trainer.accumulate_grad_batches = sizes.accumulate
            # As the trainer does it later. Model and data ask it for its devices and for the forwards of an update.
            data.trainer = model.trainer = trainer
            trainer.datamodule = data  # type: ignore[attr-defined]
            model.model.check_size(data.num_frames, data.test_crop_size, data.test_crop_size)
            if (path := self.config[self.subcommand].ckpt_path) is not None:
                model.class_names = data.classes
                model.on_load_checkpoint(self.checkpoint)  # refuses another norm or class count before any work
                if self.estimates and self.subcommand != "fit":
                    self._check_norm_batch()
            if self.subcommand == "predict":
                self._check_videos()
            else:
                for split in SPLITS[str(self.subcommand)]:
                    data.check_rates(data.catalog.records(split))
                if self.subcommand == "fit":
                    data.catalog.check_test_list()
                    model.check_classes()
                    _ = data.batches_per_epoch  # refuses a list that fills no total batch
                    end_by_schedule(trainer, model.schedule, total_batch_size=sizes.total)
                    self._check_whole_updates()
                    if self.config.fit.trainer.log_every_n_steps is None:  # a short epoch has rows, too
                        trainer.log_every_n_steps = min(50, model.num_steps()[0])  # type: ignore[attr-defined]
                    if path is not None:
                        check_same_recipe(
                            self.checkpoint[CHECKPOINT_KEY],
                            recipe_of(model),
                            fingerprint=data.catalog.fingerprint("train") if trainer.is_global_zero else None,
                        )
                        if not self._has_ended():
                            # Refuses what does not say it.
                            position_of(self.checkpoint, self.training_found, updates_per_epoch=model.num_steps()[0])
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _check_videos(self) -> None:
        """Refuse videos that are not there, or can't be asked about as they are."""
        is_live = self.sliding is not None and self.sliding.live is not None
        paths = [] if is_live else [record.path for record in self.datamodule.predict_records()]
        if self.sliding is not None:
            self.sliding.check_videos(paths)
        else:
            check_places([("--json", self.config.predict.json)], read=paths)

    def _check_norm_batch(self) -> None:
        """Refuse to re-estimate statistics under another normalisation batch than the network was trained with."""
        trained, here = self.training_found["norm_batch_size"], self.model.batch_sizes.norm
        if precise_norms(self.model.model) and trained != here:
            raise ValueError(
                f"--precise_bn_batches: the run's normalisation batch is {trained} clips, and here it would be {here}: "
                f"give --data.batch_size {trained}, or --model.norm_batch_size {trained} and a multiple of it"
            )

    def _check_whole_updates(self) -> None:
        """Warn where limit_train_batches cuts the last update of an epoch short."""
        limit, sizes = self.trainer.limit_train_batches, self.model.batch_sizes
        if rest := limited(self.datamodule.batches_per_epoch, limit) % sizes.accumulate:
            warnings.warn(
                f"trainer.limit_train_batches {limit} leaves {rest} of {sizes.accumulate} forwards to the last update "
                f"of an epoch: it is of fewer clips than total_batch_size {sizes.total}",
                stacklevel=2,
            )

    # The work

    def _run_subcommand(self, subcommand: str) -> None:
        if self._has_ended():
            print(
                f"{self.run_dir}: the training has ended, after {self.training_found['steps']:,} updates: nothing to "
                "do. Give another --run_dir for a new run, or a larger --trainer.max_epochs to go on (where a "
                "callback ended it, with --ckpt_path last)",
                flush=True,
            )
            return
        refuse_odd_checkpoints(self.trainer, self.config[self.subcommand].ckpt_path)
        # Lightning's own answer to SIGTERM ends an epoch's work before it is saved, and tests not at all.
        self.trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        with processes.watched(self.trainer, command=subcommand) as beats:
            self._work(subcommand, beats)

    def _work(self, subcommand: str, beats: Beats | None) -> None:
        try:
            self._check_kernels()
            # Of a run on several devices, the first alone writes, and has the lock.
            name = OF_RUNS.get(subcommand) if self.trainer.is_global_zero else None
            with nullcontext() if name is None else alone(self.run_dir, name, command=subcommand):
                super()._run_subcommand(subcommand)
        except UsageError:
            raise
        except BaseException as error:
            if (told := as_told(error, run=self, beats=beats)) is None:
                raise
            raise told from error

    def _has_ended(self) -> bool:
        """Return whether a run is trained and validated to its end."""
        if self.subcommand != "fit" or self.config.fit.ckpt_path is None:
            return False
        steps = self.training_found["steps"]
        is_scored = self.trainer.limit_val_batches == 0 or self.training_found["validated_at_step"] == steps
        ended_early = self.goes_on_by_itself and self.training_found.get("ended_early")
        return bool(is_scored and (ended_early or steps >= self.model.num_steps()[1]))

    @rank_zero_only
    def _check_kernels(self) -> None:
        self.model.kernels_checked = half_precision.check(
            self.trainer,
            self.model,
            self.datamodule,
            fitting=self.subcommand == "fit",
            trusted=self.config[self.subcommand].trust_kernels,
        )

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        # The line that ResultWriter prints says more than Lightning's table.
        extra = {"verbose": False} if subcommand == "test" else {}
        return {**super()._prepare_subcommand_kwargs(subcommand), "weights_only": True, **extra}

    @rank_zero_only
    def before_fit(self) -> None:
        for path in (self.run_dir / "checkpoints").glob("*.ckpt"):
            if is_partial(path.name):
                path.unlink(missing_ok=True)
                print("the run was stopped while it wrote a checkpoint: that one is lost, and removed", flush=True)
        start = self.config.fit.ckpt_path
        if start is not None and Path(start).name == "previous.ckpt":
            last = Path(start).with_name("last.ckpt")
            what = "damaged" if last.is_file() else "not there"
            print(f"{last} is {what}: going on from {start}, the one before it, which takes its place", flush=True)
            add_name(Path(start), last)
        settings = self.config[self.subcommand].clone()
        settings.ckpt_path, settings.resume = None, "auto"
        settings.run_dir = str(self.run_dir)
        settings.model.weights = self.weights_given and str(Path(self.weights_given).absolute())
        if (path := self.config.fit.ckpt_path) is not None and self.weights_given is None:
            settings.model.weights = weights_of(Path(path).parent.parent)
        for name, value in self.datamodule.catalog.settings().items():
            settings.data[name] = value  # the same files from any working folder
        parser = self._parser(self.subcommand)
        with replacing(self.run_dir / "config.yaml") as partial:
            parser.save(settings, partial, skip_unset=False, overwrite=True)
        write_json(self.run_dir / "classes.json", self.datamodule.classes)  # of any characters
        plan = self.plan_of_run()
        for sentence in self.notes_on(plan):
            warnings.warn(sentence, stacklevel=2)
        print(summary(plan), flush=True)

    def plan_of_run(self) -> Plan:
        """Return what the run is going to do."""
        start, report = self.config.fit.ckpt_path, self.model.weights_report
        if start is None:
            start = FROM_SCRATCH if report is None else "; ".join([report.summary, *report.notices])
        asked = self.config.fit.precise_bn_batches
        return plan_of(self.model, run_dir=str(self.run_dir), start=str(start), precise_bn_batches=asked)

    def notes_on(self, plan: Plan) -> list[str]:
        """Return what a user should know before the run, a sentence each: of its videos, of settings without effect."""
        precise_bn_batches = self.config.fit.precise_bn_batches
        return [*self.datamodule.doubts(), *without_effect(plan, precise_bn_batches=precise_bn_batches)]

    def after_fit(self) -> None:
        """Validate where the last steps filled no epoch, so that a run always has its best checkpoint."""
        trainer = self.trainer
        if trainer.limit_val_batches == 0 or self.model.validated_at_step == trainer.global_step:
            return
        trainer.validate(self.model, datamodule=self.datamodule, verbose=False)
        score = self.model.score
        percent = 100 * float(trainer.callback_metrics[f"val/{score}"])
        print(f"validated after the last step: {SCORES[score]} {percent:.1f} %", flush=True)

    def before_test(self) -> None:
        (self.run_dir / "result.json").unlink(missing_ok=True)
        report.before_test(self.run_dir)
        for sentence in self.datamodule.doubts_of_test():
            print(f"note: {sentence}", file=sys.stderr)

    @rank_zero_only
    def after_test(self) -> None:
        if self.config.test.report:
            report.after_test(self.run_dir)

    def predict(self, **kwargs: Any) -> None:
        """Predict, then print and write what was found."""
        if self.sliding is not None:
            paths = [] if self.sliding.live else [record.path for record in self.datamodule.predict_records()]
            slide_over(self._trained(), self.sliding, paths)
            return
        self.model.threshold = self.config[self.subcommand].threshold
        batches = self.trainer.predict(**kwargs) or []
        records = self.datamodule.predict_records()
        report_predictions(
            (prediction for batch in batches for prediction in batch),
            self.model.failures,
            paths=[record.path for record in records],
            classes=self.datamodule.classes,
            json=self.config[self.subcommand].json,
        )

    def _trained(self) -> TrainedModel:
        """Return the network of the checkpoint, on the trainer's device and in its precision."""
        settings, trainer = self.config[self.subcommand], self.trainer
        try:
            self.model.load_state_dict(self.checkpoint["state_dict"])
        except (LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"--ckpt_path {settings.ckpt_path} does not hold its weights") from error
        trained = TrainedModel(
            self.model,
            self.datamodule,
            classes=self.datamodule.classes,
            device=trainer.strategy.root_device,
            autocast=dtype_of(trainer.precision),
            allow_tf32=settings.allow_tf32,
        )
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, PreciseBatchNorm):
                callback.on_predict_start(trainer, self.model)
        return trained
