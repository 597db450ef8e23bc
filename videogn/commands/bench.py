"""`videogn bench`: how fast clips are read, and networks computed, beside other libraries."""

from __future__ import annotations

import argparse
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videogn.commands import bench_model
from videogn.commands.bench_tables import print_tables
from videogn.commands.usage import CommandParser, RunError, UsageError, check_json, save_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from videogn.data.decoding import PacketIndex
    from videogn.tools.bench.sections import Bench

DESCRIPTION = """\
Measures how fast clips come from your videos, on this machine, beside other libraries:

  videogn bench data DIR
  videogn bench data a.mp4 b.mp4 --num_frames 64 --frame_interval 1 --json bench.json

Six tables, in a minute:

  frames    the frames of a training clip, at their full size: videogn by its decoders, PyAV from the beginning, decord,
            torchcodec; and in how many clips their bytes are videogn's
  sample    a training sample, from the file to the batch (decode, scale, crop, flip, collate): videogn, decord + OpenCV
            (MMAction2's way), torchcodec + torchvision, pytorchvideo; and how far the pixels are from videogn's, in
            levels of 255 (other filters, crops a pixel apart; other frames, where pytorchvideo meets uneven times)
  training  what settings of training cost: two clips from one decode, jittered colours, RandAugment, erasing, clips
            by time (target_fps). Balanced sampling, another order, costs a clip nothing; mixup, cutmix, EMA and AdamW
            are part of an update: videogn plan --measure, with and without them
  stages    where videogn's own time goes
  test      what a worker does for all views of a video under the test protocol: one decode, or one for each view
  loader    clips per second of a DataLoader, by its number of workers

With --prepare, a seventh: a training sample of the first four videos as they are, and as `videogn data prepare` makes
them (its defaults): bytes, time, and how far the pixels are.

"videogn" reads as in a run, in whose folder is kept what a file's packets tell; "first epoch" is without.

All ways get the same random clips, in random turn, in one process held to one core. Times are medians over rounds, "a
second" is rounds by their total time, ratios are medians of the rounds' ratios: a way's time by videogn's, 2.0 is twice
as long. A way that is far too slow for five rounds in its share of the minute is left out. Libraries that are not
installed are left out (pip install decord opencv-python-headless torchcodec). Files come from the system's cache, as
they have been read before: a disk or a network that is slower than the decoder is not measured.
"""
SHARES = {"frames": 0.2, "samples": 0.25, "training": 0.15, "stages": 0.1, "tests": 0.15, "loaders": 0.15}
PACKAGES = ("av", "decord", "numpy", "opencv-python-headless", "pytorchvideo", "torch", "torchcodec", "torchvision")


def run(words: Sequence[str]) -> int:
    """Run `bench ...`; return the exit status.

    Raises:
        UsageError: Videos or settings that can't be.
        RunError: None of the videos can be read, or the file can't be written.
    """
    given = _parser().parse_args(words[1:])
    if given.command == "model":
        return bench_model.run(given)
    check_json(given.json)
    if not (0 < given.seconds < math.inf) or given.num_videos < 1:
        raise UsageError("--seconds and --num_videos must be positive")
    if given.frame_folders and given.prepare:
        raise UsageError("--prepare is for video files: leave it out with --frame_folders")
    if min(given.num_workers or [0]) < 0:
        raise UsageError(f"--num_workers is {given.num_workers}; expected numbers from 0 up")
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = *Progress.get_default_columns()[:2], TimeElapsedColumn(), TextColumn("{task.fields[what]}")
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress, tempfile.TemporaryDirectory() as folder:
        try:
            figures = _measure(given, progress, Path(folder))
        except KeyboardInterrupt:
            print("stopped: nothing is measured in full", file=sys.stderr)
            return 130
    print_tables(figures)
    if given.json is not None:
        save_json(given.json, _plain(figures), ensure_ascii=True)
        print(f"written: {given.json}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="videogn bench", description="Measures speed.")
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="how fast clips are read", description=DESCRIPTION)
    data.add_argument("paths", nargs="+", metavar="PATH", help="videos, and folders of them")
    data.add_argument("--num_frames", type=int, default=32, help="frames of a clip (%(default)s)")
    data.add_argument("--frame_interval", type=int, default=2, help="source frames from one to the next (%(default)s)")
    data.add_argument("--crop_size", type=int, default=224, help="training crop in px (%(default)s)")
    data.add_argument(
        "--scale_size",
        type=int,
        nargs=2,
        default=(256, 320),
        metavar=("LOW", "HIGH"),
        help="short side in px (256 320)",
    )
    data.add_argument("--protocol", default="10x3", help="of the test: 10x3, 10x1 or 1x1 (%(default)s)")
    data.add_argument("--test_size", type=int, default=256, help="short side and crop of the test in px (%(default)s)")
    data.add_argument("--num_videos", type=int, default=32, help="at most, picked at random (%(default)s)")
    data.add_argument(
        "--num_workers", type=int, nargs="+", help="of the loaders (default: 0, 1, 2, 4 ... up to the cores)"
    )
    data.add_argument("--batch_size", type=int, default=8, help="of the loaders (%(default)s)")
    data.add_argument("--seconds", type=float, default=60.0, help="about how long to measure (%(default)s)")
    data.add_argument("--seed", type=int, default=0, help="of the clips (%(default)s)")
    data.add_argument(
        "--frame_folders", action="store_true", help="folders of images are videos; without other libraries"
    )
    data.add_argument("--prepare", action="store_true", help="also measure prepared files (made in a temporary folder)")
    data.add_argument("--json", metavar="FILE", help="also write all figures to this file")
    bench_model.add_parser(commands)
    return parser


def _measure(given: argparse.Namespace, progress: Progress, folder: Path) -> dict[str, Any]:
    from videogn.data.decoding import PacketIndex
    from videogn.machine import available_cores, processor_name
    from videogn.tools.bench.pipelines import missing_packages
    from videogn.tools.bench.timing import one_core
    from videogn.tools.prepare import Encoding

    task = progress.add_task("", total=given.seconds, what="looking at the videos")
    index = PacketIndex(folder / "index.sqlite")
    bench, left_out = _bench(
        given, index, on_progress=lambda: progress.update(task, completed=time.monotonic() - started)
    )
    started = time.monotonic()
    figures: dict[str, Any] = {
        "settings": {name: value for name, value in vars(given).items() if name not in {"json", "command"}},
        "machine": {"processor": processor_name(), "cores": available_cores(), "python": platform.python_version()},
        "versions": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "num_videos": len(bench.paths),
        "left_out": left_out,
        "missing_packages": missing_packages(),
    }
    with one_core():
        for name in ("frames", "samples", "training", "stages", "tests"):
            progress.update(task, what=name)
            _say(name, progress)
            figures[name] = getattr(bench, name)(SHARES[name] * given.seconds)
        if given.prepare:
            progress.update(task, what="prepared")
            _say("prepared", progress)
            figures["prepared"] = bench.prepared(SHARES["stages"] * given.seconds, folder=folder, settings=Encoding())
    progress.update(task, what="loaders")
    _say("loaders", progress)
    workers = given.num_workers or [0, *(2**n for n in range(available_cores().bit_length()))]
    figures["loaders"] = bench.loaders(
        SHARES["loaders"] * given.seconds, num_workers=workers, batch_size=given.batch_size
    )
    return figures


def _say(what: str, progress: Progress) -> None:
    if not progress.console.is_terminal:
        print(f"measuring {what} ...", file=sys.stderr)


def _bench(
    given: argparse.Namespace, index: PacketIndex, *, on_progress: Callable[[], None]
) -> tuple[Bench, dict[str, str]]:
    """Return the bench, and the videos that it goes without, with reasons."""
    import numpy as np

    from videogn.data.datamodule import KineticsDataModule
    from videogn.data.decoding import DecodeError, open_video
    from videogn.data.media import is_image
    from videogn.data.views.protocols import PROTOCOLS
    from videogn.data.views.testing import TestViews
    from videogn.data.views.training import TrainViews
    from videogn.tools.bench.sections import Bench

    low, high = given.scale_size
    try:
        module = KineticsDataModule(
            num_frames=given.num_frames,
            frame_interval=given.frame_interval,
            crop_size=given.crop_size,
            scale_size=(low, high),
            test_scale_size=given.test_size,
            test_crop_size=given.test_size,
            protocol=given.protocol,
            batch_size=given.batch_size,
            predict_paths=given.paths,
            frame_folders=given.frame_folders or None,
            seed=given.seed,
        )
        found = [record.path or "" for record in module.predict_records() if not is_image(record.name)]
    except ValueError as error:
        raise UsageError(str(error)) from error
    order = np.random.default_rng(given.seed).permutation(len(found))[: given.num_videos]
    paths, totals, left_out = [], [], {}
    for path in (found[place] for place in order):
        try:
            with open_video(path, index=index) as video:
                _ = video.num_frames  # on record from here on
                totals.append(video.count_frames())
                paths.append(path)
        except DecodeError as error:
            left_out[path] = error.reason
    if not paths:
        first = next(iter(left_out.values()))
        raise RunError(f"none of the {len(found)} videos can be decoded (the first: {first})")
    clip = (given.num_frames, given.frame_interval)
    bench = Bench(
        paths,
        totals,
        views=TrainViews(*clip, (low, high), given.crop_size, 0.5),
        test_views=TestViews(*clip, given.test_size, given.test_size, PROTOCOLS[given.protocol], "nonlocal"),
        index=index,
        seed=given.seed,
        on_progress=on_progress,
        alone=given.frame_folders,
    )
    return bench, left_out


def _plain(value: Any) -> Any:
    """Return values without NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
