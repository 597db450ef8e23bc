"""videogn doctor: what can be known of a training in ten minutes, before a day is spent on it.

Light: what takes seconds to import is in videogn/commands/examination.py.
"""

from __future__ import annotations

import time

from videogn.commands.usage import CommandParser, UsageError, check_json

DESCRIPTION = """\
Asks of the run that `videogn fit` with the same settings would be, in at most ten minutes or so:

  Do the labels fit the classes, is one class much larger than another?
  Are the splits apart: no file of the same bytes, no cuts of one source on both sides?
  Can the training videos be decoded?
  Is decoding or the network the bottleneck?
  Is one batch learnt by heart: as configured, by bn, by gn, and by gn with standardized kernels or input?
  Is the learning rate in a sane range: as configured, and, beside it, by bn, gn, and gn with standardized kernels?
  Does motion matter: do clips say more than one frame of each, or than their frames in random order?

Each answer is `fine`, `look` (it may cost accuracy or time) or `stop` (a training would be wasted), with what was seen
and what to do. The trainings among them are short, on a part of the videos, from scratch and without augmentation that
matters: they find what is broken, not how good a run will be. Where an update of the run's own network takes too long
here, a small one stands in, and it is said.

Small as they are, they take a minute or two at least: what --minutes leave no time for is named.
An error on the way is a last answer, `stop`. The file that --json names has all answers so far, also of a doctor that
was stopped; "complete" in it says whether these are all.

Exit status: 0; 1 if an answer is `stop`; 2 for what fit would refuse. All settings of `videogn fit` are taken; see
`videogn fit --help`. Nothing is written except the file that --json names.

Examples:
  videogn doctor --config own_videos.yaml --data.root DIR
  videogn doctor --config i3d_gn.yaml --data.root DIR --minutes 4 --json doctor.json
"""


def run(words: list[str]) -> int:
    """Run `doctor ...`; return the exit status.

    Raises:
        UsageError: What `fit` would refuse.
        RunError: The file that --json names can't be written.
    """
    parser = CommandParser(
        prog="videogn doctor",
        usage="videogn doctor --config FILE [--SETTING VALUE ...] [--minutes M] [--json FILE]",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for all of it, about (default: 10)")
    parser.add_argument("--json", metavar="FILE", help="also write questions, verdicts and figures to this file")
    given, settings = parser.parse_known_args(words[1:])
    if not given.minutes > 0:
        raise UsageError(f"--minutes is {given.minutes:g}; expected more than 0")
    check_json(given.json)
    deadline = time.monotonic() + 60 * given.minutes
    from videogn.commands.examination import examine

    try:
        found = examine(settings, deadline=deadline, json=given.json)
    except KeyboardInterrupt:
        print("stopped: the answers above stand, the other questions were not asked")
        return 130
    return 1 if any(finding["verdict"] == "stop" for finding in found["findings"]) else 0
