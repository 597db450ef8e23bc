"""videogn data split: lists for training, validation and test, of one folder or one list."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict

from videogn.commands.usage import CommandParser, RunError, UsageError, check_json, save_json

DESCRIPTION = """\
Splits videos into training, validation and test. What is read: a folder of class folders, or one list, in any format
that `videogn fit` reads. What is written: train.csv, val.csv and test.csv (path,label, and group where videos have
one), and classes.txt where classes are names. No video is moved, copied or changed, and no list is overwritten.

  videogn data split DIR
  videogn fit --config own_videos.yaml --data.root DIR --data.test_list test.csv

  videogn data split DIR --groups '_g([0-9]+)_' --seed 1 --out splits/1
  videogn data split all.csv --root DIR --groups groups.csv --shares 0.8 0.2 0

Cuts of one source (a film, a person, a day) show the same scene. With some of them in training and others in test, a
network may know the scene and not the action, and its accuracy is too high. So they stay together: by the list's own
column of groups, else where most names look like numbered cuts (kitchen-1.mp4, kitchen-2.mp4, v_Jump_g01_c02.avi), and
then it is said. --groups says it yourself: by a regular expression over paths below the root (its first capture group
names the group, or all that it matches), or by a table with a column of paths and one of groups. --groups none: each
video by itself, whatever it is called. Videos of no group are each one of their own. Files of the same bytes stay
together in any case.
"""
EPILOG = """\
How it splits: each class by its shares (stratified), groups whole. Large groups go first, each to the part that lacks
it most, and then single groups move for as long as that makes a class's shares better. A class with as many groups as
there are parts has videos in each of them; where a class has fewer, training comes first, then validation, and it is
said. Groups may keep shares from being what was asked for: what came of it is printed.

The same seed gives the same split on every machine: the order of groups comes from hashes of their names. Another
video changes where others go, too: keep the lists, not the command.

With --multi_label true, a video counts for each class that it is of, and one of none as of a class of its own; lists
are path,labels with semicolons between labels. Shares are then of labels, and of videos about.

Without --data.test_list a run is tested on its validation videos.

In --out other than the root, lists name videos by the way from there: move both, or neither. A run reads such lists
with --data.allow_outside true.
"""


def run(words: list[str]) -> int:
    """Run `data split ...`; return the exit status.

    Raises:
        UsageError: What can't be split, or asked for.
        RunError: A list can't be written.
    """
    given = _parser().parse_args(words[1:])
    check_json(given.json)
    from videogn.tools.split.lists import split
    from videogn.wording import counted

    try:
        summary = split(
            given.source,
            root=given.root,
            out=given.out,
            shares=given.shares,
            groups=given.groups,
            seed=given.seed,
            columns=given.list_columns,
            frame_folders=given.frame_folders,
            allow_outside=bool(given.allow_outside),
            multi_label=bool(given.multi_label),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(f"{error}: nothing was split") from error
    groups = f"{counted(summary.num_groups, 'group')}, " if summary.num_groups < summary.num_videos else ""
    if summary.grouped_by:
        groups = f"{groups.removesuffix(', ')} by {summary.grouped_by} (--groups none: each video by itself), "
    classes = counted(summary.num_classes, "class")
    print(f"{summary.num_videos:,} videos, {groups}{classes}; seed {given.seed}")
    for name, part in summary.parts.items():
        own = f"{part.num_groups:>8,} {'group' if part.num_groups == 1 else 'groups'}"
        print(f"{name:<6}{part.num_videos:>8,} videos {part.share:>6.1%} {own:<15}  {part.file}")
    for note in summary.notes:
        print(f"note: {note}")
    settings = ["--data.test_list", "test.csv"] if "test" in summary.parts else []
    settings += ["--data.allow_outside", "true"] if summary.leads_out else []
    settings += ["--data.multi_label", "true"] if given.multi_label else []
    config, root = ["--config", "own_videos.yaml"], ["--data.root", summary.folder]
    print("next:")
    for words in (
        ["data", "check", summary.folder, *config, *settings, "--out", "check"],
        ["doctor", *config, *root, *settings],
        ["fit", *config, *root, *settings, "--data.exclude", "check/exclude.txt"],
    ):
        print(f"  {shlex.join(['videogn', *words])}")
    if given.json is not None:
        save_json(given.json, {**vars(given), **asdict(summary)}, ensure_ascii=True)
        print(f"written: {given.json}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(prog="videogn data split", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("source", metavar="DIR|LIST", help="folder of class folders, or a list")
    parser.add_argument("--root", metavar="DIR", help="what paths in a list are relative to (default: its folder)")
    parser.add_argument("--out", metavar="DIR", help="where the lists go (default: the root)")
    parser.add_argument(
        "--shares",
        type=float,
        nargs=3,
        default=(0.7, 0.15, 0.15),
        metavar=("TRAIN", "VAL", "TEST"),
        help="of the videos of each class; they add up to 1, TEST may be 0 (default: 0.7 0.15 0.15)",
    )
    parser.add_argument("--groups", metavar="REGEX|FILE|none", help="what stays together (default: see above)")
    parser.add_argument("--seed", type=int, default=0, help="another one splits in another way (%(default)s)")
    for name, kind, words in (  # by the names that errors of lists call them by, too
        ("list_columns", _columns, "[PATH,LABEL]: of a table, where they are not called as usual"),
        ("frame_folders", _yes_or_no, "true or false: whether folders of images in class folders are videos"),
        ("allow_outside", _yes_or_no, "true or false: whether paths in a list may lead out of the root (false)"),
        ("multi_label", _yes_or_no, "true or false: whether a list has any number of labels a video (false)"),
    ):
        parser.add_argument(f"--{name}", f"--data.{name}", dest=name, type=kind, metavar="VALUE", help=words)
    parser.add_argument("--json", metavar="FILE", help="also write the summary to this file")
    return parser


def _columns(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.strip("[]").split(",")]
    if len(names) != 2 or not all(names):
        raise argparse.ArgumentTypeError(f"expected [PATH,LABEL], got {text!r}")
    return names[0], names[1]


def _yes_or_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return text == "true"
