"""What can be said to fit, validate, test and predict: LightningCLI's flags, the root settings, and their help."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, Literal, NoReturn

from jsonargparse import ActionYesNo, DefaultHelpFormatter
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from videogn.commands.configs import check_all_yaml
from videogn.commands.refusals import in_words
from videogn.commands.usage import UsageError, in_a_line
from videogn.data.datamodule import KineticsDataModule
from videogn.settings_file import check_numbers
from videogn.training.module import VideoClassifier

DESCRIPTIONS = {
    "fit": "Trains an I3D on labelled videos. Writes config.yaml, metrics.csv, TensorBoard events and checkpoints to "
    "--run_dir. The same command goes on with a run that was stopped, where it was, to the same numbers; `--run_dir "
    "DIR` alone does, too, with the run's own settings. Only its length, device batch, devices and what changes no "
    "number may be others. Told to end by SIGTERM or SIGUSR1, it saves and leaves with exit status 75: run it again.",
    "validate": "Scores a run's last checkpoint on the validation videos by one centre view each.",
    "test": "Scores a run's last checkpoint on the test videos under --data.protocol (10x3: 10 clips x 3 crops). "
    "Writes result.json, per_class.csv and videos.csv to --run_dir, and a page on the run to report/ in it. The run's "
    "own config.yaml is used unless --config is given. `--ckpt_path best` takes that of the best validation: where the "
    "same videos validate and test, its accuracy is too high, and the result says so.",
    "predict": "Names the five most probable classes of video files and folders, by a run's last checkpoint (or "
    "`--ckpt_path best`); of a run of several labels a video, by --threshold P, those of a probability of P or more. "
    "With --every_seconds, a window slides over each video: when which class is seen, in memory that does not grow "
    "with the video. A video may also come by a pipe (`ffmpeg ... -f matroska - | videogn predict --run_dir DIR "
    "--videos -`) or from a camera: Ctrl-C ends it, and writes what was found.",
}

# What Lightning and jsonargparse raise for values of kinds that they do not look at.
ODD = (TypeError, AttributeError, LookupError, RecursionError, OSError, ArithmeticError, MemoryError)

USAGE = "videogn {} --config FILE [--SETTING VALUE ...]"


class Parser(LightningArgumentParser):
    """Says what is wrong in one line."""

    def parse_args(self, *given: Any, **named: Any) -> Any:
        try:
            found = super().parse_args(*given, **named)
        except UsageError:
            raise
        except (*ODD, ValueError) as error:
            raise UsageError(f"a setting can't be read: {in_a_line(error)}") from error
        try:
            check_numbers(found.as_dict())
        except ValueError as error:
            raise UsageError(str(error)) from error
        return found

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError(in_words(" ".join(message.split()))) from ex


class HelpFormatter(DefaultHelpFormatter):
    """Gives each item of a list `name: ...; name: ...` a line of its own."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        items = re.split(r"(?<=;)\s+(?=(?!default)\w+: )", text)
        return [line for item in items for line in super(HelpFormatter, self)._split_lines(item, width)]


class TrainerArguments(LightningCLI):
    """LightningCLI over VideoClassifier and KineticsDataModule."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        check_all_yaml()
        super().__init__(
            VideoClassifier,
            KineticsDataModule,
            args=list(words),
            parser_class=Parser,
            parser_kwargs={
                "allow_abbrev": False,
                "formatter_class": HelpFormatter,
                **{
                    name: {"description": text, "allow_abbrev": False, "usage": USAGE.format(name)}
                    for name, text in DESCRIPTIONS.items()
                },
            },
            save_config_callback=None,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        given_by_us = {"model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
        unused = {"verbose", "weights_only", "return_predictions"}
        return dict.fromkeys(DESCRIPTIONS, given_by_us | unused)

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--seed_everything", type=int, default=0, help="Seed of weights, order and augmentation.")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--total_batch_size",
            type=int | None,
            default=None,
            help="Clips per optimiser step over all devices and accumulated forwards; the learning rate scales with "
            "it. Accumulation follows from it: it must be a multiple of data.batch_size x devices. "
            "Default: data.batch_size x devices x trainer.accumulate_grad_batches.",
        )
        parser.add_argument(
            "--run_dir", type=str | None, default=None, help="Folder of the run (default: runs/NAME of the config)."
        )
        parser.add_argument(
            "--checkpoint_every",
            type=int | str,
            default="15min",
            help="fit: how often last.ckpt is saved within an epoch: after so many updates (500), or so long (30s, "
            "15min, 2h). It is saved after every epoch in any case, and changes no number. 0: not within an epoch.",
        )
        parser.add_argument(
            "--resume",
            type=Literal["auto", "never"],
            default="auto",
            help="fit: where --run_dir holds a run of these settings, go on with it (auto), or refuse (never).",
        )
        parser.add_argument(
            "--precise_bn_batches",
            type=int,
            default=0,
            help="bn, sync_bn: re-estimate running statistics from this many total batches of training clips before "
            "each validation and checkpoint (the paper's code: 200), or from an epoch if that is less. test, validate "
            "and predict re-estimate them where another number is asked for than the checkpoint has. 0: leave them. "
            "brn's are part of its training and left alone; other norms have none.",
        )
        parser.add_argument(
            "--trust_kernels",
            action=ActionYesNo,
            default=False,
            help="In half precision, do not hold each layer of the network, as the device computes it, against float32 "
            "before the work (once on a machine, in seconds). The result says so.",
        )
        parser.add_argument(
            "--allow_tf32",
            action=ActionYesNo,
            default=True,
            help="In 32-true, let NVIDIA GPUs from Ampere on multiply in TF32: float32 numbers with 10 bits, several "
            "times as fast. torch itself does so for convolutions. The result says so.",
        )
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("data.multi_label", "model.multi_label")
        parser.link_arguments("data.num_frames", "model.num_frames")
        parser.link_arguments("data.crop_size", "model.crop_size")
        parser.link_arguments("data.batch_size", "model.device_batch_size")
        parser.link_arguments("seed_everything", "data.seed")

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "test":
            parser.add_argument(
                "--report",
                action=ActionYesNo,
                default=True,
                help="Write a page on the run to RUN/report, as `videogn report` does.",
            )
        if subcommand == "predict":
            parser.add_argument(
                "--videos",
                nargs="+",
                type=str,
                default=[],
                help="Video files and folders of them; or - alone, for one that comes by standard input.",
            )
            parser.add_argument(
                "--json", type=str | None, default=None, help="Also write the predictions to this file."
            )
            add_sliding(parser)
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        with warnings.catch_warnings():
            # We hand over sys.argv with config names resolved: both are there, on purpose.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Do nothing: a checkpoint's settings never override the command line; what differs is refused later."""

    def _set_seed(self) -> None:
        seed = self._get(self.config, "seed_everything")
        if not 0 <= seed < 2**32:
            raise UsageError(f"seed_everything is {seed}; expected 0 to {2**32 - 1}")
        super()._set_seed()


def add_sliding(parser: LightningArgumentParser) -> None:
    """Add what predict takes of a window that slides."""
    parser.add_argument(
        "--every_seconds",
        type=float | None,
        default=None,
        help="Score a clip every so many seconds of a video of any length, with its start and end, instead of the "
        "video as a whole: a window of data.num_frames x data.frame_interval slides over it, with the crops of "
        "data.protocol. Default: off; 1 for a camera and standard input.",
    )
    parser.add_argument(
        "--threshold",
        type=float | None,
        default=None,
        help="Probability from which on a class is seen: its windows are merged to segments (default: 0.5). Of a run "
        "of several labels a video (data.multi_label), also without --every_seconds: a video is given all classes of "
        "this probability or more, be they many or none (default: the five most probable).",
    )
    parser.add_argument(
        "--csv",
        type=str | None,
        default=None,
        help="Write a row for each window, with all classes, to this file: of a camera or standard input at once.",
    )
    parser.add_argument(
        "--timeline",
        type=str | None,
        default=None,
        help="Draw the classes of one video over time: FILE.png, and FILE.svg beside it.",
    )
    parser.add_argument(
        "--overlay",
        type=str | None,
        default=None,
        help="Write a copy of one video with the classes in the picture and its own sound: FILE.mp4, .mkv or .mov.",
    )
    parser.add_argument(
        "--camera",
        type=str | None,
        default=None,
        help="Instead of --videos: a camera, such as 0 or /dev/video0; on Windows its name. A line for each window, "
        "until Ctrl-C.",
    )


class Settings(TrainerArguments):
    """The settings of a command line, with their defaults, in `config`; nothing is made of them."""

    def _set_seed(self) -> None:
        """Do nothing."""

    def instantiate_classes(self) -> None:
        """Do nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Do nothing."""
