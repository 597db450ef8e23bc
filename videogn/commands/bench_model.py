"""videogn bench model: how fast networks compute, by norm and by how they are run."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict
from importlib.metadata import version
from itertools import product
from typing import Any

from videogn.commands.usage import UsageError, check_json, save_json, table_console
from videogn.norms import NORMS

DESCRIPTION = """\
Measures how fast networks compute on this machine, without videos: a forward, and a training step (forward, backward,
SGD), by norm, precision, memory format and device batch, eager or compiled.

  videogn bench model
  videogn bench model --norms gn bn --batch_sizes 8 16 --precision 32-true bf16-mixed --json model.json

Beside them run the same network with nn.GroupNorm, which CUDA's autocast runs in float32, and PyTorchVideo's I3D with
its BN, as it comes, with our weights; all have its layout, so that they compute the same (--layout nonlocal: the
paper's, without it).

All networks of a mode take turns, in another order each round, after a first round that is not counted. Times are
medians over rounds; ratios are medians of the rounds' ratios to bn's step. "off" is how far a network's output is from
that of the same weights in float32: rounding to bf16 makes about 1 % of a whole network. A kernel that is wrong shows
there (see also --trust_kernels of `videogn fit --help`).

The defaults are the paper's clips on a GPU, and small ones on a CPU.
"""


def add_parser(commands: Any) -> None:
    """Add `model` to the parsers of `videogn bench`."""
    parser = commands.add_parser("model", help="how fast networks compute", description=DESCRIPTION)
    parser.add_argument(
        "--norms", nargs="+", default=["gn", "bn"], metavar="NORM", help=f"of {', '.join(NORMS)} (gn bn)"
    )
    parser.add_argument("--precision", nargs="+", help="32-true, bf16-mixed, 16-mixed (GPU: bf16-mixed; CPU: 32-true)")
    parser.add_argument("--batch_sizes", nargs="+", type=int, help="clips of a forward (GPU: 8; CPU: 2)")
    parser.add_argument("--contiguous", action="store_true", help="also in contiguous memory, not channels last alone")
    parser.add_argument("--compile", action="store_true", help="also by torch.compile (minutes, before it is measured)")
    parser.add_argument("--alone", action="store_true", help="without nn.GroupNorm and PyTorchVideo")
    parser.add_argument("--network", default="i3d", help="i3d or c3d (%(default)s)")
    parser.add_argument("--layout", help="i3d: slowfast or nonlocal (slowfast)")
    parser.add_argument("--depth", type=int, help="i3d: 14, 26, 50 or 101 (50)")
    parser.add_argument("--width", type=int, default=64, help="channels of the first convolution (%(default)s)")
    parser.add_argument("--num_frames", type=int, help="frames of a clip (GPU: 32; CPU: 8; c3d: 16)")
    parser.add_argument("--crop_size", type=int, help="height and width of a clip in px (GPU: 224; CPU: 96; c3d: 112)")
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long to measure (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures to this file")


def run(given: argparse.Namespace) -> int:
    """Run `bench model ...`; return the exit status.

    Raises:
        UsageError: A setting that is not possible.
        RunError: The file that --json names can't be written.
    """
    check_json(given.json)
    if unknown := set(given.norms) - set(NORMS):
        raise UsageError(f"--norms {', '.join(sorted(unknown))}: expected some of {', '.join(NORMS)}")
    if min(given.batch_sizes or [1]) < 1 or given.seconds <= 0:
        raise UsageError("--batch_sizes and --seconds must be positive")
    import torch

    from videogn.models.build import build_network
    from videogn.tools.bench.networks import Mode, measure
    from videogn.training.device import device_name, dtype_of

    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    precisions = given.precision or ["bf16-mixed" if gpu else "32-true"]
    for precision in precisions:
        if precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise UsageError(f"--precision {precision}: expected some of 32-true, bf16-mixed, 16-mixed")
    is_i3d = given.network == "i3d"
    num_frames, crop_size = (16, 112) if not is_i3d else (32, 224) if gpu else (8, 96)
    network = {
        "network": given.network,
        "num_frames": given.num_frames or num_frames,
        "crop_size": given.crop_size or crop_size,
        "width": given.width,
        "layout": "slowfast" if is_i3d and given.layout is None else given.layout,
        "depth": 50 if is_i3d and given.depth is None else given.depth,
    }
    try:
        with torch.device("meta"):
            build_network(norm="none", **network)
    except ValueError as error:
        raise UsageError(str(error)) from error
    modes = [
        Mode(clips, dtype_of(precision), channels_last, compiled)
        for clips, precision, channels_last, compiled in product(
            given.batch_sizes or [8 if gpu else 2],
            precisions,
            [True, False] if given.contiguous else [True],
            [False, True] if given.compile else [False],
        )
    ]
    rows = measure(
        given.norms,
        modes,
        device=device,
        **network,
        seconds=given.seconds,
        alone=given.alone,
        on_mode=lambda mode: print(f"measuring: {mode}", flush=True),
    )
    figures = {
        "network": network,
        "device": device_name(device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "cudnn": torch.backends.cudnn.version(),
            "pytorchvideo": version("pytorchvideo"),
        },
        "threads": None if gpu else torch.get_num_threads(),
        "rows": [{**asdict(row), "mode": str(row.mode)} for row in rows],
    }
    _print(figures)
    if given.json is not None:
        save_json(given.json, figures)
        print(f"written: {given.json}")
    return 0


def _print(figures: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("mode", "network", "forward ms", "step ms", "clips/s", "by bn's", "off", "GPU memory")
    for row in figures["rows"]:
        table.add_row(
            row["mode"],
            row["name"],
            _figure(row["forward_seconds"], 1e3, ".1f"),
            _figure(row["step_seconds"], 1e3, ".1f"),
            _figure(row["clips_per_second"], 1, ".1f"),
            _figure(row["ratio"], 1, ".2f"),
            _figure(row["output_error"], 100, ".2g", " %"),
            _figure(row["peak_bytes"], 2**-30, ".2f", " GiB"),
        )
    table_console().print(table)
    for row in figures["rows"]:
        if row["error"]:
            print(f"{row['mode']}, {row['name']}: {row['error']}")
    network, threads = figures["network"], figures["threads"]
    own = f", depth {network['depth']}, layout {network['layout']}" if network["network"] == "i3d" else ""
    print(
        f"{network['network']}, {network['num_frames']} frames of {network['crop_size']} px{own}; {figures['device']}"
        f"{f', {threads} threads' if threads else ''}; "
        + ", ".join(f"{name} {value}" for name, value in figures["versions"].items() if value is not None)
    )


def _figure(value: float | None, factor: float, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value * factor:{form}}{unit}"
