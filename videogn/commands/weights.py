"""`videogn weights`: what is in a weights file, and what of it goes where."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videogn.commands.usage import CommandParser, UsageError, check_json, save_json
from videogn.models.weights import WeightsError
from videogn.models.weights.formats import KINDS
from videogn.norms import DEFAULT_NUM_GROUPS, NORMS

if TYPE_CHECKING:
    from videogn.models.weights import Weights

DESCRIPTION = """\
Reads the weights of other libraries for videogn's networks.

`show` says what a file is: its kind, norm, depth, classes, and which of its tensors goes where. `import` writes the
same tensors under videogn's names. A run takes either kind of file directly:

  videogn fit --config i3d_gn.yaml --model.weights FILE

and inflates 2-D kernels over time then (a kernel of t frames is the 2-D kernel, t times, divided by t). Nothing in a
file is executed: a pickle that wants anything but arrays is refused. What kind of file it is, its tensors' names say;
whether its norms are batch or group norms, its running statistics do, and one is not loaded into the other. A head of
another class count is left out, with a notice; any other difference in shape is an error. The layout (strides and
pools) that a Caffe2 file was trained in is told by a config that is saved in it, or by the name of its release.
"""
OWN_KIND = (
    "videogn",
    "a run's checkpoints (runs/NAME/checkpoints/best.ckpt) and what `import` writes, of any norm",
)
TERMINAL_FREE_WIDTH = 240  # a file or a pipe: nothing is cut


def run(words: list[str]) -> int:
    """Run `videogn weights show|import ...`; return the exit status.

    Raises:
        UsageError: Bad arguments, or a file that is refused.
        RunError: The file that --json names can't be written.
    """
    given = _parser().parse_args(words[1:])
    from videogn.models.weights import read_weights, write_safetensors

    out: str | None = getattr(given, "out", None)
    if given.json and Path(given.json).absolute() in {Path(each).absolute() for each in (given.file, out) if each}:
        raise UsageError(f"--json {given.json} is the weights file: name another")
    check_json(given.json)
    if out is not None and Path(out).suffix != ".safetensors":
        raise UsageError(f"--out {out}: expected a name that ends in .safetensors")
    if out is not None and Path(out).exists():
        raise UsageError(f"--out {out} exists: remove it, or name another file")
    try:
        weights = read_weights(given.file)
        if out is not None:
            write_safetensors(weights, out)
    except WeightsError as error:
        raise UsageError(str(error)) from error
    _print(weights)
    if given.json is not None:
        tensors = {"tensors": [asdict(row) for row in weights.rows], "unused": list(weights.unused)}
        save_json(given.json, {**_about(weights), "out": out, **tensors}, ensure_ascii=True)
    if out is not None:
        # File names go out as they are, at any width: they are there to be copied.
        print(f"\nwritten: {out}\nuse it:  {_command(weights, out)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    kinds = [(kind.name, kind.where) for kind in KINDS] + [OWN_KIND]
    listing = "\n".join(f"  {name}\n{textwrap.fill(where, 112, **_INDENT)}" for name, where in kinds)
    parser = CommandParser(
        prog="videogn weights",
        description=DESCRIPTION,
        epilog=f"Known kinds, and where people get them:\n\n{listing}\n",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="show|import")
    show = commands.add_parser("show", help="what a file is, and which of its tensors goes where")
    importer = commands.add_parser("import", help="the same, and write it as a safetensors file of videogn's")
    for each, what in ((show, "Says what a weights file is."), (importer, "Writes weights under videogn's names.")):
        each.description = f"{what} `videogn weights --help` lists the known kinds."
        each.add_argument("file", metavar="FILE", help="the weights: .pth, .pyth, .pkl, .ckpt, .safetensors, ...")
        each.add_argument("--json", metavar="FILE", help="also write the table as JSON")
    importer.add_argument("--out", required=True, metavar="X.safetensors", help="file to write; must not exist")
    return parser


_INDENT: dict[str, Any] = {"initial_indent": "      ", "subsequent_indent": "      "}


def _command(weights: Weights, path: str) -> str:
    """Return the command that starts a video network from the weights."""
    from videogn.models.weights.origin import OTHER

    anatomy = weights.anatomy
    config, norm = ("i3d_bn.yaml", "bn") if NORMS[weights.norm].keeps_statistics else ("i3d_gn.yaml", "gn")
    flags: dict[str, Any] = {}
    if weights.norm != norm:
        flags["norm"] = weights.norm
    if weights.channels_per_group is not None:
        flags["channels_per_group"] = weights.channels_per_group
    elif weights.num_groups not in (None, DEFAULT_NUM_GROUPS):
        flags["num_groups"] = weights.num_groups
    if weights.weight_standardization:
        flags["weight_standardization"] = "true"
    if weights.input != "rgb":
        flags["input"] = weights.input
    if anatomy.depth != 50:
        flags["depth"] = anatomy.depth
    if anatomy.width != 64:
        flags["width"] = anatomy.width
    if weights.layout in ("slowfast", OTHER):  # of the two, slowfast comes closest to the others
        flags["layout"] = "slowfast"
    if anatomy.two_d and weights.layout != "image":
        flags["temporal_convs"] = "false"
    if any(".nonlocal_blocks." in name for name in weights.tensors):
        flags["nonlocal_blocks"] = "true"
    words = [f"videogn fit --config {config}", *(f"--model.{name} {value}" for name, value in flags.items())]
    return " ".join([*words, f"--model.weights {shlex.quote(path)}"])


def _print(weights: Weights) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = TERMINAL_FREE_WIDTH
    table = Table("in the file", "here", "shape", "note")
    for row in weights.rows:
        shape = " x ".join(map(str, row.shape))
        cells = (_printable(row.source), row.name, shape, row.note)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    console.print(table)
    about = _about(weights)
    classes = "none" if about["num_classes"] is None else f"{about['num_classes']} classes"
    lines = {
        "file": f"{weights.path}  (sha256 {weights.sha256})",
        "kind": weights.kind,
        "norm": weights.norm_words,
        "network": weights.network_words,
        "layout": _printable(weights.layout_words),
        "head": classes,
        "tensors": f"{len(weights.rows)} used, {len(weights.unused)} not used",
    }
    for name, line in lines.items():
        console.print(Text(f"{name + ':':<9}{line}", overflow="fold"))
    for name, count in _grouped(weights.unused):
        console.print(
            Text(f"  not used: {_printable(name)}" + (f" ({count} of them)" if count > 1 else ""), overflow="fold")
        )


def _printable(name: str) -> str:
    """Return a name of the file without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def _grouped(names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return names with how many there are; those of momenta and of counts are put together."""
    endings = (".num_batches_tracked", "_momentum")
    found = Counter(next((f"*{ending}" for ending in endings if name.endswith(ending)), name) for name in names)
    return list(found.items())


def _about(weights: Weights) -> dict[str, Any]:
    anatomy = weights.anatomy
    return {
        "file": weights.path,
        "sha256": weights.sha256,
        "kind": weights.kind,
        "norm": weights.norm,
        "num_groups": weights.num_groups,
        "channels_per_group": weights.channels_per_group,
        "weight_standardization": weights.weight_standardization,
        "input": weights.input,
        "layout": weights.layout,
        "layout_words": weights.layout_words,
        "depth": anatomy.depth,
        "width": anatomy.width,
        "num_classes": anatomy.num_classes,
        "dimensions": 2 if anatomy.two_d else 3,
    }
