"""videogn report: what a run learned and where it is wrong, as one page."""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from videogn.commands.usage import CommandParser, RunError, UsageError, in_a_line
from videogn.trained.names import PAGE_FILES

DESCRIPTION = """\
Writes a page on a run: what it learned, where it is wrong, what it cost, how to make it again. One file that needs no
network, no script and no file beside it; light or dark as the reader's system is. From top to bottom:

  answer        top-1 and top-5 with their 95 % intervals, of how many videos, under which protocol, and what failed
  curves        error, loss, learning rate and clips a second by update, in training and validation
  confusion     which class is taken for which: a picture of up to 30 classes, the most confused pairs of more
  classes       each with its error and interval, the worst first, and what it is most often taken for
  calibration   is it right as often as it says? Reliability diagram and expected calibration error (15 bins)
  most wrong    the 24 videos whose own class it held for the least probable, as strips of frames, with probabilities
  cost          speed, memory, and where the time went
  provenance    what it started from, fingerprints of the data, versions, and the commands that make it again

Of a run of several labels a video (data.multi_label) it has mean average precision (mAP) and its 95 % interval as the
answer; of each class average precision, precision and recall at 0.5; in place of the confusions, the classes that are
most often among a video's most probable ones without being one of its labels; calibration over all pairs of a video
and a class; and the 24 videos of the highest loss.

`videogn test` writes it at its end. It is made of the run's folder alone: result.json and videos.csv (of the test),
metrics.csv, config.yaml; strips read the videos where they lay in the test. Of a run that is not tested it has the
curves. Videos that are gone have no frames, and the page says so. Nothing is computed by the network, and no GPU is
needed.

The folder is the page's own: files of an earlier page that this one does not have are removed.

Beside report.html, for papers and spreadsheets: curves, confusion and calibration as .png and .svg; confusion.csv,
classes.csv and calibration.csv. Intervals are for videos like these, of this one training: what another seed would give
is a matter of a study (videogn ablate).
"""
EXAMPLES = """\
examples:
  videogn report runs/own_videos
  videogn report runs/own_videos --out page
"""


# After a test it may take so long: 24 videos, each of which may be read for a while.
MOST_SECONDS = 600


def run(words: list[str]) -> int:
    """Run `report ...`; return the exit status.

    Raises:
        UsageError: No run of that name, or a folder that can't be written to.
        RunError: There is no room for the files.
    """
    parser = CommandParser(
        prog="videogn report",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run_dir", metavar="RUN", help="the run's folder")
    parser.add_argument("--out", metavar="DIR", help="folder for the page and its figures (default: RUN/report)")
    given = parser.parse_args(words[1:])
    from videogn.commands.progress import progress
    from videogn.trained.report.answer import answer_text
    from videogn.trained.report.gather import gather
    from videogn.trained.report.write import write_report

    out = Path(given.out) if given.out else Path(given.run_dir) / "report"
    try:
        gathered = gather(Path(given.run_dir))
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} can't be made: {error.strerror or error}") from error
    others = [name for name in PAGE_FILES if (out / name).exists()]
    if given.out and others and others[0] != PAGE_FILES[0]:
        raise UsageError(f"--out {out} holds {others[0]}, which is of no page: name a folder of its own")
    try:
        with progress(failed="no frames") as on_done:
            written = write_report(gathered, out, on_done=on_done)
    except OSError as error:
        raise RunError(f"--out {out} can't be written: {error.strerror or error}") from error
    print(answer_text(gathered))
    path = written.pop("report.html")
    size = f"{path.stat().st_size / 1e6:.2f} MB"
    print(f"written: {path} ({size}), and beside it {', '.join(sorted(written)) or 'nothing'}")
    return 0


def before_test(run_dir: Path) -> None:
    """Remove a run's page and what stands beside it: they are of an earlier test."""
    for name in reversed(PAGE_FILES):
        with suppress(FileNotFoundError, NotADirectoryError):
            (run_dir / "report" / name).unlink()


def after_test(run_dir: Path) -> None:
    """Write a run's page; where that fails, say so in a line: the test is done, whatever becomes of its page.

    In a process of its own: a video that ends its decoder's process, or hangs in it, costs the page alone.
    """
    sys.stdout.flush()
    try:
        words = [sys.executable, "-m", "videogn", "report", str(run_dir)]
        status = subprocess.run(words, stdin=subprocess.DEVNULL, timeout=MOST_SECONDS).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = in_a_line(error)
    else:
        reason = f"exit status {status}" if status else ""
    if reason:
        print(f"no page of the run was written ({reason}): `videogn report {run_dir}` tries again", flush=True)
