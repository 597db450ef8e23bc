"""videogn features: what a layer of a trained network says of videos, in a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from videogn.commands.usage import CommandParser, RunError, UsageError, check_json, check_places
from videogn.data.views.protocols import ProtocolName
from videogn.machine import available_cores
from videogn.trained.names import Per

if TYPE_CHECKING:
    from videogn.trained.model import TrainedModel

DESCRIPTION = """\
Writes what a layer of a trained network says of videos: to search among them, or to train something small on.

Videos are seen as `videogn predict` sees them, with the run's own clips, crops and normalisation. Default layer: what
goes into the last one. The output of a layer is averaged over time and space, so a row has as many numbers as the layer
has channels. A row is a video (the mean of its clips and crops), or with --per clip or view one of those.

X.safetensors holds, for N rows:

  features  float32 [N, C]
  video     int64 [N]       place in the list `videos`, which is JSON in the file's metadata
  clip      int64 [N]       -1: the mean of all
  crop      int64 [N]       -1: the mean of all
  frames    int64 [N, 2]    the first and the last frame of the video that the row is of
  seconds   float64 [N, 2]  when the first begins and the last ends, by the file's frame rate; nan where it says none

X.npy holds the features alone, and X.json beside it the rest. Under a protocol of ten clips the last ones may run past
a video's end and go on at its beginning; their last frame then comes before their first.

Videos that can't be decoded have no row: they are named, counted, and listed as `failed` in the file. Memory does not
grow with the videos, but for their names. The file is put in place when all of it is written.
"""
EXAMPLES = """\
examples:
  videogn features runs/own_videos --videos DIR --out features.safetensors
  videogn features runs/own_videos --videos a.mp4 folder/ --per clip --layer blocks.4 --out res4.npy

In Python:
  import torch, videogn
  from safetensors.torch import load_file
  many = torch.nn.functional.normalize(load_file("features.safetensors")["features"])
  one = torch.nn.functional.normalize(videogn.load("runs/own_videos").features("clip.mp4"))
  print((one @ many.T).topk(5))   # the five nearest
"""


def run(words: list[str]) -> int:
    """Run `features ...`; return the exit status.

    Raises:
        UsageError: No run, checkpoint, video or layer of that name, or a file that can't be written.
        RunError: No video could be decoded, or there is no room for the file.
    """
    parser = CommandParser(prog="videogn features", description=DESCRIPTION, epilog=EXAMPLES, allow_abbrev=False)
    parser.add_argument("run_dir", metavar="RUN", help="the run's folder")
    parser.add_argument("--videos", nargs="+", required=True, metavar="PATH", help="video files and folders of them")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write: .safetensors or .npy")
    parser.add_argument("--layer", metavar="NAME", help="torch's name of it (blocks.4 is res4); help lists all")
    parser.add_argument("--per", choices=get_args(Per), default="video", help="a row for each (video)")
    parser.add_argument("--ckpt_path", default="last", help="last (the default), best, or a file")
    parser.add_argument("--protocol", choices=get_args(ProtocolName), help="clips x crops (default: the run's)")
    parser.add_argument("--num_workers", type=int, metavar="N", help="processes that decode (default: as the run)")
    given = parser.parse_args(words[1:])
    out = Path(given.out)
    if out.suffix not in (".safetensors", ".npy"):
        raise UsageError(f"--out {out}: expected a name that ends in .safetensors or .npy")
    check_json(given.out, setting="--out")
    model = _load(given)
    from videogn.commands.progress import progress
    from videogn.models.features import find_layer
    from videogn.trained.features import write_features

    about = {"run": given.run_dir, "ckpt_path": given.ckpt_path, "layer": given.layer, "per": given.per}
    about["protocol"] = model.data.protocol
    try:
        videos = model.videos(given.videos)
        if given.layer is not None:
            find_layer(model.module.model, given.layer)
        beside = out.with_suffix(".json") if out.suffix == ".npy" else None
        check_places((("--out", out), ("--out", beside)), read=[str(video.path) for video in videos])
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        with progress(failed="not decoded") as on_done:
            written = write_features(model, videos, out, layer=given.layer, per=given.per, about=about, on_done=on_done)
    except ValueError as error:
        raise RunError(str(error)) from error
    except OSError as error:
        raise RunError(f"--out {out} can't be written: {error.strerror or error}") from error
    except RuntimeError as error:  # no memory, a decoding process that was killed, an output that is not finite
        raise RunError(str(error)) from error
    failed = f"; {len(written.failed):,} could not be decoded" if written.failed else ""
    shape = f"{written.num_rows:,} x {written.num_channels:,}"
    print(f"written: {out}: {shape} numbers of {len(written.videos):,} of {len(videos):,} videos{failed}")
    return 0


def _load(given: argparse.Namespace) -> TrainedModel:
    import torch

    from videogn.trained.run import load

    try:
        model = load(given.run_dir, ckpt_path=given.ckpt_path, protocol=given.protocol, num_workers=given.num_workers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if model.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        # Threads that wait for cores which the decoding workers hold make small forwards many times slower.
        torch.set_num_threads(max(1, available_cores() - model.data.num_workers))
    return model
