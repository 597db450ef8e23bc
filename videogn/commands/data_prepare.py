"""videogn data prepare: a data set in files that are cheap to read at random."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from videogn.commands.usage import CommandParser, RunError, UsageError, check_json, save_json
from videogn.tools.prepare.encoding import Encoding

if TYPE_CHECKING:
    from videogn.tools.prepare.folder import Summary

DESCRIPTION = """\
Copies a data set into files that are cheap to read at random: H.264, scaled down, a key frame every few frames. The
originals are only read. Frame k of a prepared video shows frame k of its original.

  videogn data prepare --root data/kinetics400 --out data/kinetics400_320
  videogn fit --config i3d_gn.yaml --data.root data/kinetics400_320

All videos below --root are prepared, under the same paths, with the suffix .mp4. Lists and files of classes (.csv,
.txt) are copied, with the new names in them. Lists that lie elsewhere are not: put them below --root first. Images are
passed over. Links to folders are followed.

A run may be stopped at any time: no half file has a final name. The same command again does what is missing: new
videos, and those that could not be decoded. To make one again, remove it.
"""
EPILOG = """\
What it costs: some 5 ms a frame and core at 320 px, and disk: about as many bytes as the originals where these are
small already (0.5 to 1.6 times, over six files); --quality 23 takes a third less.

What it buys: clips of 32 frames, every second one, were read 1.3 to 7 times as fast as from those originals (4 times in
the geometric mean): most from large pictures and from rare key frames, least from what was small and simple before.

What is lost: sound; pixels above the short side; 2.5 of 255 levels of the others on average (at --quality 20); more
than 8 bits, and colour of more than half size; transparency; the fields of interlaced video. Files are turned upright.
Pixels that are not square stay so. Odd sizes become even. Matrix and range of colours stay as they were declared.
Damaged videos are kept as far as they can be decoded.

Why these settings: key frames every 16, 24 and 32 frames gave clips equally fast, and 32 the fewest bytes; three
B-frames between others beat two and one in both; leaving out x264's deblocking filter and its arithmetic coder made
clips 1.9 times as fast, for a tenth more bytes. Quality 20 keeps the size of Kinetics' files at 340x256; 18 takes a
quarter more bytes for 2.3 levels of difference instead of 2.5, 23 a third less for 3.1.
"""


def run(words: list[str]) -> int:
    """Run `data prepare ...`; return the exit status.

    Raises:
        UsageError: What can't be asked for.
        RunError: Videos could not be prepared, or nothing more can be written.
    """
    given = _parser().parse_args(words[1:])
    check_json(given.json)
    try:
        settings = Encoding(short_side=given.short_side, key_interval=given.key_interval, quality=given.quality)
        summary = _prepare(given, settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(f"{error}: what is done stands; run the same command again to go on") from error
    except KeyboardInterrupt:
        print("stopped: what is done stands; run the same command again to go on")
        return 130
    _print(summary, given.out)
    if given.json is not None:
        figures = {"root": given.root, "out": given.out, **asdict(settings), **asdict(summary)}
        save_json(given.json, figures, ensure_ascii=True)
        print(f"written: {given.json}")
    if summary.failures:
        total = len(summary.failures) + summary.num_prepared + summary.num_there
        raise RunError(f"{len(summary.failures)} of {total} videos could not be prepared; all others are")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(prog="videogn data prepare", description=DESCRIPTION, epilog=EPILOG)
    default = Encoding()
    parser.add_argument("--root", required=True, metavar="DIR", help="folder of the originals")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to make, not in --root; or to go on with")
    parser.add_argument(
        "--short_side",
        type=int,
        default=default.short_side,
        metavar="PX",
        help="of the pictures; smaller ones are not scaled up. 320 serves training at scales of 256 to 320, 256 "
        "testing and fixed scales (default: %(default)s)",
    )
    parser.add_argument(
        "--key_interval",
        type=int,
        default=default.key_interval,
        metavar="FRAMES",
        help="from a key frame to the next: 16 for clips that span less than 32 (default: %(default)s)",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=default.quality,
        metavar="CRF",
        help="x264's crf: lower is better and larger, 18 to 23 is usual (default: %(default)s)",
    )
    parser.add_argument(
        "--num_workers", type=int, default=None, help="processes of a thread each (default: one a core)"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the summary to this file")
    return parser


def _prepare(given: argparse.Namespace, settings: Encoding) -> Summary:
    from videogn.commands.progress import progress
    from videogn.tools.prepare.folder import prepare_folder

    with progress(failed="left out") as on_done:
        return prepare_folder(given.root, given.out, settings=settings, num_workers=given.num_workers, on_done=on_done)


def _print(summary: Summary, out: str) -> None:
    before, after = summary.bytes_before, summary.bytes_after
    ratio = f" ({after / before:.2f} times)" if before else ""
    print(f"{out}: {summary.num_prepared} videos prepared in {summary.seconds:.1f} s, {summary.num_there} were there")
    print(f"bytes: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after{ratio}")
    print(f"copied: {summary.num_lists} lists; left out: {summary.num_images} images")
