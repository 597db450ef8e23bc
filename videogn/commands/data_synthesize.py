"""videogn data synthesize: the data set "motions"."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress

from videogn.commands.usage import CommandParser, UsageError
from videogn.data.motions.synthesize import NUM_TRAIN, NUM_VAL, synthesize


def run(words: list[str]) -> int:
    """Run `data synthesize ...`; return the exit status.

    Raises:
        UsageError: A data set that can't be made.
    """
    parser = CommandParser(
        prog="videogn data synthesize",
        description="Makes 'motions': short H.264 videos of textured shapes whose motion is the class (8 classes) and "
        "whose appearance says nothing. The same seed gives the same videos. An existing folder is left alone.",
    )
    parser.add_argument("--out", default="data/motions", help="folder to make (default: %(default)s)")
    parser.add_argument("--num_train", type=int, default=NUM_TRAIN, help="training videos (%(default)s)")
    parser.add_argument("--num_val", type=int, default=NUM_VAL, help="validation videos (%(default)s)")
    parser.add_argument("--num_test", type=int, default=None, help="test videos (default: as many as validate)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--num_workers", type=int, default=None, help="processes (default: one a core)")
    given = parser.parse_args(words[1:])

    num_test = given.num_val if given.num_test is None else given.num_test
    with Progress() as progress:
        task = progress.add_task("videos", total=given.num_train + given.num_val + num_test)
        try:
            synthesize(
                Path(given.out),
                num_train=given.num_train,
                num_val=given.num_val,
                num_test=num_test,
                seed=given.seed,
                num_workers=given.num_workers,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
    print(f"{given.out}: {given.num_train} training, {given.num_val} validation and {num_test} test videos")
    return 0
