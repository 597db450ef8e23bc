"""videogn data check: what would stop a run or distort it, before it is begun."""

from __future__ import annotations

import shlex
from pathlib import Path

from videogn.commands.usage import CommandParser, RunError, UsageError

DESCRIPTION = """\
Looks at all videos of a run before it is begun: every frame of every file is decoded, once. No video is changed.

  videogn data check DIR --config i3d_gn.yaml --out checks/kinetics
  videogn fit --config i3d_gn.yaml --data.root DIR --data.exclude checks/kinetics/exclude.txt

DIR is a data root as `videogn fit` takes it, with its lists, or a folder of class folders; a LIST is checked by itself.
All settings --data.* of `videogn fit` are taken, and --config: frames, interval and protocol tell how short is too
short, and which frames a clip may touch.

What is looked for:

  files     missing, unreadable, cut short; damaged where a clip may touch it; one that ends the decoder's process;
            frames that turn, or are stored turned by odd angles; packets whose times are wrong
  copies    the same bytes, in another split, in another class, or twice; the same video in another file (by how
            frames look: encoded anew, scaled, at another rate)
  sources   videos of validation or test that are cuts of what training has cuts of: by the lists' column group, else
            by names that look like numbered cuts
  lists     labels without names, gaps, classes without videos, imbalance, lines that can't be read
  clips     videos shorter than one (they are looped)

What comes of it, in --out: check.md to read, check.csv with every finding and what to do, exclude.txt for
--data.exclude, and state.jsonl. A check that was stopped goes on from there, and another looks only at new and changed
files. Exit status: 0 if nothing would stop or distort a run, 1 if something would.
"""
EPILOG = """\
What it costs: a decode of all frames, in a process a core: 246 clips of 70 frames and 320x240 took 7.5 s on one core.
A process takes 0.6 GB, for torch and its libraries; for 250,000 files the main one took 0.4 GB and half a minute more.

What it can't see: damage that leaves a stream valid; copies that were cropped, mirrored or cut to another length. Of
copies of very dark clips it found 37 of 40 at x264's crf 28, and 21 at crf 35. Clips of a standing camera in which
nothing moves look alike. So look at both before leaving one out: exclude.txt has those of training that look like ones
of validation or test commented out, under a heading of their own.
"""


def run(words: list[str]) -> int:
    """Run `data check ...`; return the exit status.

    Raises:
        UsageError: What can't be asked for.
        RunError: The report can't be written.
    """
    parser = CommandParser(
        prog="videogn data check",
        usage="videogn data check DIR|LIST [--config FILE] [--data.SETTING VALUE ...] [--out DIR] [--num_workers N]",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--out", metavar="DIR", default="data_check", help="folder of the report (%(default)s)")
    parser.add_argument("--num_workers", type=int, metavar="N", help="processes that decode (default: one a core)")
    given, rest = parser.parse_known_args(words[1:])
    if not rest or rest[0].startswith("-"):
        raise UsageError("expected the data root, or a list, before any setting: videogn data check DIR")
    if given.num_workers is not None and given.num_workers < 0:
        raise UsageError(f"--num_workers is {given.num_workers}; expected 0 (decode in this process) or more")
    return _check(Path(rest[0]), rest[1:], out=Path(given.out), num_workers=given.num_workers)


def _check(source: Path, settings: list[str], *, out: Path, num_workers: int | None) -> int:
    from videogn.commands.configs import resolve_configs
    from videogn.commands.progress import progress
    from videogn.commands.trainer_arguments import Settings
    from videogn.data.datamodule import KineticsDataModule
    from videogn.data.lists.entries import Split
    from videogn.data.lists.formats import default_list
    from videogn.tools.check.kinds import KINDS
    from videogn.tools.check.report import EXCLUDE, by_kind, write_report
    from videogn.tools.check.run import check

    parts: tuple[Split, ...] = ("train", "val", "test")
    words = [*resolve_configs(["fit", *settings])]
    is_list = not source.is_dir()
    if is_list and not source.exists() and "*" not in source.name:
        raise UsageError(f"{source}: no such folder or list")
    if not any(word.startswith("--data.root") for word in words):
        words += ["--data.root", str(source.parent if is_list else source)]
    own = Settings(words).config.fit.data.as_dict()
    named = {part: own[f"{part}_list"] for part in parts}
    splits = [part for part in parts if named[part] or (part != "test" and default_list(source, part))]
    if named["test"] == named["val"]:
        splits = [part for part in splits if part != "test"]
    if is_list or not splits:
        own["train_list"], splits = str(source.absolute()), ["train"]
    try:
        data = KineticsDataModule(**own)
        with progress(failed="wrong") as on_done:
            summary = check(data, out, splits=splits, num_workers=num_workers, on_done=on_done)
        title = f"videogn data check {shlex.join([str(source), *settings])}"
        write_report(summary, out, title=f"`{title}`", excluded=data.catalog.excluded)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(f"{error}: what is known stands; run the same command again to go on") from error
    except KeyboardInterrupt:
        print("stopped: what is known stands; run the same command again to go on")
        return 130
    numbers = ", ".join(f"{number:,} {split}" for split, number in summary.num_videos.items()) or "no"
    known = f" ({summary.num_known:,} known from before)" if summary.num_known else ""
    print(f"{numbers} videos in {summary.num_files:,} files{known}, {summary.seconds:.1f} s")
    for kind, found in by_kind(summary.findings).items():
        print(f"{len(found):>8,}  {kind:<28} {KINDS[kind].weight:<9} {found[0].video}: {found[0].words}")
    if summary.is_good:
        print("nothing that would stop or distort a run")
    print(f"written: {out}/check.md, check.csv, {EXCLUDE}")
    return 0 if summary.is_good else 1
