"""The command `videogn`. Light: what takes seconds to import is imported by the command that needs it."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import videogn
from videogn.commands.usage import RunAgain, RunError, UsageError, until_nobody_reads
from videogn.files import ODD_NAMES

# Command -> the file of its `run(words) -> exit status`.
COMMANDS = {
    **dict.fromkeys(("fit", "validate", "test", "predict"), "trainer"),
    "plan": "plan",
    "fits": "fits",
    "doctor": "doctor",
    "features": "features",
    "gradcam": "gradcam",
    "export": "export",
    "report": "report",
    "ablate": "ablate",
    "data": "data",
    "weights": "weights",
    "models": "models",
    "bench": "bench",
}
OVERVIEW = """\
usage: videogn COMMAND [--help] ...

Train and compare I3D ResNet-50 with group normalization and batch normalization on videos.

A run:
  fit         train:            videogn fit --config i3d_gn.yaml --data.root DIR
  test        score a run:      videogn test --run_dir runs/i3d_gn
  validate    one centre view:  videogn validate --run_dir runs/i3d_gn
  plan        what fit would do, how long it would take, in how much memory:
                                videogn plan --config i3d_gn.yaml --data.root DIR --measure
  fits        which device batch fits into a GPU's memory, without a GPU:
                                videogn fits --config i3d_gn.yaml --memory 24GB
  doctor      what can be known in ten minutes, before a day is spent:
                                videogn doctor --config own_videos.yaml --data.root DIR
  report      a page on what it learned and where it is wrong:
                                videogn report runs/i3d_gn
  predict     classify files:   videogn predict --run_dir runs/i3d_gn --videos a.mp4 folder/
              when, in long ones:
                                videogn predict --run_dir runs/i3d_gn --videos long.mp4 --every_seconds 1
  features    what a layer says of files, to search or to train on:
                                videogn features runs/i3d_gn --videos folder/ --out features.safetensors
  gradcam     what in a video the network looks at, as a strip and a video:
                                videogn gradcam runs/i3d_gn --videos a.mp4 --out heat
  export      a program that needs no videogn (torch.export, ONNX):
                                videogn export runs/i3d_gn --out i3d_gn.pt2

An experiment:
  ablate      any settings x seeds, side by side here or on a cluster, to a report:
                                videogn ablate --config ablations/motions_demo.yaml

Data:
  data        synthesize the built-in data set "motions": videogn data synthesize --out data/motions
              lists for training, validation and test:
                                videogn data split DIR
              what would stop a run or distort it, before it is begun:
                                videogn data check DIR --config i3d_gn.yaml
              copy videos into files that are cheap to read at random:
                                videogn data prepare --root DIR --out DIR

Weights:
  weights     read other libraries' weights, to start from:
                                videogn weights show FILE
                                videogn weights import FILE --out X.safetensors

Networks:
  models      parameters, GFLOPs and memory of each: videogn models

Speed:
  bench       beside other libraries, how fast clips are read: videogn bench data DIR
              and networks computed:                            videogn bench model

fit, test, validate and predict are Lightning's trainer behind one command (LightningCLI): every setting of the model,
the data and the trainer is a flag, and `--config` names a file of them; later ones win. A bare name such as i3d_gn.yaml
finds the packaged file. `videogn COMMAND --help` says more.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0; 1 for a failure, 3 where memory did not suffice, 4 for a loss that is not finite; 2 for what can't be asked for;
    75 where a signal ended a training, which the same command goes on with.

    VIDEOGN_TRACEBACK=1 shows where an error came from.
    """
    if args is None and sys.argv[1:2] and COMMANDS.get(sys.argv[1]) == "trainer":
        return _told_to_end_at_any_time(sys.argv[1:])
    words = list(sys.argv[1:] if args is None else args)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(OVERVIEW, end="")
        return 0 if words else 2
    if words[0] == "--version":
        print(f"videogn {videogn.__version__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"videogn: error: unknown command {words[0]!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may hold what the terminal's encoding does not
            stream.reconfigure(errors=ODD_NAMES)
    try:
        run: Callable[[list[str]], int] = import_module(f"videogn.commands.{COMMANDS[words[0]]}").run
        with until_nobody_reads():
            return run(words)
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print(f"videogn {words[0]}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except (UsageError, RunError) as error:
        if os.environ.get("VIDEOGN_TRACEBACK"):
            traceback.print_exc()
        print(f"videogn {words[0]}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.status


def _told_to_end_at_any_time(words: list[str]) -> int:
    """Run a command that a signal may end also while it is imported (seconds), and when it is over."""
    status = None

    def leave(number: int, frame: object) -> None:
        if status is None:
            os.write(2, f"videogn {words[0]}: error: told to end, before anything was begun; run it again\n".encode())
        os._exit(RunAgain.status if status is None else status)

    for number in (signal.SIGTERM, signal.SIGUSR1):  # the work itself has its own answer; see training/stopping.py
        signal.signal(number, leave)
    status = main(words)
    sys.stdout.flush()
    return status


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    print(f"videogn: warning: {' '.join(str(message).split())}", file=sys.stderr)
