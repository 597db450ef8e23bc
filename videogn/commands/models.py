"""videogn models: the networks and what they cost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from videogn.commands.usage import CommandParser, UsageError, check_json, save_json, table_console
from videogn.norms import NORMS

DESCRIPTION = """\
Lists the networks and what each costs: parameters, multiply-adds of one test view, and the memory that training keeps
for one clip. Nothing is computed for it: shapes are enough. With any flag, describes that one network instead:

  videogn models
  videogn models --norm gn --num_frames 64 --nonlocal_blocks
  videogn models --layout image --num_classes 1000
  videogn models --network c3d --norm bn

GFLOPs are multiply-adds in 10^9, counted as PyTorchVideo's zoo counts them (its I3D R50 8x8: 37.53, its C2D: 25.89).
Memory is of activations in float32, one clip at the training crop; parameters, gradients and momentum come to 12 bytes
a parameter besides. bf16-mixed halves most of it. `videogn fits` says which device batch fits into a GPU.
"""


@dataclass(frozen=True)
class Network:
    """A row: what to build, on which clips."""

    name: str
    num_frames: int
    crop_size: int
    view_size: int
    settings: dict[str, Any] = field(default_factory=dict)


STANDARD = (
    Network("I3D R50 32x2 (the paper's)", 32, 224, 256),
    Network("I3D R50 64x1 (the paper's)", 64, 224, 256),
    Network("I3D R50 32x2, 5 non-local blocks", 32, 224, 256, {"nonlocal_blocks": True}),
    Network("I3D R101 32x2", 32, 224, 256, {"depth": 101}),
    Network("C2D R50 32x2", 32, 224, 256, {"temporal_convs": False}),
    Network("I3D R50 8x8 (PyTorchVideo's)", 8, 224, 256, {"layout": "slowfast"}),
    Network("C2D R50 8x8 (PyTorchVideo's)", 8, 224, 256, {"layout": "slowfast", "temporal_convs": False}),
    Network("ResNet-50, images", 1, 224, 224, {"layout": "image", "num_classes": 1000}),
    Network("C3D", 16, 112, 112, {"network": "c3d"}),
)


def run(words: Sequence[str]) -> int:
    """Run `models ...`; return the exit status.

    Raises:
        UsageError: A network that can't be built, or a --json that can't be written.
        RunError: The file can't be written.
    """
    parser = CommandParser(prog="videogn models", description=DESCRIPTION)
    *names, last = NORMS
    parser.add_argument("--norm", help=f"{', '.join(names)} or {last}: see fit --help (default: gn)")
    parser.add_argument("--network", help="i3d or c3d (default: i3d)")
    parser.add_argument("--layout", help="i3d: nonlocal, slowfast or image (default: nonlocal)")
    parser.add_argument("--depth", type=int, help="i3d: 14, 26, 50 or 101 (default: 50)")
    parser.add_argument("--width", type=int, help="channels of the first convolution (default: 64)")
    parser.add_argument("--num_groups", type=int, help="gn: groups per layer (default: 32)")
    parser.add_argument("--channels_per_group", type=int, help="gn: instead of num_groups")
    parser.add_argument("--weight_standardization", action="store_true", default=None, help="of the convolutions")
    parser.add_argument("--num_classes", type=int, help="(default: 400)")
    parser.add_argument("--temporal_convs", type=_boolean, help="i3d; false: C2D (default: true)")
    parser.add_argument("--nonlocal_blocks", action="store_true", default=None, help="i3d: with them")
    parser.add_argument("--num_frames", type=int, help="frames of a clip (default: 32; c3d: 16; image: 1)")
    parser.add_argument(
        "--crop_size", type=int, help="height and width of a training clip in px (default: 224; c3d: 112)"
    )
    parser.add_argument(
        "--view_size",
        type=int,
        help="of a test view (default: 256, or the training clip's if larger; c3d, image: the training clip's)",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    given = {name: value for name, value in vars(parser.parse_args(words[1:])).items() if value is not None}
    target = given.pop("json", None)
    check_json(target)
    networks = [_network(given)] if given else STANDARD
    try:
        rows = [_row(network) for network in networks]
    except ValueError as error:
        raise UsageError(str(error)) from error
    _print(rows)
    if target is not None:
        save_json(target, rows, ensure_ascii=True)
        print(f"written: {target}")
    return 0


def _boolean(word: str) -> bool:
    if word not in {"true", "false"}:
        raise argparse.ArgumentTypeError(f"{word!r}; expected true or false")
    return word == "true"


def _network(given: dict[str, Any]) -> Network:
    is_image, is_c3d = given.get("layout") == "image", given.get("network") == "c3d"
    num_frames = given.pop("num_frames", 16 if is_c3d else 1 if is_image else 32)
    crop_size = given.pop("crop_size", 112 if is_c3d else 224)
    view_size = given.pop("view_size", crop_size if is_image or is_c3d else max(256, crop_size))
    norm = given.get("norm", "gn")
    name = f"{norm}, depth {given.get('depth', 50)}, layout {given.get('layout', 'nonlocal')}"
    name = f"C3D, {norm}, width {given.get('width', 64)}" if is_c3d else name
    return Network(name, num_frames, crop_size, view_size, given)


def _row(network: Network) -> dict[str, Any]:
    from videogn.models.build import build_network
    from videogn.models.summary import cost

    found = cost(
        lambda: build_network(num_frames=network.num_frames, crop_size=network.crop_size, **network.settings),
        num_frames=network.num_frames,
        crop_size=network.crop_size,
        view_size=network.view_size,
    )
    return {**asdict(network), **asdict(found)}


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("network", "frames", "clip, view px", "parameters", "norms", "GFLOPs a view", "memory a clip")
    for row in rows:
        table.add_row(
            row["name"],
            str(row["num_frames"]),
            f"{row['crop_size']}, {row['view_size']}",
            f"{row['num_parameters'] / 1e6:.2f} M",
            str(row["num_norms"]),
            f"{row['gflops']:.2f}",
            f"{row['activation_bytes'] / 2**20:.0f} MiB",
        )
    table_console().print(table)
