"""videogn export: a trained network as a program that needs no videogn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videogn.commands.usage import CommandParser, RunError, UsageError, check_json, check_places, save_json
from videogn.trained.names import SUFFIXES, card_file, check_format

if TYPE_CHECKING:
    from torch import Tensor

    from videogn.trained.model import TrainedModel

DESCRIPTION = """\
Writes a run's network as a program that needs no videogn: uint8 frames in, probabilities out, normalisation inside, any
number of views at once. In float32, for a CPU; a torch_export program can be moved.

  torch_export  X.pt2, for torch.export.load
  onnx          X.onnx, for onnxruntime and others; needs pip install 'videogn[onnx]'

It takes views [N, T, H, W, 3], RGB, of the run's number of frames and test size, and gives [N, K]. Which frames, and
scaling and cropping, are up to who calls it; a video's probabilities are the mean of its views'.

Before the file takes its place, it is read back and held against the network on real clips (default: of the run's
validation videos), in batches of several sizes: a probability that differs by 1e-4 or more is an error, and nothing is
written. Both are timed, in turn. Beside it, X.pt2.md is a card: classes, sizes, fingerprints of the data, accuracy (of
result.json, where that is of the same checkpoint), and what the check found. All but the last is in the file itself, as
JSON: "videogn.json" among the extra files of a .pt2, "videogn" in the metadata of an .onnx.
"""
EXAMPLES = """\
examples:
  videogn export runs/own_videos --out own.pt2
  videogn export runs/own_videos --out own.onnx --format onnx --ckpt_path best --videos a.mp4 folder/
"""
MOST_VIEWS = 4  # of as many videos


def run(words: list[str]) -> int:
    """Run `export ...`; return the exit status.

    Raises:
        UsageError: No run or checkpoint of that name, no videos to check on, or a file that can't be written.
        RunError: The program differs from the network, or can't be made.
    """
    parser = CommandParser(prog="videogn export", description=DESCRIPTION, epilog=EXAMPLES, allow_abbrev=False)
    parser.add_argument("run_dir", metavar="RUN", help="the run's folder")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write: .pt2, or .onnx")
    parser.add_argument("--format", choices=tuple(SUFFIXES), default="torch_export", help="of the file (torch_export)")
    parser.add_argument("--ckpt_path", default="last", help="last (the default), best, or a file")
    parser.add_argument("--videos", nargs="+", metavar="PATH", help="what to check it on (the validation videos)")
    parser.add_argument("--json", metavar="FILE", help="also write what the check found to this file")
    given = parser.parse_args(words[1:])
    out = Path(given.out)
    if out.suffix != SUFFIXES[given.format]:
        expected = f"expected a name that ends in {SUFFIXES[given.format]}"
        raise UsageError(f"--out {out}: {expected}, as --format is {given.format}")
    check_json(given.out, setting="--out")
    check_json(given.json)
    check_places((("--out", out), ("--out", card_file(out)), ("--json", given.json)), read=given.videos or ())
    from videogn.files import ODD_NAMES, replacing
    from videogn.trained.card import about, card
    from videogn.trained.export import ExportError, export
    from videogn.trained.run import load

    try:
        check_format(given.format)
        model = load(given.run_dir, ckpt_path=given.ckpt_path, protocol="1x1", device="cpu")
        views = _views(model, given.videos)
    except ValueError as error:
        raise UsageError(str(error)) from error
    known = about(model, Path(given.run_dir))
    try:
        network, multi_label = model.module.model, model.module.multi_label
        checked = export(network, views, out, name=given.format, about=known, multi_label=multi_label)
        with replacing(card_file(out)) as partial:
            text = card(known, checked, file=out.name, name=given.format)
            partial.write_text(text, encoding="utf-8", errors=ODD_NAMES)
    except ExportError as error:
        raise RunError(str(error)) from error
    except OSError as error:
        raise RunError(f"--out {out} can't be written: {error.strerror or error}") from error
    print(f"checked on {checked.num_views} real views: within {checked.largest_difference:.1g} of the network")
    for size, (own, program) in checked.milliseconds.items():
        views_at_once = f"{size} view{'' if size == 1 else 's'}"
        print(f"{views_at_once}: {program:.1f} ms; the network itself {own:.1f} ms ({own / program:.2f} times as fast)")
    if given.json is not None:
        save_json(given.json, asdict(checked))
    print(f"written: {out} and {card_file(out)}")
    return 0


def _views(model: TrainedModel, given: list[str] | None) -> Tensor:
    """Return a centre view of some videos, uint8 [N, T, H, W, 3].

    Raises:
        UsageError: There are no videos, or none of some can be decoded.
    """
    import torch

    from videogn.data.decoding import DecodeError
    from videogn.data.lists.entries import ListError

    try:
        records: Any = model.videos(given) if given else model.data.catalog.present("val")
    except ListError as error:
        way = "" if given else ": name videos to check the program on, with --videos"
        raise UsageError(f"{error}{way}") from error
    views: list[Tensor] = []
    errors: list[str] = []
    for path in _spread([record.path for record in records]):
        try:
            views.append(model.data.views_of(path)[0])
        except DecodeError as error:
            errors.append(str(error))
        if len(views) == MOST_VIEWS:
            break
    if not views:
        raise UsageError(f"none of {len(errors)} videos to check on could be decoded; the first: {errors[0]}")
    return torch.stack(views)


def _spread(paths: list[str]) -> Iterator[str]:
    """Yield all paths, such that the first few come from all over the list."""
    step = max(1, len(paths) // MOST_VIEWS)
    for first in range(step):
        yield from paths[first::step]
