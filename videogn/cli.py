"""The command `videogn`. Light: what takes seconds to import is imported by the command that needs it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import videogn

OVERVIEW = """\
usage: videogn COMMAND [--help] ...

Train and compare I3D ResNet-50 with group normalization and batch normalization on videos.

A run:
  fit         train:            videogn fit --config i3d_gn.yaml --data.root DIR
  test        score a run:      videogn test --run_dir runs/i3d_gn
  validate    one centre view:  videogn validate --run_dir runs/i3d_gn
  predict     classify files:   videogn predict --run_dir runs/i3d_gn --videos a.mp4 folder/

An experiment:
  ablate      norms x normalisation batches x seeds, to a table and a picture:
                                videogn ablate --config ablations/motions_batch_size.yaml

Data:
  data        synthesize the built-in data set "motions": videogn data synthesize --out data/motions

Weights:
  weights     read other libraries' weights, to start from:
                                videogn weights show FILE
                                videogn weights import FILE --out X.safetensors

Networks:
  models      parameters, GFLOPs and memory of each: videogn models

fit, test, validate and predict are Lightning's trainer behind one command (LightningCLI): every setting of the model,
the data and the trainer is a flag, and `--config` names a file of them; later ones win. A bare name such as i3d_gn.yaml
finds the packaged file. `videogn COMMAND --help` says more.
"""


class UsageError(ValueError):
    """What was asked for is not possible: one line, exit status 2."""


class RunError(RuntimeError):
    """The work could not be finished: one line, exit status 1."""


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0, 1 for a failure, 2 for what can't be asked for.

    VIDEOGN_TRACEBACK=1 shows where an error came from.
    """
    words = list(sys.argv[1:] if args is None else args)
    commands: dict[str, Callable[[list[str]], int]] = {
        **dict.fromkeys(("fit", "validate", "test", "predict"), _lightning),
        "ablate": _ablate,
        "data": _data,
        "weights": _weights,
        "models": _models,
    }
    if not words or words[0] in {"-h", "--help", "help"}:
        print(OVERVIEW, end="")
        return 0 if words else 2
    if words[0] == "--version":
        print(f"videogn {videogn.__version__}")
        return 0
    if words[0] not in commands:
        print(f"videogn: error: unknown command {words[0]!r}; expected one of {', '.join(commands)}", file=sys.stderr)
        return 2
    try:
        return commands[words[0]](words)
    except (UsageError, RunError) as error:
        if os.environ.get("VIDEOGN_TRACEBACK"):
            traceback.print_exc()
        print(f"videogn {words[0]}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def find_config(name: str) -> str:
    """The config file of a name: a path as it is, else the packaged file of that name.

    Raises:
        UsageError: There is neither; says which packaged ones there are.
    """
    if Path(name).is_file():
        return name
    here = Path(__file__).parent
    for folder in (here / "configs", here.parent / "configs"):
        if (folder / name).is_file():
            return str(folder / name)
        if folder.is_dir():
            packaged = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml"))
            raise UsageError(f"--config {name}: no such file, and no packaged one of that name: {', '.join(packaged)}")
    raise UsageError(f"--config {name}: no such file")


def resolve_configs(words: Sequence[str]) -> list[str]:
    """The words with every name behind --config (or -c, --config=) replaced by a path."""
    resolved: list[str] = []
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if place and words[place - 1] in {"--config", "-c"}:
            resolved.append(find_config(word))
        elif equals and flag in {"--config", "-c"}:
            resolved.append(f"{flag}={find_config(value)}")
        else:
            resolved.append(word)
    return resolved


def _lightning(words: list[str]) -> int:
    from videogn.trainer_cli import run

    return run(words)


def _ablate(words: list[str]) -> int:
    from jsonargparse import ArgumentParser

    from videogn.ablation import Study, describe_cells, print_plan, run_study

    class Parser(ArgumentParser):
        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            raise UsageError(message) from ex

    parser = Parser(
        prog="videogn ablate",
        description="Runs norms x normalisation batches x seeds, each cell as a `videogn fit` and a `videogn test` of "
        "its own, and makes a table, a CSV, a Markdown report and a picture. Run again, it goes on where it stopped.",
    )
    parser.add_argument("--config", "-c", action="config", help="The study: a YAML file of the settings below.")
    parser.add_class_arguments(Study, None)
    parser.add_argument("--out", type=str | None, default=None, help="Folder of the study (default: studies/NAME).")
    parser.add_argument("--dry_run", action="store_true", help="Print the cells and their commands; run nothing.")
    config = parser.parse_args(resolve_configs(words[1:]))
    values = {name: value for name, value in config.as_dict().items() if name not in {"config", "out", "dry_run"}}
    names = [Path(str(path)).stem for path in config.config or []]
    out = Path(config.out or Path("studies") / (names[-1] if names else "ablation"))
    try:
        study = Study(**values)
        find_config(study.base)
        if config.dry_run:
            print_plan(describe_cells(study, out))
            return 0
        return 1 if run_study(study, out) else 0
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(str(error)) from error
    except KeyboardInterrupt:
        return 130


def _weights(words: list[str]) -> int:
    from videogn.weights_cli import run

    return run(words)


def _models(words: list[str]) -> int:
    from videogn.models_cli import run

    try:
        return run(words)
    except OSError as error:
        raise RunError(str(error)) from error


def _data(words: list[str]) -> int:
    from videogn.data.motions import NUM_TRAIN, NUM_VAL, synthesize

    parser = CommandParser(prog="videogn data", description="Makes data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    synthesize_parser = commands.add_parser(
        "synthesize",
        help="make the data set 'motions'",
        description="Makes 'motions': short H.264 videos of textured shapes whose motion is the class (8 classes) and "
        "whose appearance says nothing. The same seed gives the same videos. An existing folder is left alone.",
    )
    synthesize_parser.add_argument("--out", default="data/motions", help="folder to make (default: %(default)s)")
    synthesize_parser.add_argument("--num_train", type=int, default=NUM_TRAIN, help="training videos (%(default)s)")
    synthesize_parser.add_argument("--num_val", type=int, default=NUM_VAL, help="validation videos (%(default)s)")
    synthesize_parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    synthesize_parser.add_argument("--num_workers", type=int, default=None, help="processes (default: one a core)")
    given = parser.parse_args(words[1:])

    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("videos", total=given.num_train + given.num_val)
        try:
            synthesize(
                Path(given.out),
                num_train=given.num_train,
                num_val=given.num_val,
                seed=given.seed,
                num_workers=given.num_workers,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
    print(f"{given.out}: {given.num_train} training and {given.num_val} validation videos")
    return 0
