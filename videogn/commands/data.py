"""videogn data: data sets that videogn makes, of nothing or of other videos."""

from __future__ import annotations

from importlib import import_module

from videogn.commands.usage import CommandParser

# Each has a file data_NAME.py with `run(words) -> exit status`.
COMMANDS = {
    "synthesize": "make the data set 'motions'",
    "split": "lists for training, validation and test, of one folder or one list",
    "check": "what would stop a run or distort it, before it is begun",
    "prepare": "copy a data set into files that are cheap to read at random",
}
EPILOG = """\
  videogn data synthesize --out data/motions
  videogn data split DIR
  videogn data check DIR --config i3d_gn.yaml
  videogn data prepare --root data/kinetics400 --out data/kinetics400_320

`videogn data COMMAND --help` says more.
"""


def run(words: list[str]) -> int:
    """Run `data ...`; return the exit status.

    Raises:
        UsageError: What can't be asked for.
        RunError: The work could not be finished.
    """
    parser = CommandParser(prog="videogn data", description="Makes data sets.", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text)
    name = parser.parse_args(words[1:2]).command
    status: int = import_module(f"videogn.commands.data_{name}").run(words[1:])
    return status
